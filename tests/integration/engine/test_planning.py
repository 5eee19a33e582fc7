"""The planner's passes over a real ledger: what is due is accounted for once, whatever comes between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.planner import Verdict, World
from opsrunner.engine.planning import Pass, Planning
from opsrunner.ledger.books import Books
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import Frame, IntervalRule, Schedule
from opsrunner.schedules.almanac import Almanac

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
WORLD = World(almanac=Almanac())


def every(minutes: int, routine_id: str = "minutely") -> Routine:
    rule = IntervalRule(seconds=60 * minutes, frame=Frame(timezone="UTC"))
    return Routine(id=routine_id, name=routine_id, accountable="boss", schedule=Schedule(rules=(rule,)))


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    made = Books.open(tmp_path / "ledger.db")
    yield made
    made.ledger.close()


def planning(books: Books, *routines: Routine, at: datetime) -> Planning:
    made = Planning(books, keep_time=lambda: None)
    put_in_force(made, *routines, at=at)
    return made


def put_in_force(made: Planning, *routines: Routine, at: datetime) -> None:
    made.put_in_force({item.id: item for item in routines}, frozen={item.id: repr(item) for item in routines}, at=at)


def run_pass(made: Planning, now: datetime) -> Pass:
    prepare: Any = lambda run, _routine: run  # noqa: E731 - a run stands for what is entered
    return made.run(world=WORLD, now=now, prepare=prepare)


def test_every_missed_minute_has_its_row_and_the_log_one_line(books: Books) -> None:
    """More than are held in memory, and more than are written at once."""
    missed_for = timedelta(minutes=2500)
    done = run_pass(planning(books, every(1), at=NOW - missed_for), NOW)

    assert len(done.started) == 1
    (left_out,) = done.left_out
    assert (left_out.verdict, left_out.reason, left_out.count) == (Verdict.MISSED, "coalesced", 2499)
    assert left_out.last_at == NOW - timedelta(minutes=1)
    rows = books.ledger.all("SELECT status, nominal_at, ended FROM runs ORDER BY id")
    assert Counter(row["status"] for row in rows) == {"missed": 2499, "running": 1}
    assert len({row["nominal_at"] for row in rows}) == 2500
    assert [row["ended"] for row in rows[:-1]] == list(range(1, 2500))


def test_what_was_accounted_for_before_a_crash_is_not_accounted_for_again(books: Books) -> None:
    """The watermark of a pass that was cut off is the old one."""
    run_pass(planning(books, every(1), at=NOW - timedelta(minutes=1500)), NOW)
    books.service.note_planned(NOW - timedelta(minutes=1500))
    again = run_pass(planning(books, every(1), at=NOW), NOW + timedelta(minutes=1))

    assert len(again.started) == 0
    assert Counter(row["status"] for row in books.ledger.all("SELECT status FROM runs")) == {
        "missed": 1499,
        "running": 1,
        "skipped": 1,
    }
