"""Until when a copy, or a look, is not old: by the times at which its routine is to run; and what is dated ahead."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from opsrunner.engine.standing_copies import Standing, is_in_time
from opsrunner.model.backup import CopyState, Keep, PastCopies
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import Calendar, CalendarRule, Frame, Schedule
from opsrunner.schedules.almanac import Almanac

from ...copied import known_copy

MONDAYS = CalendarRule(
    every="week", on=("monday",), at=(time(2),), frame=Frame(timezone="UTC", calendar="business", on_holiday="skip")
)
MADE = datetime(2026, 11, 16, 2, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("holidays", "day", "hour", "in_time"),
    [
        ((), 23, 3, True),
        ((), 23, 5, False),
        (("2026-11-23",), 23, 5, True),  # no copy was due on a holiday
        (("2026-11-23",), 30, 3, True),
        (("2026-11-23",), 30, 5, False),
    ],
)
def test_a_copy_is_old_when_the_next_that_was_to_be_made_is_late(
    holidays: tuple[str, ...], day: int, hour: int, in_time: bool
) -> None:
    almanac = Almanac({"business": Calendar(days_off=tuple(datetime.fromisoformat(one).date() for one in holidays))})
    routine = Routine(id="copies", name="Copies", accountable="owner", schedule=Schedule(rules=(MONDAYS,)))
    now = datetime(2026, 11, day, hour, tzinfo=UTC)
    assert is_in_time(routine, MADE, now=now, almanac=almanac) is in_time


@pytest.mark.parametrize(
    ("ahead", "state", "told"),
    [
        (timedelta(0), CopyState.GOOD, ("fine", "proven and fresh")),
        (timedelta(minutes=59), CopyState.GOOD, ("fine", "proven and fresh")),  # a clock may be wrong by this much
        (timedelta(minutes=61), CopyState.GOOD, ("look", "dated ahead")),
        (timedelta(days=300), CopyState.GOOD, ("look", "dated ahead")),
        (timedelta(days=300), CopyState.DOUBTFUL, ("look", "dated ahead")),
        (timedelta(days=300), CopyState.DAMAGED, ("failed", "damaged")),
    ],
)
def test_a_copy_that_is_dated_ahead_keeps_no_backup_fresh(
    ahead: timedelta, state: CopyState, told: tuple[str, str]
) -> None:
    copy = known_copy(1, MADE + ahead, state=state)
    standing = Standing(
        routine=Routine(id="copies", name="Copies", accountable="owner", schedule=Schedule(rules=(MONDAYS,))),
        step="copy",
        key="",
        store="disk",
        copies=(copy,),
        past=PastCopies(first_made_at=copy.made_at, restored_at=MADE),
        restored_within=None,
        keep=Keep(),
    )
    almanac = Almanac({"business": Calendar()})
    assert standing.verdict(MADE, almanac) == told
    assert standing.is_fresh(MADE, almanac) is (told[0] == "fine")
