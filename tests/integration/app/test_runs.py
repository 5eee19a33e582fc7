"""Runs from their first step to their last word: order, failure, people, crash."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from opsrunner.engine.state import StateLock
from opsrunner.errors import Refused
from opsrunner.ledger.runs import NewRun
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import Evidence, TaskKind, TaskStatus

HEAD = """\
name: Backups
accountable: sysadmin
schedule: {every: day, at: "02:30"}
steps:
"""
FAILS_WHILE_BROKEN = (
    HEAD + '  - id: dump\n    run: test ! -e "$BROKEN"\n    env: {BROKEN: "{{ workdir }}/../../../broken"}\n'
)


def by_hand(site: Any, routine: str = "backups") -> Any:
    """Ask for a run, and let it go as far as it goes."""
    asked = site.app.books.requests.ask_for_run(routine, actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.work()
    return site.app.books.runs.get(site.app.books.requests.get(asked).run)


def ends(site: Any, run: Any) -> list[str]:
    """Return `id status` of each step of a run."""
    return [f"{record.id} {record.status.value}" for record in site.app.books.steps.of_run(run.id)]


def tick(site: Any, task: Any, status: TaskStatus = TaskStatus.DONE) -> None:
    boss = site.app.people.named("boss")
    site.app.ticks.tick(task.id, actor=boss, status=status, evidence=Evidence(note="ok"), at=site.clock.now())


def go_on(site: Any) -> None:
    """Let undo end and the runs go on."""
    site.clock.move(seconds=36)
    site.work()


def test_steps_run_in_order_and_a_failure_stops_the_ones_after_it(house: Callable[..., Any]) -> None:
    site = house({"backups": HEAD + '  - run: ["true"]\n  - run: exit 3\n  - run: ["true"]\n  - task: Sign\n'})
    run = by_hand(site)
    assert ends(site, run) == ["run succeeded", "run-2 failed", "run-3 skipped", "task skipped"]
    assert (run.status, run.reason) == (RunStatus.FAILED, "step run-2")
    assert [task.kind for task in site.app.books.tasks.opened()] == [TaskKind.FOLLOW_UP]


def test_a_repeated_keyed_step_says_how_many_it_found_open(house: Callable[..., Any]) -> None:
    steps = (
        "  - {id: list, run: 'cat \"$LIST\"', rows: lines, env: {LIST: '{{ workdir }}/../../../list'}}\n"
        "  - {task: 'Order {{ row.line }}', for_each: steps.list.rows, key: row.line}\n"
    )
    site = house({"backups": HEAD + steps})
    said = []
    for lines in ("1\n2\n", "1\n2\n", "2\n3\n"):
        (site.app.state / "list").write_text(lines, encoding="utf-8")
        record = site.app.books.steps.of_run(by_hand(site).id)[-1]
        said.append((record.outcome.message, record.outcome.facts["count"]))
    assert said == [("2 tasks", 2), ("2 open already", 0), ("1 task", 1)]


def test_the_scratch_folder_lasts_as_long_as_its_run(house: Callable[..., Any]) -> None:
    steps = '  - run: echo dump > "$OPS_WORKDIR/dump"\n  - task: Look at it\n    wait: true\n'
    site = house({"backups": HEAD + steps + '  - id: read\n    run: cat "$OPS_WORKDIR/dump"\n'})
    run = by_hand(site)
    folder = site.app.state / "runs" / str(run.id)
    assert (folder / "work/dump").is_file()

    (task,) = site.app.books.tasks.opened()
    tick(site, task)
    go_on(site)

    assert site.app.books.runs.get(run.id).status is RunStatus.SUCCEEDED
    assert (folder / "read.log").read_text() == "dump\n"
    assert not (folder / "work").exists()


def test_on_failure_continue_goes_on_and_the_run_is_failed_all_the_same(house: Callable[..., Any]) -> None:
    site = house({"backups": HEAD + '  - run: exit 3\n    on_failure: continue\n  - run: ["true"]\n'})
    run = by_hand(site)
    assert ends(site, run) == ["run failed", "run-2 succeeded"]
    assert run.status is RunStatus.FAILED


def test_forty_failures_are_one_follow_up_that_says_forty_and_closes_at_the_next_success(
    house: Callable[..., Any],
) -> None:
    site = house({"backups": FAILS_WHILE_BROKEN})
    broken = site.root / "var" / "broken"
    broken.touch()
    for _ in range(40):
        by_hand(site)
    (task,) = site.app.books.tasks.opened()
    assert (task.kind, task.count) == (TaskKind.FOLLOW_UP, 40)
    digest = site.app.digests.preview("daily", site.clock.now()).text
    assert "Failed 40 times" in " ".join(digest.split())
    mails = [mail for mail in site.app.books.outbox.queued() if "digest" not in mail.about]
    assert len(mails) == 1
    broken.unlink()
    assert by_hand(site).status is RunStatus.SUCCEEDED
    assert site.app.books.tasks.opened() == []
    assert site.app.books.tasks.get(task.id).status is TaskStatus.DONE


def test_a_retry_is_recorded_and_a_later_success_counts(house: Callable[..., Any]) -> None:
    again = 'test -e "$OPS_WORKDIR/once" || { touch "$OPS_WORKDIR/once"; exit 1; }'
    site = house({"backups": HEAD + f"  - run: '{again}'\n    retry: {{times: 2, wait: 1s}}\n"})
    run = by_hand(site)
    (record,) = site.app.books.steps.of_run(run.id)
    assert run.status is RunStatus.SUCCEEDED
    assert [attempt.status for attempt in record.outcome.attempts] == [StepStatus.FAILED, StepStatus.SUCCEEDED]


def test_rows_of_a_step_are_turned_into_tasks_one_a_key_over_three_runs(house: Callable[..., Any]) -> None:
    rows = HEAD + (
        '  - id: unpaid\n    run: cat "$ORDERS"\n    rows: csv\n    env: {ORDERS: "{{ workdir }}/../../../orders"}\n'
        '  - id: verify\n    task: "Verify funds for order {{ row.number }}"\n    for_each: steps.unpaid.rows\n'
        "    key: row.number\n    closes_when_gone: true\n"
    )
    site = house({"backups": rows})
    orders = site.root / "var" / "orders"
    orders.write_text("number,amount\n10482,5\n10483,6\n", encoding="utf-8")
    for _ in range(3):
        assert by_hand(site).status is RunStatus.SUCCEEDED
    assert sorted(task.title for task in site.app.books.tasks.opened()) == [
        "Verify funds for order 10482",
        "Verify funds for order 10483",
    ]
    orders.write_text("number,amount\n10483,6\n", encoding="utf-8")
    by_hand(site)
    (left,) = site.app.books.tasks.opened()
    assert left.key == "10483"


def test_a_task_that_waits_holds_through_a_restart_and_an_edit_and_the_run_goes_on(house: Callable[..., Any]) -> None:
    waits = (
        HEAD + '  - run: ["true"]\n  - task: Sign the list\n    wait: true\n  - id: after\n    run: echo first text\n'
    )
    site = house({"backups": waits})
    run = by_hand(site)
    assert run.status is RunStatus.WAITING
    site.close()
    site.write("routines/backups.yaml", waits.replace("echo first text", "exit 9"))
    site.app.draining.clear()
    site.open()
    site.work()
    assert site.app.books.runs.get(run.id).status is RunStatus.WAITING
    tick(site, site.app.books.tasks.opened()[0])
    site.work()
    assert site.app.books.runs.get(run.id).status is RunStatus.WAITING, "undo has not ended"
    go_on(site)
    ended = site.app.books.runs.get(run.id)
    assert ended.status is RunStatus.SUCCEEDED, "the frozen copy runs, not the edited file"
    assert ends(site, ended)[-1] == "after succeeded"


def test_a_condition_is_asked_before_the_tasks_open_and_not_when_they_are_answered(house: Callable[..., Any]) -> None:
    steps = "  - task: Look at it\n    when: today.day == 20\n    wait: true\n  - run: ['true']\n"
    site = house({"backups": HEAD.replace('schedule: {every: day, at: "02:30"}\n', "") + steps})
    run = by_hand(site)
    (task,) = site.app.books.tasks.opened()
    site.clock.move(days=1)
    tick(site, task)
    go_on(site)
    assert ends(site, run) == ["task succeeded", "run succeeded"]


def test_a_waiting_task_that_could_not_be_done_stops_the_run(house: Callable[..., Any]) -> None:
    site = house({"backups": HEAD + '  - task: Sign\n    wait: true\n  - run: ["true"]\n'})
    run = by_hand(site)
    tick(site, site.app.books.tasks.opened()[0], TaskStatus.COULD_NOT)
    go_on(site)
    ended = site.app.books.runs.get(run.id)
    assert (ended.status, ends(site, ended)) == (RunStatus.FAILED, ["task failed", "run skipped"])


def test_a_run_waits_for_its_tasks_and_one_that_could_not_be_done_makes_it_a_warning(house: Callable[..., Any]) -> None:
    site = house({"backups": HEAD + '  - task: Look\n  - task: Look again\n  - run: ["true"]\n'})
    run = by_hand(site)
    assert run.status is RunStatus.WAITING
    first, second = site.app.books.tasks.of_run(run.id)
    tick(site, first)
    tick(site, second, TaskStatus.COULD_NOT)
    go_on(site)
    ended = site.app.books.runs.get(run.id)
    assert (ended.status, ended.reason) == (RunStatus.WARNING, "task task-2")


def test_unticked_tasks_are_missed_when_the_next_occurrence_opens_its_list(house: Callable[..., Any]) -> None:
    site = house({"backups": HEAD + "  - task: Look\n"})
    site.at("2026-11-21T02:30:01")
    site.at("2026-11-22T02:30:01")
    go_on(site)
    first, second = site.runs("backups")
    assert (first.status, second.status) == (RunStatus.WARNING, RunStatus.WAITING)
    assert site.app.books.tasks.of_run(first.id)[0].status is TaskStatus.MISSED


def test_the_machine_ticks_what_it_can_see_and_says_what_it_saw(house: Callable[..., Any]) -> None:
    seen = HEAD + (
        "  - task: The copy is there\n    done_when: steps.drill.status == 'succeeded'\n"
        '  - id: drill\n    run: ["true"]\n'
    )
    site = house({"backups": seen})
    run = by_hand(site)
    (task,) = site.app.books.tasks.of_run(run.id)
    assert (task.status, run.status) == (TaskStatus.DONE, RunStatus.SUCCEEDED)
    assert task.evidence.outcome


def test_a_list_that_could_not_be_read_ticks_nothing_and_one_that_could_does(house: Callable[..., Any]) -> None:
    asked = HEAD + (
        '  - id: unsaid\n    run: cat "$LIST"\n    rows: lines\n    env: {LIST: "{{ workdir }}/../../../list"}\n'
        '  - id: say\n    task: "Tell {{ row.line }}"\n    for_each: steps.unsaid.rows\n    key: row.line\n'
        "    done_when: row.line not in (steps.unsaid.rows | map(attribute='line') | list)\n"
    )
    site = house({"backups": asked})
    told = site.app.state / "list"
    told.write_text("ann\nbob\n", encoding="utf-8")
    by_hand(site)
    told.unlink()
    assert ends(site, by_hand(site)) == ["unsaid failed", "say skipped"]
    open_ = [task.title for task in site.app.books.tasks.opened() if task.kind is TaskKind.ROUTINE]
    assert sorted(open_) == ["Tell ann", "Tell bob"]
    told.write_text("bob\n", encoding="utf-8")
    by_hand(site)
    assert [task.title for task in site.app.books.tasks.opened()] == ["Tell bob"]


VERDICTS = [
    # keys beside the step, status of the step, of the run
    pytest.param("warn_if: result.exit_code == 0", "warning", RunStatus.WARNING, id="warn_if on the result"),
    pytest.param('rows: lines\n    fail_if: "row.line | int > 500"', "failed", RunStatus.FAILED, id="fail_if on a row"),
    pytest.param('rows: lines\n    fail_if: "row.line | int > 900"', "succeeded", RunStatus.SUCCEEDED, id="not true"),
    pytest.param("when: 1 > 2", "skipped", RunStatus.SUCCEEDED, id="when is false"),
    pytest.param("warn_if: result.nothing_such", "failed", RunStatus.FAILED, id="a wrong expression is no success"),
]


@pytest.mark.parametrize(("keys", "step", "status"), VERDICTS)
def test_expressions_decide_on_the_end_of_a_step(
    house: Callable[..., Any], keys: str, step: str, status: RunStatus
) -> None:
    site = house({"backups": HEAD + f"  - run: echo 800\n    {keys}\n"})
    run = by_hand(site)
    assert (ends(site, run), run.status) == ([f"run {step}"], status)


def test_the_follow_up_of_a_row_that_no_longer_comes_closes_though_others_still_fail(house: Callable[..., Any]) -> None:
    each = HEAD + (
        '  - {id: hosts, run: \'cat "$LIST"\', rows: lines, env: {LIST: "{{ workdir }}/../../../list"}}\n'
        "  - {id: look, run: exit 1, for_each: steps.hosts.rows, key: row.line}\n"
    )
    site = house({"backups": each})
    keys = []
    for lines in ("web1\nweb2\n", "web2\nweb3\n"):
        (site.app.state / "list").write_text(lines, encoding="utf-8")
        assert by_hand(site).status is RunStatus.FAILED
        keys.append(sorted(task.key for task in site.app.books.tasks.opened()))
    assert keys == [["web1", "web2"], ["web2", "web3"]]


def test_a_step_for_each_row_tells_of_each_and_follows_up_each(house: Callable[..., Any]) -> None:
    each = HEAD + (
        "  - id: hosts\n    run: printf 'web1\\nweb2\\n'\n    rows: lines\n"
        '  - id: look\n    run: test "$HOST" = web1\n    env: {HOST: "{{ row.line }}"}\n'
        "    for_each: steps.hosts.rows\n    key: row.line\n"
    )
    site = house({"backups": each})
    run = by_hand(site)
    record = site.app.books.steps.of_run(run.id)[1]
    assert [(part.key, part.status.value) for part in record.outcome.parts] == [
        ("web1", "succeeded"),
        ("web2", "failed"),
    ]
    (task,) = site.app.books.tasks.opened()
    assert task.key == "web2"
    assert (site.root / "var" / "runs" / str(run.id) / "look.web2.log").exists()


def test_an_act_that_is_once_is_never_repeated(house: Callable[..., Any]) -> None:
    site = house({"backups": HEAD + '  - run: echo x >> "$OPS_WORKDIR/../../../acts"\n    once: "welcome-7"\n'})
    by_hand(site)
    assert ends(site, by_hand(site)) == ["run skipped"]
    assert (site.root / "var" / "acts").read_text(encoding="utf-8") == "x\n"


def test_a_mail_that_is_once_is_queued_once(house: Callable[..., Any]) -> None:
    mail = HEAD + (
        "  - id: new\n    run: printf 'number,email\\n7,a@example.com\\n8,b@example.com\\n'\n    rows: csv\n"
        '  - email: {to: "{{ row.email }}", subject: "Welcome {{ row.number }}", body: "Hello"}\n'
        '    for_each: steps.new.rows\n    once: "welcome-{{ row.number }}"\n'
    )
    site = house({"backups": mail})
    by_hand(site)
    by_hand(site)
    letters = [mail for mail in site.app.books.outbox.queued() if mail.subject.startswith("Welcome")]
    assert sorted(letter.to for letter in letters) == ["a@example.com", "b@example.com"]


def crash_in(site: Any, step: str, *, is_entered: bool = True) -> Any:
    """Write what a daemon that died in the middle of `step` leaves behind, or just before it was entered."""
    books = site.app.books
    asked = books.requests.ask_for_run("backups", actor="boss", at=site.clock.now())
    site.workers.start = lambda run_id: True  # it is claimed, and no thread of this house takes it
    site.clock.move(seconds=6)
    site.daemon.work_once()
    run = books.runs.get(books.requests.get(asked).run)
    routine = site.app.site.routines["backups"]
    for position, plan in enumerate(routine.steps):
        books.steps.start(run.id, position, plan, at=site.clock.now())
        if plan.id == step:
            if is_entered:
                site.app.runner.marks.enter(run.id, position)
            break
        books.steps.finish(run.id, position, plan, outcome=Outcome(status=StepStatus.SUCCEEDED), at=site.clock.now())
    site.close()
    site.app.draining.clear()
    site.open()
    site.work()
    return site.app.books.runs.get(run.id)


THREE = HEAD + '  - id: one\n    run: ["true"]\n  - id: two\n    run: ["true"]\n  - id: three\n    run: ["true"]\n'


def test_after_a_crash_the_step_in_flight_is_ambiguous_and_a_person_is_asked(house: Callable[..., Any]) -> None:
    """B33, the ledger's half."""
    site = house({"backups": THREE})
    run = crash_in(site, "two")
    assert ends(site, run) == ["one succeeded", "two interrupted", "three skipped"]
    assert (run.status, run.reason) == (RunStatus.INTERRUPTED, "crash")
    (task,) = site.app.books.tasks.opened()
    assert task.title == "See how far two of Backups came before it was cut off"


def test_after_a_crash_a_step_that_may_rerun_is_resumed(house: Callable[..., Any]) -> None:
    """B33, the other half."""
    site = house({"backups": THREE.replace('two\n    run: ["true"]', 'two\n    run: ["true"]\n    after_crash: rerun')})
    run = crash_in(site, "two")
    assert ends(site, run) == ["one succeeded", "two succeeded", "three succeeded"]
    assert run.status is RunStatus.SUCCEEDED


def test_after_a_crash_a_step_that_was_never_entered_is_no_step_in_flight(house: Callable[..., Any]) -> None:
    """What is due together is started on the disk together; only what was entered may be ambiguous."""
    site = house({"backups": THREE})
    run = crash_in(site, "two", is_entered=False)
    assert ends(site, run) == ["one succeeded", "two succeeded", "three succeeded"]
    assert run.status is RunStatus.SUCCEEDED
    assert site.app.books.tasks.opened() == []


def test_a_run_by_hand_without_a_daemon_first_takes_up_what_a_dead_daemon_left(house: Callable[..., Any]) -> None:
    site = house({"backups": THREE})
    site.workers.start = lambda run_id: True
    asked = site.app.books.requests.ask_for_run("backups", actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.daemon.work_once()
    left = site.app.books.requests.get(asked).run
    run = site.app.run_by_hand("backups", actor="boss")
    assert site.app.books.runs.get(left).status is RunStatus.SUCCEEDED
    assert run.id != left
    assert run.status is RunStatus.SUCCEEDED


def test_a_cancel_that_comes_as_the_run_turns_to_people_is_not_lost(house: Callable[..., Any]) -> None:
    site = house({"backups": HEAD + "  - task: Look\n    wait: true\n"})
    waits, runner = site.app.books.runs.wait, site.app.runner

    def cancelled_just_then(run_id: int) -> bool:
        waited: bool = waits(run_id)
        assert site.workers.stop(run_id)
        return waited

    site.app.books.runs.wait = cancelled_just_then
    run = by_hand(site)
    assert (run.status, run.reason) == (RunStatus.CANCELLED, "asked")
    assert runner is site.app.runner


def test_a_run_that_was_planned_but_not_entered_when_the_daemon_stops_is_taken_up_by_the_next(
    house: Callable[..., Any],
) -> None:
    site = house({"backups": THREE})
    site.clock.move(hours=14, minutes=30)
    site.workers.hand_over = lambda works: [site.app.draining.set(), *(list(work.walk) for work in works)]
    site.daemon.work_once()
    (run,) = site.runs("backups")
    assert (run.status, ends(site, run)) == (RunStatus.RUNNING, [])
    site.close()
    site.app.draining.clear()
    site.open()
    site.work()
    (run,) = site.runs("backups")
    assert ends(site, run) == ["one succeeded", "two succeeded", "three succeeded"]


def test_output_is_data_and_never_a_template(house: Callable[..., Any]) -> None:
    """C22."""
    site = house(
        {
            "backups": HEAD + "  - id: a\n    run: echo '{{ 7*7 }}'\n    rows: lines\n"
            '  - task: "See {{ row.line }}"\n    for_each: steps.a.rows\n'
        }
    )
    by_hand(site)
    assert [task.title for task in site.app.books.tasks.opened()] == ["See {{ 7*7 }}"]


def test_who_follows_a_run_is_told_when_the_daemon_ends(house: Callable[..., Any]) -> None:
    site = house({"backups": HEAD + "  - run: sleep 60\n"})
    books, daemon = site.app.books, StateLock(site.app.state)
    daemon.take()

    def take_it_and_end() -> None:
        while not books.requests.waiting():
            site.app.draining.wait(0.02)
        new = NewRun(routine="backups", trigger=Trigger.MANUAL, status=RunStatus.RUNNING)
        run = books.runs.claim(new, at=site.clock.now())
        books.requests.take(books.requests.waiting()[0].id, at=site.clock.now(), run=run.id)
        daemon.release()

    thread = threading.Thread(target=take_it_and_end)
    thread.start()
    with pytest.raises(Refused, match="the daemon ended, and run 1 did not"):
        site.app.run_by_hand("backups", actor="boss")
    thread.join()


def test_a_cancelled_run_ends_as_cancelled(house: Callable[..., Any]) -> None:
    first = '  - run: touch "$OPS_WORKDIR/begun"; exec sleep 60\n'
    site = house({"backups": HEAD + first + "  - run: echo never\n"})
    asked = site.app.books.requests.ask_for_run("backups", actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.daemon.work_once()
    run_id = site.app.books.requests.get(asked).run
    while not (site.root / "var" / "runs" / str(run_id) / "work" / "begun").exists():
        site.app.draining.wait(0.02)
    site.app.books.requests.ask_to_cancel(run_id, actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.daemon.work_once()
    while site.workers.busy():  # who reads a program's output looks up when time passes, and this clock stands
        site.clock.move(seconds=0.3)
        site.app.draining.wait(0.02)
    site.work()
    run = site.app.books.runs.get(run_id)
    assert (run.status, run.reason) == (RunStatus.CANCELLED, "asked")
    assert ends(site, run) == ["run interrupted", "run-2 skipped"]
    assert site.app.books.tasks.opened() == [], "who cancels knows why"


def test_the_plan_of_a_step_is_frozen_with_its_run(house: Callable[..., Any]) -> None:
    site = house({"backups": THREE})
    run = by_hand(site)
    body = site.app.books.runs.frozen_body(run.frozen)
    assert isinstance(site.app.site.routines["backups"].steps[0], StepPlan)
    assert '"id":"two"' in body.replace(" ", "")


def test_a_mail_that_is_once_goes_once_and_its_second_run_says_so(house: Callable[..., Any]) -> None:
    steps = '  - email: {to: c@example.com, subject: Hello, body: "You are in."}\n    id: hello\n    once: hello-17\n'
    site = house({"backups": HEAD + steps})
    first, second = by_hand(site), by_hand(site)
    assert (ends(site, first), ends(site, second)) == (["hello succeeded"], ["hello skipped"])
    assert second.status is RunStatus.SUCCEEDED
    assert [mail.to for mail in site.app.books.outbox.queued()] == ["c@example.com"]


def test_a_daemon_that_stops_between_two_steps_leaves_the_run_to_the_next_start(house: Callable[..., Any]) -> None:
    first = 'touch "$OPS_WORKDIR/begun"; while [ ! -e "$OPS_WORKDIR/go" ]; do sleep 0.05; done'
    site = house({"backups": HEAD + f"  - {{id: one, run: '{first}'}}\n  - {{id: two, run: 'true'}}\n"})
    asked = site.app.books.requests.ask_for_run("backups", actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.daemon.work_once()
    run_id = site.app.books.requests.get(asked).run
    work = site.root / "var" / "runs" / str(run_id) / "work"
    while not (work / "begun").exists():
        site.app.hurry.wait(0.02)
    site.app.draining.set()
    (work / "go").touch()
    while site.workers.busy():
        site.app.hurry.wait(0.02)
    left = site.app.books.runs.get(run_id)
    assert (left.status, ends(site, left)) == (RunStatus.RUNNING, ["one succeeded"])
    site.close()
    site.app.draining.clear()
    site.open()
    site.work()
    ended = site.app.books.runs.get(run_id)
    assert (ended.status, ends(site, ended)) == (RunStatus.SUCCEEDED, ["one succeeded", "two succeeded"])
