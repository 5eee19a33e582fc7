"""Steps: kinds, ids, keys, options, tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import time

import pytest

from opsrunner.config.loader import Loaded
from opsrunner.model.routine import Approval, Due, Escalation, EvidenceSpec, Retry, Routine, StepPlan
from opsrunner.secrets import SecretRef

Load = Callable[[Mapping[str, str]], Loaded]
HEAD = "name: A routine\naccountable: sysadmin\n"


@pytest.fixture
def read(load: Load) -> Callable[[str], Routine]:
    """Read a routine with these steps, which must be right."""

    def read_steps(text: str) -> Routine:
        loaded = load({"routines/x.yaml": HEAD + text})
        assert loaded.problems == ()
        assert loaded.site is not None
        return loaded.site.routines["x"]

    return read_steps


Read = Callable[[str], Routine]


def test_it_names_steps_after_their_kind_and_numbers_them_from_the_second(read: Read) -> None:
    routine = read(
        """steps:
  - run: "true"
  - {run: "true", id: dump}
  - task: One
  - task: Two
  - run: "true"
  - task: Three
"""
    )

    assert [step.id for step in routine.steps] == ["run", "dump", "task", "task-2", "run-2", "task-3"]


def test_it_passes_over_a_number_that_somebody_chose(read: Read) -> None:
    routine = read("steps:\n  - task: One\n  - {task: Two, id: task-2}\n  - task: Three\n")

    assert [step.id for step in routine.steps] == ["task", "task-2", "task-3"]


def test_it_knows_the_line_of_every_step(read: Read) -> None:
    routine = read('steps:\n  - run: "true"\n\n  # a comment\n  - id: b\n    run: "true"\n')

    assert [step.line for step in routine.steps] == [4, 7]


def test_it_reads_every_key_that_steps_share(read: Read) -> None:
    step = read(
        """steps:
  - id: orders
    query: {source: orders}
  - id: all
    name: Every key
    run: "true"
    when: steps.orders.status == 'succeeded'
    for_each: steps.orders.rows
    key: row.number
    timeout: 30m
    retry: {times: 2, wait: 5m}
    env: {A: text, B: {env: SECRET}, C: {file: secrets/c}, D: {command: [pass, show, d]}}
    on_failure: continue
    follow_up: false
    urgent: true
    warn_if: row.count > 1
    fail_if: row.count > 2
    rows: csv
    once: "sent-{{ row.number }}"
    after_crash: rerun
"""
    ).steps[1]

    assert step == StepPlan(
        id="all",
        kind="run",
        name="Every key",
        options={"run": "true"},
        when="steps.orders.status == 'succeeded'",
        for_each="steps.orders.rows",
        key="row.number",
        timeout_seconds=1800,
        retry=Retry(times=2, wait_seconds=300),
        env={
            "A": "text",
            "B": SecretRef(env="SECRET"),
            "C": SecretRef(file="secrets/c"),
            "D": SecretRef(command=("pass", "show", "d")),
        },
        on_failure="continue",
        follow_up=False,
        urgent=True,
        warn_if="row.count > 1",
        fail_if="row.count > 2",
        rows="csv",
        once="sent-{{ row.number }}",
        after_crash="rerun",
        line=6,
    )


def test_an_hour_no_retry_and_a_follow_up_are_the_defaults(read: Read) -> None:
    step = read('steps: [{run: "true"}]\n').steps[0]

    assert (step.timeout_seconds, step.retry, step.follow_up, step.urgent) == (3600, Retry(), True, False)
    assert (step.on_failure, step.after_crash) == ("stop", "ask")


def test_a_step_that_only_reads_may_run_again_after_a_crash(read: Read) -> None:
    steps = read('steps:\n  - query: {source: orders}\n  - http: {get: "https://example.com/"}\n').steps

    assert [step.after_crash for step in steps] == ["rerun", "rerun"]


def test_a_mail_may_too_since_it_is_queued_only_with_the_end_of_its_step(read: Read) -> None:
    (step,) = read("steps: [{email: {to: boss@example.com, subject: Hello, body: Hello}}]\n").steps

    assert step.after_crash == "rerun"


@pytest.mark.parametrize("method", ["post", "put"])
def test_a_request_that_changes_something_is_not_repeated_after_a_crash(read: Read, method: str) -> None:
    (step,) = read(f'steps: [{{http: {{{method}: "https://example.com/"}}}}]\n').steps

    assert step.after_crash == "ask"


def test_options_stay_as_they_were_written_with_their_templates_and_references(read: Read) -> None:
    step = read(
        """steps:
  - http:
      get: "https://example.com/{{ run.id }}"
      headers: {Authorization: {file: secrets/token}}
      expect: {status: 200, within: 2s}
"""
    ).steps[0]

    assert step.options == {
        "get": "https://example.com/{{ run.id }}",
        "headers": {"Authorization": {"file": "secrets/token"}},
        "expect": {"status": 200, "within": "2s"},
    }


def test_the_options_of_run_stand_beside_it(read: Read) -> None:
    step = read("steps:\n  - run: [rsync, -a, /srv, /mnt]\n    cwd: /srv\n    timeout: 5m\n").steps[0]

    assert step.options == {"run": ["rsync", "-a", "/srv", "/mnt"], "cwd": "/srv"}
    assert step.timeout_seconds == 300


def test_a_task_says_who_when_and_with_what_evidence(read: Read) -> None:
    routine = read(
        """steps:
  - id: unpaid
    query: {source: orders}
  - task: "Verify order {{ row.number }}"
    for_each: steps.unpaid.rows
    key: row.number
    how: Look **twice**.
    link: "https://billing.example.com/{{ row.number }}"
    role: front-desk
    due: +4h business
    remind: [-1h, -30m]
    escalate: {after: 2h, to: owner}
    evidence: {note: required, number: {name: GB free, minimum: 0, maximum: 9, need: optional}, choice: [yes, no]}
    closes_when_gone: true
    wait: true
"""
    )
    (task,) = routine.steps[1].tasks

    assert (task.id, task.title, task.how) == ("task", "Verify order {{ row.number }}", "Look **twice**.")
    assert task.link == "https://billing.example.com/{{ row.number }}"
    assert (task.role, task.due) == ("front-desk", Due(after_seconds=14400, business=True))
    assert task.remind == (-3600, -1800)
    assert task.escalate == (Escalation(after_seconds=7200, to="owner"),)
    assert task.evidence == EvidenceSpec(
        note="required", number="optional", number_name="GB free", minimum=0, maximum=9, choice=("yes", "no")
    )
    assert (task.closes_when_gone, task.wait) == (True, True)
    assert task.expires == "never"


def test_a_task_without_a_key_ends_when_the_next_one_opens(read: Read) -> None:
    (task,) = read('steps:\n  - task: Look\n    due: "10:00"\n').steps[0].tasks

    assert (task.expires, task.due) == ("next", Due(at=time(10)))


def test_an_approval_names_its_rows_and_who_decides(read: Read) -> None:
    routine = read(
        """steps:
  - id: pick
    query: {source: orders}
  - task: Approve the list
    id: ok
    approve: {rows: steps.pick.rows, by: owner, not_self: true}
    wait: true
  - email: {to: owner, subject: Done, body: "{{ steps.ok.rows | length }}"}
"""
    )

    assert routine.steps[1].tasks[0].approve == Approval(rows="steps.pick.rows", by="owner", not_self=True)


def test_the_machine_may_tick_with_a_note_that_is_optional(read: Read) -> None:
    routine = read(
        """steps:
  - id: drill
    run: "true"
  - task: The copy restores
    done_when: steps.drill.status == 'succeeded'
    evidence: {note: optional}
"""
    )

    assert routine.steps[1].tasks[0].evidence == EvidenceSpec(note="optional")


CHECKLIST = """name: Round
role: support
due: "11:00"
evidence: {note: optional}
tasks:
  - Look around
  - task: Sign off the backups
    id: backups
    group: Night
    role: sysadmin
    due: "09:00"
    evidence: {note: required}
"""


def test_a_checklist_becomes_the_tasks_of_its_step(load: Load) -> None:
    steps = "steps:\n  - checklist: round\n    id: morning\n    due: '10:00'\n    wait: true\n"
    loaded = load({"checklists/round.yaml": CHECKLIST, "routines/x.yaml": HEAD + steps})
    assert loaded.site is not None
    first, second = loaded.site.routines["x"].steps[0].tasks

    assert (first.id, first.title, first.role) == ("morning.look-around", "Look around", "support")
    assert first.due == Due(at=time(10)), "the step says it later than the list"
    assert first.evidence == EvidenceSpec(note="optional")
    assert (second.id, second.group, second.role) == ("morning.backups", "Night", "sysadmin")
    assert second.due == Due(at=time(9)), "the item says it itself"
    assert second.evidence == EvidenceSpec(note="required")
    assert first.wait
    assert second.wait


def test_an_item_of_a_checklist_may_refer_to_steps_of_its_routine_and_no_others(load: Load) -> None:
    loaded = load(
        {
            "checklists/round.yaml": "tasks:\n  - {task: Dumped, done_when: steps.dump.status == 'succeeded'}\n",
            "routines/good.yaml": HEAD + 'steps: [{id: dump, run: "true"}, {checklist: round}]\n',
            "routines/wrong.yaml": HEAD + "steps: [{checklist: round}]\n",
        }
    )

    assert [str(problem) for problem in loaded.problems] == [
        "routines/wrong.yaml:3:21: steps[0].checklist: unknown step 'dump'"
    ]


def test_a_site_without_a_list_of_that_name_uses_the_packaged_one(read: Read) -> None:
    tasks = read("steps: [{checklist: daily-round}]\n").steps[0].tasks

    assert len(tasks) > 3


def test_a_shell_string_that_looks_like_a_template_gives_a_warning(load: Load) -> None:
    loaded = load(
        {"routines/x.yaml": HEAD + "steps:\n  - run: echo {{ workdir }}\n  - run: docker ps --format '{{.Names}}'\n"}
    )

    assert loaded.problems == ()
    (warning,) = loaded.warnings
    assert str(warning) == (
        "routines/x.yaml:4:10: steps[0].run: a shell string is never a template, "
        "pass the value by env: and use it as a variable"
    )


def test_a_shared_key_that_its_kind_does_nothing_with_gives_a_warning(load: Load) -> None:
    steps = "steps:\n  - task: Look\n    when: 1 == 1\n    warn_if: 1 == 1\n  - run: pwd\n    env: {A: b}\n"
    loaded = load({"routines/x.yaml": HEAD + steps})

    assert loaded.problems == ()
    assert [str(warning) for warning in loaded.warnings] == [
        "routines/x.yaml:6:5: steps[0].warn_if: does nothing in a step of the kind task, leave it out"
    ]


def test_it_reads_the_texts_of_a_step_whose_options_are_wrong(load: Load) -> None:
    text = (
        "steps:\n  - task: 'Verify {{ row.number }'\n    due: 4h\n    for_each: steps.opn.rows\n    key: row.\n"
        "  - query: {source: orders, limit: none, params: {who: '{{ now | nope }}'}}\n"
    )

    told = [str(problem) for problem in load({"routines/x.yaml": HEAD + text}).problems]

    for place in ("steps[0].task: ", "steps[0].due: ", "steps[0].for_each: unknown step 'opn'", "steps[0].key: "):
        assert any(place in line for line in told), (place, told)
    assert any("steps[1].query.params.who: " in line for line in told), told
    assert any("steps[1].query.limit: " in line for line in told), told


def test_steps_are_not_called_unknown_while_one_of_them_has_no_kind(load: Load) -> None:
    steps = "steps:\n  - rnu: 'true'\n  - task: T\n    done_when: steps.run.status == 'succeeded'\n"

    loaded = load({"routines/x.yaml": f"name: X\naccountable: sysadmin\n{steps}"})

    assert [problem.message for problem in loaded.problems] == ["unknown step kind"]
