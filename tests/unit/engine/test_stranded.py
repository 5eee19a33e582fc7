"""What becomes of due times that wait when their schedule, or a window that they avoid, is edited."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest

from opsrunner.engine.stranded import EDITED, LONGEST_WAIT, MOST_LOOKED_AT, Reckoning, stranded, waiting
from opsrunner.model.schedule import Calendar, CalendarRule, CronRule, Frame, IntervalRule, OffsetRule, Rule, Schedule
from opsrunner.model.window import PlannedWindow
from opsrunner.schedules.almanac import Almanac

FRAME = Frame(timezone="UTC")
AT_TWO = Schedule(rules=(CalendarRule(every="day", at=(time(2),), frame=FRAME),))
EACH_MINUTE_OF_THE_NIGHT = CronRule(expression="* 0-5 * * *", frame=FRAME)
EVERY_15 = IntervalRule(seconds=900, frame=FRAME)
AVOIDED = ("maintenance.night",)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def reckoning(*rules: Rule, avoid: tuple[str, ...] = AVOIDED, hours: int = 5) -> Reckoning:
    night = PlannedWindow(schedule=AT_TWO, lasts_seconds=hours * 3600)
    almanac = Almanac({"business": Calendar(days_off=(date(2026, 11, 23),))}, {}, {"night": night})
    return Reckoning(schedule=Schedule(rules=rules, avoid=avoid), almanac=almanac)


def test_each_of_what_waits_is_found_however_much_is_planned_until_the_longest_wait_is_over() -> None:
    at = moment("2026-11-21 03:50")
    left = waiting(reckoning(EVERY_15), at=at)
    later = IntervalRule(seconds=240, frame=Frame(timezone="UTC", on_holiday="next business day"))
    found = stranded(left, reckoning(later), mark=at)
    assert [one.nominal_at.minute for one in left] == [0, 15, 30, 45, 0, 15, 30, 45]
    assert [one.nominal_at.minute for one in found if one.skip_reason == EDITED] == [15, 30, 45, 15, 30, 45]


def test_each_that_waits_is_found_among_what_is_planned_for_other_days() -> None:
    each_minute = IntervalRule(seconds=60, frame=Frame(timezone="UTC", on_holiday="next business day"))
    days_off = tuple(date(2026, 11, 23) + timedelta(days=day) for day in range(26) if day % 7 < 5)
    almanac = Almanac({"business": Calendar(days_off=days_off)})
    at = moment("2026-11-23 01:59:30")
    found = waiting(Reckoning(schedule=Schedule(rules=(each_minute,)), almanac=almanac), at=at)
    assert len(found) == 120


def test_what_is_due_each_minute_goes_on_waiting_for_a_longer_window() -> None:
    at = moment("2026-11-21 06:00:30")
    left = waiting(reckoning(EACH_MINUTE_OF_THE_NIGHT), at=at)
    assert (left[0].nominal_at, left[-1].nominal_at) == (moment("2026-11-21 02:00"), moment("2026-11-21 05:59"))
    assert stranded(left, reckoning(EACH_MINUTE_OF_THE_NIGHT, hours=6), mark=at) == []


def test_what_is_due_each_minute_is_found_where_the_window_is_over_already() -> None:
    at = moment("2026-11-21 06:00:30")
    left = waiting(reckoning(EACH_MINUTE_OF_THE_NIGHT), at=at)
    found = stranded(left, reckoning(EACH_MINUTE_OF_THE_NIGHT, hours=4), mark=at)
    assert {one.planned_at for one in found} == {moment("2026-11-21 06:00")}
    assert [one.nominal_at for one in found] == [one.nominal_at for one in left]


def test_where_not_all_could_be_looked_at_nothing_is_said_to_be_edited() -> None:
    left = waiting(reckoning(EVERY_15), at=moment("2026-11-21 06:00:30"))
    earlier = Frame(timezone="UTC", on_holiday="previous business day")
    each_minute, odd = IntervalRule(seconds=60, frame=earlier), moment("2026-11-21 06:00:30")
    twice = IntervalRule(seconds=60, frame=replace(earlier, from_=datetime(2026, 1, 1, 0, 0, 30)))
    assert 2 * LONGEST_WAIT / timedelta(minutes=1) > MOST_LOOKED_AT
    assert stranded(left, reckoning(each_minute, twice, avoid=()), mark=odd) == []
    once_a_day = CalendarRule(every="day", at=(time(3, 1),), frame=earlier)
    assert {one.skip_reason for one in stranded(left, reckoning(once_a_day, avoid=()), mark=odd)} == {EDITED}


@pytest.mark.parametrize(
    ("rule", "avoid", "at", "until"),
    [
        pytest.param(EVERY_15, AVOIDED, "2026-11-21 12:00", "2026-11-21 12:00", id="no window is on"),
        pytest.param(EVERY_15, AVOIDED, "2026-11-21 03:00", "2026-11-21 07:00", id="one is on"),
        pytest.param(EVERY_15, (), "2026-11-21 03:00", "2026-11-21 03:00", id="it avoids none"),
        pytest.param(
            OffsetRule(of="maintenance.night", offset_seconds=60, frame=FRAME),
            (),
            "2026-11-21 12:00",
            "2026-12-22 12:00",
            id="it goes by a window, which may be moved",
        ),
        pytest.param(
            IntervalRule(seconds=900, frame=Frame(timezone="UTC", on_holiday="next business day")),
            AVOIDED,
            "2026-11-21 12:00",
            "2026-12-22 12:00",
            id="moved after a holiday",
        ),
        pytest.param(
            IntervalRule(seconds=900, frame=Frame(timezone="UTC", on_holiday="previous business day")),
            AVOIDED,
            "2026-11-21 12:00",
            "2026-11-21 12:00",
            id="moved before a holiday",
        ),
    ],
)
def test_it_is_known_until_when_something_can_wait(rule: Rule, avoid: tuple[str, ...], at: str, until: str) -> None:
    assert reckoning(rule, avoid=avoid).planned_by(moment(at)) == moment(until)
