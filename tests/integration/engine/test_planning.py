"""The planner's passes over a real ledger: what is due is accounted for once, whatever comes between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.held import World
from opsrunner.engine.planner import Verdict
from opsrunner.engine.planning import Pass, Planning
from opsrunner.ledger.books import Books
from opsrunner.ledger.codec import to_text
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import Calendar, CalendarRule, Frame, IntervalRule, OffsetRule, Schedule
from opsrunner.model.window import PlannedWindow
from opsrunner.schedules.almanac import Almanac

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)


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


def put_in_force(made: Planning, *routines: Routine, at: datetime, calendar: Calendar | None = None) -> None:
    schedules = {item.id: item.schedule for item in routines}
    made.put_in_force(
        {item.id: item for item in routines},
        world=World(almanac=Almanac({"business": calendar or Calendar()}, schedules)),
        at=at,
    )


def run_pass(made: Planning, now: datetime) -> Pass:
    prepare: Any = lambda run, _routine: run  # noqa: E731 - a run stands for what is entered
    return made.run(now=now, prepare=prepare)


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


class TestAnEdit:
    """When a routine is due next is kept through an edit that does not touch it: seen by what is due at that moment."""

    @pytest.fixture
    def made(self, books: Books) -> Planning:
        """Three routines that are due at NOW + 1 h, as the last pass saw it: one an hour after another."""
        made = planning(books, *self.routines(), at=NOW)
        run_pass(made, NOW)
        assert made.due_at(NOW + timedelta(hours=1)) == 3
        return made

    def routines(self) -> list[Routine]:
        rule = OffsetRule(of="one", offset_seconds=3600, frame=Frame(timezone="UTC"))
        after = Routine(id="after", name="after", accountable="boss", schedule=Schedule(rules=(rule,)))
        return [every(60, "one"), every(60, "two"), after]

    def test_of_nothing_that_moves_a_due_time_keeps_them_all(self, made: Planning) -> None:
        one, two, after = self.routines()
        put_in_force(made, one, replace(two, name="Another name", tags=("changes",)), after, at=NOW)
        assert made.due_at(NOW + timedelta(hours=1)) == 3

    def test_of_a_schedule_forgets_its_own_and_what_refers_to_schedules(self, made: Planning) -> None:
        one, two, after = self.routines()
        put_in_force(made, one, replace(two, schedule=every(30).schedule), after, at=NOW)
        assert made.due_at(NOW + timedelta(hours=1)) == 1
        assert run_pass(made, NOW + timedelta(seconds=1)).next_at == NOW + timedelta(minutes=30)

    def test_of_a_calendar_forgets_them_all(self, made: Planning) -> None:
        put_in_force(made, *self.routines(), at=NOW, calendar=Calendar(days_off=(NOW.date(),)))
        assert made.due_at(NOW + timedelta(hours=1)) == 0

    def test_that_takes_a_routine_away_makes_it_due_no_more(self, made: Planning) -> None:
        one, two, after = self.routines()
        put_in_force(made, one, after, at=NOW)
        later = NOW + timedelta(minutes=10)
        put_in_force(made, one, two, after, at=later)
        assert made.due_at(NOW + timedelta(hours=1)) == 1
        run_pass(made, later)
        assert made.due_at(NOW + timedelta(hours=1)) == 3


class TestANameThatIsRefused:
    """What is due waits for 08:00, and its file gets a name that has a history of its own: they are two routines."""

    def avoiding(self, hour: int, routine_id: str, *, renamed_from: str | None = None) -> Routine:
        rule = CalendarRule(every="day", at=(time(hour),), frame=Frame(timezone="UTC"))
        schedule = Schedule(rules=(rule,), avoid=("maintenance.morning",))
        return Routine(id=routine_id, name=routine_id, accountable="boss", schedule=schedule, renamed_from=renamed_from)

    def told(self, books: Books, new_hour: int) -> list[tuple[str, str, str]]:
        at_six = Schedule(rules=(CalendarRule(every="day", at=(time(6),), frame=Frame(timezone="UTC")),))
        morning = PlannedWindow(schedule=at_six, lasts_seconds=7200)
        world = World(almanac=Almanac({"business": Calendar()}, {}, {"morning": morning}))
        made = Planning(books, keep_time=lambda: None)
        for at, routine in (
            (NOW - timedelta(days=2), replace(self.avoiding(5, "new"), schedule=Schedule())),
            (NOW - timedelta(days=1), self.avoiding(7, "old")),
            (NOW + timedelta(minutes=1), self.avoiding(new_hour, "new", renamed_from="old")),
        ):
            run_pass(made, at)
            made.put_in_force({routine.id: routine}, world=world, at=at)
            run_pass(made, at)
        run_pass(made, NOW + timedelta(hours=1))
        rows = books.ledger.all("SELECT routine, status, reason FROM runs WHERE nominal_at >= ?", (to_text(NOW),))
        return [(row["routine"], row["status"], row["reason"]) for row in rows]

    def test_only_what_had_it_due_has_a_record_of_it(self, books: Books) -> None:
        assert self.told(books, new_hour=9) == [("old", "skipped", "edited")]

    def test_what_has_it_due_as_well_runs(self, books: Books) -> None:
        assert self.told(books, new_hour=7) == [("old", "skipped", "edited"), ("new", "running", "")]
