"""Rows as occasions: each new one gets its run, once, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from opsrunner.engine.digest_rows import baseline_lines, unlooked_lines
from opsrunner.engine.looks import Looks
from opsrunner.errors import NotFound, Refused
from opsrunner.ledger.known_rows import KnownRows
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import TaskKind, TaskStatus

from .conftest import SITE as HOUSE

HEAD = "name: New orders\naccountable: sysadmin\n"
ON_ROWS = "on_rows: {source: orders, key: number, every: 5m}\n"
SAYS = 'steps:\n  - run: echo "$NUMBER"\n    env: {NUMBER: "{{ row.number }} {{ row.amount }} {{ run.key }}"}\n'
ORDERS = HEAD + ON_ROWS + SAYS
ASKS = (
    HEAD
    + ON_ROWS
    + 'steps:\n  - task: "Verify order {{ row.number }}"\n    key: row.number\n    closes_when_gone: true\n'
)

SITE = (
    HOUSE
    + """\
sources:
  orders: {csv: orders.csv, columns: {number: "text?", amount: number}}
  others: {csv: others.csv, columns: {number: text, amount: number}}
"""
)


def write_orders(site: Any, numbers: Sequence[object], *, name: str = "orders.csv") -> None:
    rows = [number if isinstance(number, tuple) else (number, 10) for number in numbers]
    text = "number,amount\n" + "".join(f"{number},{amount}\n" for number, amount in rows)
    (site.root / name).write_text(text)


@pytest.fixture
def shop(house: Callable[..., Any]) -> Callable[..., Any]:
    """Open a house that runs for the rows of `orders.csv`, of which some are there and looked at already."""

    def build(numbers: Sequence[object] = (1, 2, 3), *, orders: str = ORDERS, **more: str) -> Any:
        site = house({"orders": orders, **more}, site=SITE)
        write_orders(site, numbers)
        site.work()
        return site

    return build


def later(site: Any, minutes: float = 6) -> None:
    """Let the time of a look come, and everything that follows from it."""
    site.clock.move(minutes=minutes)
    for _ in range(3):
        site.work()
        site.clock.move(seconds=1)


def keys(site: Any, routine: str = "orders") -> list[str]:
    return [run.row_key or "" for run in site.runs(routine)]


def follow_ups(site: Any) -> list[Any]:
    return [task for task in site.app.books.tasks.opened() if task.kind is TaskKind.FOLLOW_UP]


def test_the_first_look_is_a_baseline_and_each_new_row_gets_its_run(shop: Callable[..., Any]) -> None:
    site = shop([1, 2, 3])
    assert site.runs("orders") == []
    standing = site.app.books.known_rows.standing("orders")
    assert (standing.baseline_rows, standing.rows, standing.error) == (3, 3, "")
    write_orders(site, [1, 2, 3, 17, 18])
    later(site)
    runs = site.runs("orders")
    assert [(run.row_key, run.trigger, run.status) for run in runs] == [
        ("17", Trigger.ROWS, RunStatus.SUCCEEDED),
        ("18", Trigger.ROWS, RunStatus.SUCCEEDED),
    ]
    records = site.app.books.steps.of_run(runs[0].id)
    assert records[0].outcome is not None
    occasion = site.app.books.known_rows.of_run(runs[0].id)
    assert (occasion.key, dict(occasion.row)) == ("17", {"number": "17", "amount": 10})
    later(site)
    assert len(site.runs("orders")) == 2


def test_a_row_is_frozen_with_its_run(shop: Callable[..., Any]) -> None:
    orders = HEAD + ON_ROWS + "steps:\n  - task: Wait\n    id: wait\n    wait: true\n" + SAYS.removeprefix("steps:\n")
    site = shop([], orders=orders)
    write_orders(site, [(7, 100)])
    later(site)
    (run,) = site.runs("orders")
    assert run.status is RunStatus.WAITING
    write_orders(site, [(7, 999)])
    (task,) = site.app.books.tasks.opened()
    boss = site.app.people.named("boss")
    site.app.ticks.tick(task.id, actor=boss, status=TaskStatus.DONE, evidence=task.evidence, at=site.clock.now())
    later(site, minutes=1)
    assert site.runs("orders")[0].status is RunStatus.SUCCEEDED
    said = site.app.books.steps.of_run(run.id)[1].outcome
    assert "100" in str(said.message) + "".join(path.read_text() for path in site.app.state.glob("runs/*/*.log"))


def test_a_row_that_goes_and_comes_back_is_not_new(shop: Callable[..., Any]) -> None:
    site = shop([1])
    write_orders(site, [1, 2])
    later(site)
    write_orders(site, [])
    later(site)
    write_orders(site, [1, 2])
    later(site)
    assert keys(site) == ["2"]


def test_rows_without_a_key_and_rows_with_one_key_are_asked_about_and_hold_no_other_up(
    shop: Callable[..., Any],
) -> None:
    site = shop([1])
    write_orders(site, [1, ("", 5), (2, 5), (2, 6), (3, 7), (3, 7), 4])
    later(site)
    assert sorted(keys(site)) == ["3", "4"]
    (task,) = follow_ups(site)
    assert "a row has no number: amount 5" in task.message
    assert "several rows with other values have the number 2" in task.message
    write_orders(site, [1, (2, 6), (3, 7), 4])
    later(site)
    assert sorted(keys(site)) == ["2", "3", "4"]
    assert follow_ups(site) == []


def test_a_look_that_fails_is_told_once_and_is_no_baseline(house: Callable[..., Any]) -> None:
    site = house({"orders": ORDERS}, site=SITE)
    site.work()
    later(site)
    (task,) = follow_ups(site)
    assert "orders.csv" in task.message
    assert task.count == 2
    mails = [mail for mail in site.app.books.outbox.queued() if mail.about.startswith("follow-up")]
    assert len(mails) == 1
    assert site.app.books.known_rows.standing("orders").baseline_at is None
    assert unlooked_lines(site.app.desk) != []
    write_orders(site, [1, 2])
    later(site)
    assert site.app.books.known_rows.standing("orders").baseline_rows == 2
    assert follow_ups(site) == unlooked_lines(site.app.desk) == site.runs("orders") == []


def test_a_source_that_fails_for_a_while_loses_no_row(shop: Callable[..., Any]) -> None:
    site = shop([1])
    (site.root / "orders.csv").unlink()
    later(site)
    assert len(follow_ups(site)) == 1
    write_orders(site, [1, 2])
    later(site)
    assert keys(site) == ["2"]
    assert follow_ups(site) == []
    (site.root / "orders.csv").unlink()
    later(site)
    mails = [mail for mail in site.app.books.outbox.queued() if mail.about.startswith("follow-up")]
    assert len(mails) == 2


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(ORDERS.replace("source: orders", "source: others"), id="another source"),
        pytest.param(ORDERS.replace("key: number", "key: amount"), id="another key"),
        pytest.param(ORDERS.replace("every: 5m", "where: {amount: {above: 5}}"), id="another choice"),
    ],
)
def test_what_is_looked_for_changes_and_there_is_a_new_baseline(shop: Callable[..., Any], changed: str) -> None:
    site = shop([1])
    began = site.clock.now()
    write_orders(site, [(n, n) for n in range(50, 60)])
    write_orders(site, [(n, n) for n in range(100, 110)], name="others.csv")
    site.write("routines/orders.yaml", changed)
    later(site)
    assert site.runs("orders") == []
    assert site.app.books.known_rows.standing("orders").baseline_at > began
    (line,) = baseline_lines(site.app.desk, from_=began, until=site.clock.now())
    assert line.startswith("New orders took 10 rows of ")
    write_orders(site, [(n, n) for n in range(50, 61)])
    write_orders(site, [(n, n) for n in range(100, 111)], name="others.csv")
    later(site)
    assert len(site.runs("orders")) == 1


def test_how_often_it_looks_may_change_without_a_new_baseline(shop: Callable[..., Any]) -> None:
    site = shop([1])
    site.write("routines/orders.yaml", ORDERS.replace("every: 5m", "every: 1m"))
    write_orders(site, [1, 2])
    later(site, minutes=2)
    assert keys(site) == ["2"]


def test_while_it_is_paused_its_rows_wait(shop: Callable[..., Any]) -> None:
    site = shop([1])
    now = site.clock.now()
    site.app.routine_acts.pause(
        site.app.routine("orders"), until=now.replace(hour=18), reason="stock-taking", actor="boss", at=now
    )
    write_orders(site, [1, 2])
    later(site)
    assert site.runs("orders") == []
    site.at("2026-11-20 18:01")
    later(site)
    assert site.told("orders") == ["succeeded rows"]


def test_while_it_is_frozen_its_rows_wait(house: Callable[..., Any]) -> None:
    frozen = SITE + "freezes:\n  - {from: 2026-11-21, until: 2026-11-22, tags: [orders], reason: x}\n"
    site = house({"orders": ORDERS.replace("accountable", "tags: [orders]\naccountable")}, site=frozen)
    write_orders(site, [1])
    site.work()
    site.at("2026-11-21 08:00")
    write_orders(site, [1, 2])
    later(site)
    assert site.runs("orders") == []
    site.at("2026-11-23 00:01")
    later(site)
    assert keys(site) == ["2"]


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("latest", ["succeeded rows"] * 3),
        ("all", ["succeeded rows"] * 3),
        ("skip", ["missed policy"] * 3),
        ("{policy: all, within: 1h}", ["missed window"] * 3),
        ("{policy: all, within: 2d}", ["succeeded rows"] * 3),
    ],
)
def test_rows_that_came_while_nobody_looked_run_unless_the_file_says_otherwise(
    shop: Callable[..., Any], policy: str, told: list[str]
) -> None:
    site = shop([1], orders=ORDERS.replace("steps:", f"catch_up: {policy}\nsteps:"))
    site.clock.move(hours=20)
    write_orders(site, [1, 2, 3, 4])
    later(site)
    assert site.told("orders") == told
    assert keys(site) == ["2", "3", "4"]


def test_a_burst_is_claimed_at_once_and_walked_by_half_of_the_workers(house: Callable[..., Any]) -> None:
    orders = ORDERS.replace("steps:", "steps:\n  - task: Sit\n    wait: true\n    when: run.key is none\n")
    site = house({"orders": orders}, site=SITE + "limits: {workers: 4}\n")
    write_orders(site, [1])
    site.work()
    write_orders(site, range(1, 61))
    made = site.app.looks.look(site.app.site.routines["orders"])
    assert made == 59
    waiting = site.runs("orders")
    assert {(run.status, run.reason) for run in waiting} == {(RunStatus.WAITING, "queued")}
    assert len({run.created_at for run in waiting}) == 1
    assert len(site.app.books.active_runs.next_for_rows(most=2)) == 2
    for _ in range(40):
        site.clock.move(seconds=6)
        site.work()
    assert site.told("orders") == ["succeeded rows"] * 59


def test_two_looks_at_once_make_one_run_a_row(shop: Callable[..., Any]) -> None:
    site = shop([1])
    write_orders(site, range(1, 30))
    routine = site.app.site.routines["orders"]
    together = threading.Barrier(3)

    def look() -> None:
        together.wait()
        site.app.looks.look(routine)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, keys(site))) == list(range(2, 30))


def test_a_crash_between_the_look_and_its_commit_costs_nothing(
    shop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = shop([1])
    write_orders(site, [1, 2, 3])

    class Killed(BaseException):
        """The end of the process."""

    def die(self: KnownRows, run_id: int, occasion: Any) -> None:
        if occasion.key == "3":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(KnownRows, "give", die)
        with pytest.raises(Killed):
            site.app.looks.look(site.app.site.routines["orders"])
    assert site.runs("orders") == []
    later(site)
    assert keys(site) == ["2", "3"]


def test_a_restart_between_the_claim_and_the_run_loses_none(
    shop: Callable[..., Any], reopened: Callable[..., Any]
) -> None:
    site = shop([1])
    write_orders(site, range(1, 12))
    site.app.looks.look(site.app.site.routines["orders"])
    site.close()
    again = reopened(site.root, site.clock)
    for _ in range(4):
        later(again)
    assert again.told("orders") == ["succeeded rows"] * 10


def test_a_reload_during_a_look_leaves_it_without_effect(
    shop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = shop([1])
    routine = site.app.site.routines["orders"]
    site.write("routines/orders.yaml", ORDERS.replace("key: number", "key: amount"))
    site.clock.move(seconds=10)
    site.work()
    before = site.app.books.known_rows.standing("orders")
    write_orders(site, [1, 2])
    assert site.app.looks.look(routine) == 0
    assert site.app.books.known_rows.standing("orders") == before


def test_a_routine_that_was_away_begins_anew(shop: Callable[..., Any]) -> None:
    site = shop([1])
    text = (site.root / "routines" / "orders.yaml").read_text()
    (site.root / "routines" / "orders.yaml").unlink()
    later(site)
    write_orders(site, range(1, 500))
    site.write("routines/orders.yaml", text)
    later(site)
    assert site.runs("orders") == []


def test_a_renamed_routine_goes_on_with_what_it_knew(shop: Callable[..., Any]) -> None:
    site = shop([1])
    (site.root / "routines" / "orders.yaml").unlink()
    site.write("routines/paid-orders.yaml", ORDERS + "renamed_from: orders\n")
    write_orders(site, [1, 2])
    later(site)
    later(site)
    assert keys(site, "paid-orders") == ["2"]


def test_its_tasks_are_one_a_row_and_close_when_the_source_shows_the_row_no_more(shop: Callable[..., Any]) -> None:
    site = shop([], orders=ASKS)
    write_orders(site, [7, 8])
    later(site)
    tasks = sorted(site.app.books.tasks.opened(routine="orders"), key=lambda task: task.title)
    assert [(task.title, task.key, dict(task.row)) for task in tasks] == [
        ("Verify order 7", "7", {"number": "7", "amount": 10}),
        ("Verify order 8", "8", {"number": "8", "amount": 10}),
    ]
    write_orders(site, [8])
    later(site)
    (left,) = site.app.books.tasks.opened(routine="orders")
    assert left.key == "8"
    closed = site.app.books.tasks.get(tasks[0].id)
    assert (closed.status, closed.closed_by) == (TaskStatus.DONE, "source")
    assert closed.evidence.outcome == "no longer listed; last seen: number 7, amount 10"


def test_a_look_that_fails_closes_no_task(shop: Callable[..., Any]) -> None:
    site = shop([], orders=ASKS)
    write_orders(site, [7])
    later(site)
    write_orders(site, [("", 1)])
    later(site)
    (site.root / "orders.csv").write_text("")
    later(site)
    assert len([task for task in site.app.books.tasks.opened() if task.kind is TaskKind.ROUTINE]) == 1


def test_what_one_row_opened_does_not_expire_when_the_next_one_comes(shop: Callable[..., Any]) -> None:
    orders = HEAD + ON_ROWS + 'schedule: {every: day, at: "09:00"}\nsteps:\n  - task: "Look at {{ row }}"\n'
    site = shop([], orders=orders)
    write_orders(site, [7])
    later(site)
    write_orders(site, [7, 8])
    later(site)
    site.at("2026-11-21 09:00")
    later(site)
    titles = [task.title for task in site.app.books.tasks.opened() if task.kind is TaskKind.ROUTINE]
    assert len(titles) == 3
    site.at("2026-11-22 09:00")
    later(site)
    titles = [task.title for task in site.app.books.tasks.opened() if task.kind is TaskKind.ROUTINE]
    assert sorted(title.partition("number")[0] for title in titles) == ["Look at", "Look at {'", "Look at {'"]


def test_a_failure_is_about_its_row_and_no_other_row_mends_it(shop: Callable[..., Any]) -> None:
    orders = (
        HEAD
        + ON_ROWS
        + 'steps:\n  - id: act\n    run: test "$N" != 7 -o -e ok\n    cwd: .\n    env: {N: "{{ row.number }}"}\n'
    )
    site = shop([], orders=orders)
    write_orders(site, [7])
    later(site)
    write_orders(site, [7, 8, 9])
    later(site)
    (task,) = follow_ups(site)
    assert (task.key, task.count) == ("7", 1)
    assert "for 7" in task.title
    failed = site.runs("orders")[0]
    (site.root / "ok").touch()
    site.app.routine_acts.ask_for_run("orders", actor="boss", at=site.clock.now(), rerun_of=failed.id)
    later(site)
    assert follow_ups(site) == []
    again = site.runs("orders")[-1]
    assert (again.trigger, again.row_key) == (Trigger.RERUN, None)
    assert site.app.books.known_rows.of_run(again.id).key == "7"


def test_a_person_runs_it_for_a_row(shop: Callable[..., Any]) -> None:
    site = shop([1])
    write_orders(site, [1, 2])
    new, known = (site.app.run_by_hand("orders", actor="boss", row=key) for key in ("2", "1"))
    assert (new.row_key, new.trigger, new.status) == ("2", Trigger.MANUAL, RunStatus.SUCCEEDED)
    assert (known.row_key, known.status) == (None, RunStatus.SUCCEEDED)
    later(site)
    assert len(site.runs("orders")) == 2
    with pytest.raises(NotFound, match="shows orders no row with the number '22', did you mean '2'"):
        site.app.run_by_hand("orders", actor="boss", row="22")
    with pytest.raises(Refused, match="orders runs for rows of orders: name one by its number, with --row"):
        site.app.run_by_hand("orders", actor="boss")


def test_a_row_that_is_being_run_is_not_run_beside(shop: Callable[..., Any]) -> None:
    orders = HEAD + ON_ROWS + "steps:\n  - task: Wait\n    wait: true\n"
    site = shop([], orders=orders)
    write_orders(site, [7])
    later(site)
    with pytest.raises(Refused, match="orders has a run for 7 that has not ended"):
        site.app.run_by_hand("orders", actor="boss", row="7")


def test_runs_for_rows_are_in_nobodys_way(shop: Callable[..., Any]) -> None:
    waits = "  - run: while test ! -e go; do sleep 0.05; done\n    cwd: .\n    timeout: 9h\n    when: row\n"
    slow = f"{HEAD}{ON_ROWS}schedule: {{every: 1h}}\nsteps:\n{waits}"
    site = shop([], orders=slow)
    write_orders(site, [7])
    site.app.looks.look(site.app.site.routines["orders"])
    site.clock.move(seconds=6)
    site.daemon.work_once()
    assert [run.status for run in site.runs("orders")] == [RunStatus.RUNNING]
    site.clock.move(hours=1)
    site.daemon.work_once()
    (site.root / "go").touch()
    site.settle()
    assert sorted(run.trigger.value for run in site.runs("orders")) == ["rows", "schedule"]
    assert {run.status for run in site.runs("orders")} == {RunStatus.SUCCEEDED}


def test_rows_are_forgotten_only_when_their_source_has_not_shown_them_for_long(shop: Callable[..., Any]) -> None:
    site = shop([1, 2])
    write_orders(site, [1])
    for _ in range(3):
        site.clock.move(days=200)
        site.work()
    known = site.app.books.known_rows
    assert known.unknown("orders", ["1", "2"]) == ["2"]
    write_orders(site, [1])
    later(site)
    assert site.runs("orders") == []


def test_a_look_that_hangs_holds_no_other_up(shop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    site = shop([1], more=ORDERS.replace("New orders", "More").replace("source: orders", "source: others"))
    write_orders(site, [1], name="others.csv")
    later(site)
    over, plain = threading.Event(), site.app.looks.read_source

    def hang(source: Any, options: Any) -> Any:
        if source.name == "orders":
            over.wait(10)
        return plain(source, options)

    monkeypatch.setattr(site.app.looks, "read_source", hang)
    write_orders(site, [1, 2], name="others.csv")
    site.clock.move(minutes=6)
    site.daemon.work_once()
    for _ in range(200):
        if site.app.looks.busy() == ["orders"]:
            break
        site.app.draining.wait(0.02)
    assert len(site.runs("more")) == 1
    over.set()
    site.settle()


def test_a_fault_of_ours_is_a_look_that_failed_and_is_not_silence(
    shop: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = shop([1])

    def trip(*_: Any) -> Any:
        raise TypeError("a fault")

    monkeypatch.setattr(site.app.looks, "read_source", trip)
    later(site)
    standing = site.app.books.known_rows.standing("orders")
    assert standing.error == "a fault of opsrunner's own (TypeError); see its log"
    assert standing.failing_since is not None
    assert site.app.looks.due(site.clock.now()) == [], "it is not tried again at once"


def test_looks_is_given_the_time_by_its_clock(shop: Callable[..., Any]) -> None:
    site = shop([1])
    looks: Looks = site.app.looks
    now = site.clock.now()
    assert looks.due(now) == []
    assert [routine.id for routine in looks.due(now.replace(hour=13))] == ["orders"]
    site.clock.step(hours=-3)
    assert [routine.id for routine in looks.due(site.clock.now())] == ["orders"]
