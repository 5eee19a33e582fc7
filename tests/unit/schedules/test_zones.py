from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import CalendarRule, Frame, Schedule
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import occurrences
from opsrunner.schedules.zones import add_offset, day_exists, load_zone, local_date, to_utc

ALL_ZONES = sorted(available_timezones() - {"localtime", "Factory"})

CHANGES = [
    # zone, wall-clock time, the instant on the wall: gaps …
    ("Europe/Oslo", "2026-03-29T02:30", "2026-03-29T03:00+02:00"),
    ("Europe/Oslo", "2026-03-29T01:59", "2026-03-29T01:59+01:00"),
    ("Europe/Oslo", "2026-03-29T03:00", "2026-03-29T03:00+02:00"),
    ("America/New_York", "2026-03-08T02:30", "2026-03-08T03:00-04:00"),
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:30+11:00"),  # half an hour
    ("Africa/Casablanca", "2026-03-22T02:30", "2026-03-22T03:00+01:00"),  # after Ramadan
    ("Africa/Cairo", "2026-04-24T00:00", "2026-04-24T01:00+03:00"),  # the day begins at 01:00
    ("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T01:00-02:00"),
    ("America/Nuuk", "2026-03-28T23:30", "2026-03-29T00:00-01:00"),  # the day ends at 23:00
    ("Pacific/Apia", "2011-12-30T02:30", "2011-12-31T00:00+14:00"),  # the whole day
    # … and overlaps: the first of the two
    ("Europe/Oslo", "2026-10-25T02:30", "2026-10-25T02:30+02:00"),
    ("Europe/Oslo", "2026-10-25T03:00", "2026-10-25T03:00+01:00"),
    ("America/New_York", "2026-11-01T01:30", "2026-11-01T01:30-04:00"),
    ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-05T01:45+11:00"),
    ("Africa/Casablanca", "2026-02-15T02:30", "2026-02-15T02:30+01:00"),
    ("America/Havana", "2026-11-01T00:30", "2026-11-01T00:30-04:00"),
    ("UTC", "2026-03-29T02:30", "2026-03-29T02:30+00:00"),
]


@pytest.mark.parametrize(("zone", "wall", "expected"), CHANGES, ids=lambda value: value)
def test_a_left_out_time_is_right_after_the_gap_and_a_repeated_one_is_the_first(
    zone: str, wall: str, expected: str
) -> None:
    local = datetime.fromisoformat(wall)
    found = to_utc(local.date(), local.time(), load_zone(zone))
    assert found == datetime.fromisoformat(expected)
    assert found.tzinfo is UTC


def daily_runs(zone: str, clock: time, first: date, last: date) -> list[datetime]:
    """Return the runs of a fixed daily time on the wall clock of `zone`, as local times."""
    frame = Frame(timezone=zone, from_=datetime.combine(first, time(0)), until=last)
    schedule = Schedule(rules=(CalendarRule(every="day", at=(clock,), frame=frame),))
    wide = timedelta(days=3)
    found = occurrences(
        schedule,
        after=datetime.combine(first, time(0), UTC) - wide,
        until=datetime.combine(last, time(0), UTC) + wide,
        almanac=Almanac(),
    )
    return [occurrence.planned_at.astimezone(ZoneInfo(zone)) for occurrence in found]


def existing_dates(zone: str, first: date, last: date) -> list[date]:
    """Return the dates that a wall clock shows, looked at four times a day."""
    moment, end = datetime.combine(first, time(0), UTC), datetime.combine(last, time(0), UTC)
    moment, end = moment - timedelta(days=1), end + timedelta(days=2)
    shown = set()
    while moment < end:
        shown.add(moment.astimezone(ZoneInfo(zone)).date())
        moment += timedelta(hours=6)
    return sorted(day for day in shown if first <= day <= last)


@settings(max_examples=400, deadline=None)
@given(
    zone=st.sampled_from(ALL_ZONES),
    clock=st.times(max_value=time(23, 59)).map(lambda clock: clock.replace(second=0, microsecond=0)),
    year=st.integers(2024, 2035),
)
@example(zone="Europe/Oslo", clock=time(2, 30), year=2026)
@example(zone="Australia/Lord_Howe", clock=time(1, 45), year=2026)
@example(zone="Africa/Casablanca", clock=time(2, 30), year=2026)
@example(zone="Africa/Cairo", clock=time(0, 0), year=2024)
@example(zone="America/Nuuk", clock=time(23, 30), year=2024)
@example(zone="America/Havana", clock=time(0, 30), year=2027)
@example(zone="Pacific/Apia", clock=time(0, 0), year=2011)
def test_a_fixed_daily_time_runs_once_on_each_date_that_exists(zone: str, clock: time, year: int) -> None:
    first, last = date(year, 1, 1), date(year, 12, 31)
    runs, dates = daily_runs(zone, clock, first, last), existing_dates(zone, first, last)
    assert len(runs) == len(dates)
    for run, day in zip(runs, dates, strict=True):
        wall, wanted = run.replace(tzinfo=None, fold=0), datetime.combine(day, clock)
        if wall == wanted:
            assert run.fold == 0
        else:  # nothing but a gap moves it, and only to the gap's end
            before = (run.astimezone(UTC) - timedelta(seconds=1)).astimezone(run.tzinfo).replace(tzinfo=None)
            assert before < wanted < wall


@pytest.mark.parametrize("zone", ["Europe/Oslo", "America/Nuuk", "Pacific/Apia", "Australia/Lord_Howe"])
def test_a_later_time_on_the_wall_is_never_an_earlier_instant(zone: str) -> None:
    start = datetime(2011, 12, 28)
    for year in (0, 14):
        walls = [start.replace(year=2011 + year) + timedelta(minutes=17 * step) for step in range(31000)]
        moments = [to_utc(wall.date(), wall.time(), load_zone(zone)) for wall in walls]
        assert moments == sorted(moments)


def test_it_knows_the_date_that_samoa_left_out() -> None:
    days = [date(2011, 12, 29), date(2011, 12, 30), date(2011, 12, 31)]
    assert [day_exists(day, load_zone("Pacific/Apia")) for day in days] == [True, False, True]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Osl", "did you mean 'Europe/Oslo'"),
        ("europe oslo", "Europe/Oslo"),
        ("../../etc/passwd", "IANA"),
        ("/etc/localtime", "there is no time zone"),
        ("", "IANA"),
        ("Europe", "there is no time zone"),  # a folder of the database
        ("Mars/Phobos\x00", "there is no time zone"),
    ],
)
def test_an_unknown_zone_is_refused_with_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no time zone") as caught:
        load_zone(name)
    assert hint in caught.value.message


def test_a_year_beyond_all_schedules_is_refused() -> None:
    for year in (1, 1899, 9999):
        with pytest.raises(ConfigurationError, match=str(year)):
            local_date(datetime(year, 1, 1, tzinfo=UTC), load_zone("Pacific/Kiritimati"))


@pytest.mark.parametrize(
    ("start", "seconds", "expected"),
    [
        ("2026-03-28T02:00+01:00", 86400 * 2, "2026-03-30T02:00+02:00"),  # 47 hours in truth
        ("2026-03-30T02:00+02:00", -86400 * 8, "2026-03-22T02:00+01:00"),
        ("2026-03-28T02:00+01:00", 86400, "2026-03-29T03:00+02:00"),  # into the gap
        ("2026-03-28T01:00+01:00", 86400 + 7200, "2026-03-29T04:00+02:00"),  # a day, then two hours elapsed
        ("2026-03-28T23:00+01:00", 3600 * 5, "2026-03-29T05:00+02:00"),  # below a day: elapsed
        ("2026-03-28T23:00+01:00", -3600, "2026-03-28T22:00+01:00"),
    ],
)
def test_whole_days_of_an_offset_keep_the_time_on_the_wall(start: str, seconds: int, expected: str) -> None:
    moment = add_offset(datetime.fromisoformat(start).astimezone(UTC), seconds, load_zone("Europe/Oslo"))
    assert moment == datetime.fromisoformat(expected)
