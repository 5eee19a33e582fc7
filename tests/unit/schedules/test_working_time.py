"""Working time in logarithmic time is the same as day by day."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from time import thread_time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import Calendar
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.business import add_business_seconds
from opsrunner.schedules.working_time import AROUND_THE_CLOCK, WorkingTime, time_of

from ...patience import within

HOUR = 3600
CALENDARS = {
    "office": Calendar(name="office", country="NO", working_hours=(time(8), time(16))),
    "late": Calendar(name="late", country="DE", working_hours=(time(16), time(0))),
    "night": Calendar(name="night", working_hours=(time(0), time(6)), days_off=(date(2026, 3, 30),)),
}
ZONES = ("UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2028, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC))
ALMANAC = Almanac(CALENDARS)


def working(name: str, zone: str) -> WorkingTime:
    return WorkingTime(CALENDARS[name], almanac=ALMANAC, zone=zone)


@given(st.sampled_from(sorted(CALENDARS)), st.sampled_from(ZONES), MOMENTS, st.integers(0, 400 * HOUR))
def test_the_moment_after_so_much_work_is_the_one_that_counting_day_by_day_finds(
    name: str, zone: str, start: datetime, seconds: int
) -> None:
    expected = add_business_seconds(start, seconds, calendar=CALENDARS[name], almanac=ALMANAC, zone=zone)

    assert working(name, zone).after(start, seconds) == expected


@given(st.sampled_from(sorted(CALENDARS)), st.sampled_from(ZONES), MOMENTS, st.integers(1, 400 * HOUR))
def test_between_a_moment_and_the_one_after_so_much_work_lies_just_that(
    name: str, zone: str, start: datetime, seconds: int
) -> None:
    time_ = working(name, zone)

    assert time_.between(start, time_.after(start, seconds)) == seconds


@given(st.sampled_from(sorted(CALENDARS)), st.lists(MOMENTS, min_size=3, max_size=3).map(sorted))
def test_parts_add_up_whatever_was_asked_first(name: str, moments: list[datetime]) -> None:
    first, middle, last = moments
    time_ = working(name, "Europe/Oslo")

    later = time_.between(middle, last)  # what lies before it is laid out only when it is asked for
    assert time_.between(first, middle) + later == pytest.approx(time_.between(first, last))
    assert 0 <= later <= (last - middle).total_seconds()


def test_no_time_passes_backwards_and_none_at_night() -> None:
    office = working("office", "Europe/Oslo")
    evening = datetime(2026, 1, 5, 20, tzinfo=ZoneInfo("Europe/Oslo"))

    assert office.between(evening, evening - timedelta(days=3)) == 0
    assert office.between(evening, evening + timedelta(hours=10)) == 0
    assert office.between(evening, evening + timedelta(hours=13)) == HOUR


def test_the_spring_night_that_is_an_hour_short_has_an_hour_less() -> None:
    night = working("night", "Europe/Oslo")
    friday, monday = datetime(2026, 3, 26, 23, tzinfo=UTC), datetime(2026, 3, 29, 22, tzinfo=UTC)

    assert night.between(friday, friday + timedelta(days=1)) == 6 * HOUR
    assert night.between(monday, monday + timedelta(days=1)) == 0, "a day off"


def test_around_the_clock_every_second_counts() -> None:
    always = time_of(AROUND_THE_CLOCK, almanac=ALMANAC, zone="Europe/Oslo")
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)

    assert always.between(start, start + timedelta(days=2)) == 48 * HOUR
    assert always.after(start, 48 * HOUR) == start + timedelta(days=2)
    assert always.after(start, 0) == start


def test_a_calendar_that_is_not_there_or_never_works_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="there is no calendar 'ofice', did you mean 'office'"):
        time_of("ofice", almanac=ALMANAC, zone="UTC")
    off = Calendar(name="off", days_off=tuple(date(2026, 1, 1) + timedelta(days=day) for day in range(500)))
    with pytest.raises(ConfigurationError, match="no business day"):
        WorkingTime(off, almanac=Almanac({"off": off}), zone="UTC").after(datetime(2026, 1, 5, tzinfo=UTC), HOUR)


def test_fifty_thousand_questions_take_less_than_a_second() -> None:
    office = working("office", "Europe/Oslo")
    start = datetime(2026, 11, 20, 6, tzinfo=UTC)

    def ask_all() -> None:
        for number in range(25_000):
            asked = start - timedelta(minutes=number * 17 % 500_000)
            office.after(asked, office.between(asked, start) / 2)

    within(1, ask_all, clock=thread_time)
