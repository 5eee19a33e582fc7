from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.model.schedule import Frame, IntervalRule, Schedule
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import occurrences, upcoming

Ask = Callable[..., list[str]]
HOUR = 3600


@pytest.mark.parametrize("after", ["2026-03-28T12:00", "2026-10-24T12:00"])
def test_six_hours_stay_six_hours_over_a_change_of_offset(frame: Frame, norway: Almanac, after: str) -> None:
    schedule = Schedule(rules=(IntervalRule(seconds=6 * HOUR, frame=frame),))
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    found = [one.planned_at for one in upcoming(schedule, after=start, count=8, almanac=norway)]
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=6)}
    assert {moment.hour for moment in found} == {0, 6, 12, 18}  # on the grid of the epoch


def test_the_grid_begins_where_from_says(frame: Frame, next_on_the_wall: Ask) -> None:
    anchored = IntervalRule(seconds=6 * HOUR, frame=replace(frame, from_=datetime(2026, 3, 28, 7)))
    assert next_on_the_wall(anchored, after="2026-01-01", count=5) == [
        "2026-03-28T07:00+01:00",
        "2026-03-28T13:00+01:00",
        "2026-03-28T19:00+01:00",
        "2026-03-29T01:00+01:00",
        "2026-03-29T08:00+02:00",  # elapsed spacing: an hour later on the wall from here on
    ]


def test_hours_include_their_start_and_exclude_their_end(frame: Frame, next_on_the_wall: Ask) -> None:
    within = IntervalRule(seconds=900, between=(time(8), time(8, 30)), frame=frame)
    assert next_on_the_wall(within, after="2026-03-28T07:10", count=4) == [
        "2026-03-28T08:15+01:00",
        "2026-03-29T08:00+02:00",
        "2026-03-29T08:15+02:00",
        "2026-03-30T08:00+02:00",
    ]


def test_hours_may_pass_midnight(frame: Frame, next_on_the_wall: Ask) -> None:
    night = IntervalRule(seconds=HOUR, between=(time(23), time(1)), frame=frame)
    assert [text[11:16] for text in next_on_the_wall(night, after="2026-01-05T12:00", count=4)] == [
        "23:00",
        "00:00",
        "23:00",
        "00:00",
    ]


def test_hours_may_end_at_midnight(frame: Frame, next_on_the_wall: Ask) -> None:
    evening = IntervalRule(seconds=HOUR, between=(time(22), time(0)), frame=frame)
    assert [text[11:16] for text in next_on_the_wall(evening, after="2026-01-05T12:00", count=3)] == [
        "22:00",
        "23:00",
        "22:00",
    ]


def test_hours_that_are_left_out_by_a_gap_begin_after_it(frame: Frame, next_on_the_wall: Ask) -> None:
    early = IntervalRule(seconds=900, between=(time(2, 15), time(3, 30)), frame=frame)
    assert next_on_the_wall(early, after="2026-03-28T23:00", count=3) == [
        "2026-03-29T03:00+02:00",
        "2026-03-29T03:15+02:00",
        "2026-03-30T02:15+02:00",
    ]


def test_hours_that_never_meet_the_grid_end_the_search(norway: Almanac) -> None:
    never = IntervalRule(seconds=24 * HOUR, between=(time(8), time(9)), frame=Frame(timezone="UTC"))
    after = datetime(2026, 1, 1, tzinfo=UTC)
    assert upcoming(Schedule(rules=(never,)), after=after, count=1, almanac=norway) == []


def test_holidays_can_be_skipped(frame: Frame, norway: Almanac) -> None:
    hourly = IntervalRule(seconds=12 * HOUR, frame=replace(frame, on_holiday="skip"))
    found = upcoming(Schedule(rules=(hourly,)), after=datetime(2026, 4, 1, 12, tzinfo=UTC), count=2, almanac=norway)
    assert [one.skip_reason for one in found] == ["holiday", "holiday"]


def test_except_leaves_out_whole_days(frame: Frame, next_on_the_wall: Ask) -> None:
    spaced = IntervalRule(seconds=12 * HOUR, frame=replace(frame, except_=(date(2026, 1, 6), date(2026, 1, 7))))
    assert next_on_the_wall(spaced, after="2026-01-05T13:00", count=2) == [
        "2026-01-08T01:00+01:00",
        "2026-01-08T13:00+01:00",
    ]


@settings(max_examples=60, deadline=None)
@given(
    minutes=st.integers(1, 200),
    start=st.times(),
    end=st.times(),
    zone=st.sampled_from(["Europe/Oslo", "Australia/Lord_Howe", "America/Nuuk", "Africa/Cairo", "America/Havana"]),
    day=st.sampled_from([(2026, 3, 7), (2026, 3, 28), (2026, 4, 4), (2026, 4, 23), (2026, 10, 24), (2026, 10, 31)]),
)
def test_every_point_of_the_grid_within_the_hours_is_due_and_no_other(
    minutes: int, start: time, end: time, zone: str, day: tuple[int, int, int]
) -> None:
    start, end = start.replace(second=0, microsecond=0, fold=0), end.replace(second=0, microsecond=0, fold=0)
    rule = IntervalRule(seconds=minutes * 60, between=(start, end), frame=Frame(timezone=zone))
    after, until = datetime(*day, tzinfo=UTC), datetime(*day, tzinfo=UTC) + timedelta(days=3)

    def is_within(moment: datetime) -> bool:
        clock = moment.astimezone(ZoneInfo(zone)).time().replace(fold=0)
        if end == time(0):
            return clock >= start
        return start <= clock < end if start < end else clock >= start or clock < end

    first = int(after.timestamp()) // (60 * minutes) + 1
    last = int(until.timestamp()) // (60 * minutes)
    grid = (datetime.fromtimestamp(60 * minutes * step, UTC) for step in range(first, last + 1))
    found = occurrences(Schedule(rules=(rule,)), after=after, until=until, almanac=Almanac())
    assert [one.planned_at for one in found] == [moment for moment in grid if is_within(moment)]
