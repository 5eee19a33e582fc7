"""What became of the occurrences of each day, as the ledger counts it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.model.run import RunStatus, Trigger

DAY = timedelta(days=1)


def claim(books: Books, at: datetime, status: RunStatus = RunStatus.SUCCEEDED, **fields: Any) -> int:
    values = {"routine": "nightly", "trigger": Trigger.SCHEDULE, "nominal_at": at, "planned_at": at, **fields}
    run = books.runs.claim(NewRun(status=status, **values), at=at)
    assert run is not None
    return run.id


def told(books: Books, first: datetime, days: int, routine: str | None = None) -> list[tuple[Any, ...]]:
    bounds = [first + number * DAY for number in range(days + 1)]
    found = books.days.tallies(bounds, routine=routine)
    return [(one.day, one.routine, one.status.value, one.reason, one.runs, one.last) for one in found]


def test_what_went_alike_on_a_day_is_counted_together(books: Books, now: datetime) -> None:
    claim(books, now)
    claim(books, now + timedelta(minutes=15), RunStatus.FAILED)
    last = claim(books, now + timedelta(minutes=30))
    skipped = claim(books, now + timedelta(hours=1), RunStatus.SKIPPED, reason="frozen")
    tomorrow = claim(books, now + DAY, RunStatus.MISSED, reason="window")
    assert told(books, now, 2) == [
        (0, "nightly", "succeeded", "", 2, last),
        (0, "nightly", "failed", "", 1, last - 1),
        (0, "nightly", "skipped", "frozen", 1, skipped),
        (1, "nightly", "missed", "window", 1, tomorrow),
    ]


def test_a_bound_belongs_to_the_day_that_it_begins(books: Books, now: datetime) -> None:
    claim(books, now - timedelta(microseconds=1))
    claim(books, now + DAY)
    claim(books, now + 2 * DAY)
    assert [(day, runs) for day, *_, runs, _ in told(books, now, 2)] == [(1, 1)]
    assert books.days.tallies([now, now]) == [], "a day that a zone left out"
    assert books.days.tallies([now]) == []


def test_a_run_by_hand_is_no_occurrence(books: Books, now: datetime) -> None:
    claim(books, now, nominal_at=None, planned_at=None, trigger=Trigger.MANUAL)
    claim(books, now, nominal_at=None, planned_at=None, trigger=Trigger.ROWS, row_key="17")
    assert told(books, now, 1) == []


def test_what_was_moved_stands_apart_on_the_day_that_it_was_moved_to(books: Books, now: datetime) -> None:
    claim(books, now)
    claim(books, now - DAY, planned_at=now + timedelta(hours=1))
    plain, moved = books.days.tallies([now, now + DAY])
    assert (plain.is_moved, moved.is_moved) == (False, True)
    assert (moved.nominal_at, moved.planned_at) == (now - DAY, now + timedelta(hours=1))


def test_one_routine_can_be_asked_for(books: Books, now: datetime) -> None:
    claim(books, now)
    other = claim(books, now, routine="queues")
    assert told(books, now, 1, "queues") == [(0, "queues", "succeeded", "", 1, other)]
