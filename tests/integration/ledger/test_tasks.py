"""The table of tasks: one open a key, and every close by whoever is first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import NotFound
from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.model.routine import Escalation, EvidenceSpec
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import Evidence, NewTask, TaskKind, TaskStatus

New = Callable[..., NewTask]
DONE = TaskStatus.DONE
SECOND = timedelta(seconds=1)


def test_a_task_comes_back_as_it_was_written(books: Books, new_task: New, now: datetime) -> None:
    rows = ({"domain": "a.example", "paid_at": now, "until": date(2026, 12, 1), "amount": 12.5, "note": None},)
    new = new_task(
        key="17",
        how="Look.",
        link="https://example.com",
        group="Web",
        person="ops1",
        due_at=now,
        remind=(-3600, 0),
        escalate=(Escalation(after_seconds=7200, to="owner"),),
        evidence_spec=EvidenceSpec(note="required", number="optional", minimum=1, choice=("yes", "no")),
        done_when="row.paid",
        closes_when_gone=True,
        expires="never",
        wait=True,
        approve_by="owner",
        approve_not_self=True,
        rows=rows,
        message="exit 1",
        row=rows[0],
        opened_by="ops1",
    )
    task, is_new = books.tasks.open(new)
    assert is_new
    assert {name: getattr(task, name) for name in vars(new)} == vars(new)
    assert (task.status, task.count, task.struck, task.closed_at, task.evidence) == (
        TaskStatus.OPEN,
        1,
        (),
        None,
        Evidence(),
    )
    assert books.tasks.get(task.id) == task


def test_a_key_has_one_open_task_which_keeps_the_newest_row(books: Books, new_task: New, now: datetime) -> None:
    first, _ = books.tasks.open(new_task(key="17", row={"days": 1}))
    books.tasks.assign(first.id, "ops1")
    again, is_new = books.tasks.open(new_task(key="17", row={"days": 2}, title="Other", opened_at=now + SECOND))
    assert (again.id, is_new, again.row, again.title, again.person, again.opened_at) == (
        first.id,
        False,
        {"days": 2},
        "Read the report",
        "ops1",
        now,
    )


@pytest.mark.parametrize(
    "changes",
    [{"key": "18"}, {"item": "other"}, {"routine": "weekly"}, {"kind": TaskKind.FOLLOW_UP}, {"key": None}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_about_something_else_is_another_task(books: Books, new_task: New, changes: dict[str, Any]) -> None:
    books.tasks.open(new_task(key="17"))
    assert books.tasks.open(new_task(**{"key": "17", **changes}))[1]


def test_tasks_without_a_key_never_find_each_other(books: Books, new_task: New) -> None:
    assert books.tasks.open(new_task())[0].id != books.tasks.open(new_task())[0].id


def test_a_key_whose_task_is_closed_opens_a_new_one(books: Books, new_task: New, now: datetime) -> None:
    first, _ = books.tasks.open(new_task(key="17"))
    books.tasks.close(first.id, status=DONE, by="ops1", evidence=Evidence(), at=now)
    second, is_new = books.tasks.open(new_task(key="17"))
    assert is_new
    assert second.id != first.id


def test_of_many_who_open_the_same_key_at_once_one_opens_it(books: Books, new_task: New) -> None:
    ready, news = threading.Barrier(4), list[bool]()

    def open_it() -> None:
        ready.wait()
        news.append(books.tasks.open(new_task(key="17"))[1])

    in_threads(open_it, 4)
    assert sorted(news) == [False, False, False, True]
    assert len(books.tasks.opened()) == 1


def test_of_many_who_close_a_task_at_once_one_closes_it(books: Books, new_task: New, now: datetime) -> None:
    task, _ = books.tasks.open(new_task())
    ready, won = threading.Barrier(4), list[str]()

    def close_it() -> None:
        ready.wait()
        who = threading.current_thread().name
        if books.tasks.close(task.id, status=DONE, by=who, evidence=Evidence(note=who), at=now):
            won.append(who)

    in_threads(close_it, 4)
    assert len(won) == 1
    closed = books.tasks.get(task.id)
    assert (closed.closed_by, closed.evidence.note) == (won[0], won[0])


def test_two_processes_see_one_task_each_other_closed(
    books: Books, new_task: New, now: datetime, tmp_path: Path
) -> None:
    other = Books.open(tmp_path / "ledger.db")
    try:
        task, _ = books.tasks.open(new_task(key="17"))
        assert other.tasks.close(task.id, status=DONE, by="ops1", evidence=Evidence(), at=now)
        assert not books.tasks.close(task.id, status=DONE, by="ops2", evidence=Evidence(), at=now)
        assert books.tasks.get(task.id).closed_by == "ops1"
    finally:
        other.ledger.close()


def test_a_close_keeps_its_evidence_and_settles_at_once_unless_told(books: Books, new_task: New, now: datetime) -> None:
    first, second = (books.tasks.open(new_task())[0] for _ in range(2))
    evidence = Evidence(note="ja, ✓", number=1.5, choice="yes", file="evidence/1/a.png", outcome="seen")
    books.tasks.close(first.id, status=DONE, by="a", evidence=evidence, at=now, struck=[0, 2])
    books.tasks.close(second.id, status=DONE, by="a", evidence=evidence, at=now, settles_at=now + 30 * SECOND)
    closed = books.tasks.get(first.id)
    assert (closed.evidence, closed.struck, closed.closed_at, closed.settles_at) == (evidence, (0, 2), now, now)
    assert books.tasks.get(second.id).settles_at == now + 30 * SECOND


@pytest.mark.parametrize(("after", "is_possible"), [(29 * SECOND, True), (30 * SECOND, False)])
def test_a_close_can_be_taken_back_until_it_settles(
    books: Books, new_task: New, now: datetime, after: timedelta, is_possible: bool
) -> None:
    task, _ = books.tasks.open(new_task())
    assert not books.tasks.reopen(task.id, now=now)
    books.tasks.close(
        task.id, status=DONE, by="a", evidence=Evidence(note="x"), at=now, settles_at=now + 30 * SECOND, struck=[1]
    )
    assert books.tasks.reopen(task.id, now=now + after) is is_possible
    assert (books.tasks.get(task.id) == task) is is_possible


def test_a_close_is_not_taken_back_over_a_newer_task_of_its_key(books: Books, new_task: New, now: datetime) -> None:
    task, _ = books.tasks.open(new_task(key="17"))
    books.tasks.close(task.id, status=DONE, by="a", evidence=Evidence(), at=now, settles_at=now + SECOND)
    newer, _ = books.tasks.open(new_task(key="17"))
    assert not books.tasks.reopen(task.id, now=now)
    assert [open_.id for open_ in books.tasks.opened()] == [newer.id]


def test_the_first_to_claim_has_it_until_it_is_given_on(books: Books, new_task: New, now: datetime) -> None:
    task, _ = books.tasks.open(new_task())
    assert [books.tasks.claim(task.id, who) for who in ("ops1", "ops2", "ops1")] == [True, False, True]
    assert books.tasks.assign(task.id, None)
    assert books.tasks.claim(task.id, "ops2")
    books.tasks.close(task.id, status=DONE, by="ops2", evidence=Evidence(), at=now)
    assert not books.tasks.claim(task.id, "ops2")
    assert not books.tasks.assign(task.id, "ops1")


def test_a_repeat_counts_and_points_at_the_newest_run(books: Books, new_task: New, now: datetime) -> None:
    runs = [
        books.runs.claim(NewRun(routine="n", trigger=Trigger.MANUAL, status=RunStatus.RUNNING), at=now) for _ in "ab"
    ]
    first, second = (run.id for run in runs if run is not None)
    task, _ = books.tasks.open(new_task(kind=TaskKind.FOLLOW_UP, key="", run=first))
    assert books.tasks.repeat(task.id, message="exit 2", run=second)
    assert books.tasks.repeat(task.id, message="exit 3", run=None)
    after = books.tasks.get(task.id)
    assert (after.count, after.message, after.run) == (3, "exit 3", second)
    books.tasks.close(task.id, status=DONE, by="check", evidence=Evidence(), at=now)
    assert not books.tasks.repeat(task.id, message="late", run=first)


def test_a_rung_is_climbed_once(books: Books, new_task: New, now: datetime) -> None:
    task, _ = books.tasks.open(new_task())
    assert [books.tasks.climb(task.id, rung, at=now) for rung in ("remind 0", "remind 0", "other")] == [
        True,
        False,
        True,
    ]
    assert books.tasks.rungs(task.id) == {"remind 0": now, "other": now}
    assert books.tasks.rungs(task.id + 1) == {}


def test_open_tasks_come_with_the_most_urgent_first(books: Books, new_task: New, now: datetime) -> None:
    for title, due_at in (("none", None), ("late", now + SECOND), ("soon", now), ("none too", None)):
        books.tasks.open(new_task(title=title, due_at=due_at))
    books.tasks.open(new_task(title="elsewhere", routine="weekly"))
    assert [task.title for task in books.tasks.opened(routine="nightly")] == ["soon", "late", "none", "none too"]
    assert len(books.tasks.opened()) == 5


def test_closed_tasks_are_found_by_when_they_were_closed(books: Books, new_task: New, now: datetime) -> None:
    for number in range(4):
        task, _ = books.tasks.open(new_task(title=str(number)))
        books.tasks.close(task.id, status=DONE, by="a", evidence=Evidence(), at=now + number * SECOND)
    books.tasks.open(new_task(title="open"))
    found = books.tasks.closed(since=now + SECOND, until=now + 3 * SECOND)
    assert [task.title for task in found] == ["1", "2"]
    assert [task.title for task in books.tasks.closed(since=now + SECOND)] == ["1", "2", "3"]


def test_a_run_that_is_pruned_leaves_its_tasks(books: Books, new_task: New, now: datetime) -> None:
    run = books.runs.claim(NewRun(routine="n", trigger=Trigger.MANUAL, status=RunStatus.SUCCEEDED), at=now)
    assert run is not None
    task, _ = books.tasks.open(new_task(run=run.id))
    assert [found.id for found in books.tasks.of_run(run.id)] == [task.id]
    assert books.forgetting.forget_runs([run.id]) == 1
    assert books.tasks.get(task.id).run is None


def test_a_rename_carries_tasks_over_and_their_keys_still_hold(books: Books, new_task: New) -> None:
    task, _ = books.tasks.open(new_task(key="17"))
    books.routines.see({"nightly": "Nightly work"}, at=task.opened_at)
    assert books.routines.rename("nightly", "every-night")
    found, is_new = books.tasks.open(new_task(key="17", routine="every-night"))
    assert (found.id, is_new) == (task.id, False)


def test_a_task_that_is_not_there_is_an_error(books: Books) -> None:
    with pytest.raises(NotFound, match="there is no task 7"):
        books.tasks.get(7)


def test_moments_keep_their_instant_and_come_back_in_utc(books: Books, new_task: New) -> None:
    oslo = datetime.fromisoformat("2026-11-20T07:00:00.000001+01:00")
    task, _ = books.tasks.open(new_task(due_at=oslo))
    assert task.due_at == oslo
    assert task.due_at is not None
    assert task.due_at.tzinfo is UTC


def in_threads(act: Callable[[], None], count: int) -> None:
    """Run `act` in several threads at once."""
    threads = [threading.Thread(target=act, name=f"ops{number}") for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
