"""Which days a calendar shows."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import chain, pairwise
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.engine.calendar_span import FIRST_DAY, LAST_DAY, View, span_of
from opsrunner.engine.calendar_view import clock_change

OSLO = ZoneInfo("Europe/Oslo")


@pytest.mark.parametrize(
    ("view", "day", "title"),
    [
        ("month", date(2026, 2, 14), "February 2026"),
        ("week", date(2026, 11, 22), "16 to 22 November 2026"),
        ("week", date(2026, 11, 30), "30 November to 6 December 2026"),
        ("week", date(2027, 1, 1), "28 December 2026 to 3 January 2027"),
    ],
)
def test_a_span_is_called_by_its_days(view: View, day: date, title: str) -> None:
    assert span_of(view, day).title == title


def test_a_month_has_all_its_days_in_weeks_from_monday() -> None:
    span = span_of("month", date(2026, 11, 22))
    assert (span.first, span.last) == (date(2026, 11, 1), date(2026, 11, 30))
    assert [[day.day for day in week] for week in span.weeks][:2] == [[1], [2, 3, 4, 5, 6, 7, 8]]
    assert list(chain(*span.weeks)) == span.days


@pytest.mark.parametrize("view", get_args(View))
def test_it_ends_at_its_bounds(view: View) -> None:
    assert span_of(view, FIRST_DAY).previous is None
    assert span_of(view, LAST_DAY).following is None
    assert span_of("week", date(1970, 1, 5)).previous == FIRST_DAY, "a week that began before it"


@given(st.sampled_from(get_args(View)), st.dates(FIRST_DAY, LAST_DAY))
def test_from_any_day_one_goes_on_and_comes_back_without_a_gap(view: View, day: date) -> None:
    span = span_of(view, day)
    assert span.first <= day <= span.last
    if span.following is not None and span.following <= LAST_DAY:
        following = span_of(view, span.following)
        assert following.first == span.last + timedelta(days=1)
        assert following.previous is not None
        assert span_of(view, following.previous) == span


def test_its_bounds_are_the_midnights_of_the_wall() -> None:
    bounds = span_of("month", date(2026, 10, 1)).bounds(OSLO)
    hours = [(after - before) / timedelta(hours=1) for before, after in pairwise(bounds)]
    assert len(hours) == 31
    assert hours[24] == 25, "clocks go back on the 25th"
    assert set(hours[:24]) == {24}


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Pacific/Apia", date(2011, 12, 30)),  # a day that never was
        ("America/St_Johns", date(2006, 10, 29)),  # back at 00:01, into the day before
        ("Africa/Cairo", date(2026, 4, 24)),  # forward at midnight
        ("America/Havana", date(2026, 11, 1)),  # back to midnight
        ("Africa/Monrovia", date(1972, 1, 7)),  # forward by 44 min 30 s
        ("Pacific/Kiritimati", date(1995, 1, 1)),  # another one, after the last day of a month
    ],
)
def test_where_clocks_are_changed_at_midnight_days_still_follow_each_other(zone: str, day: date) -> None:
    span = span_of("month", day)
    bounds = span.bounds(ZoneInfo(zone))
    assert len(bounds) == len(span.days) + 1
    assert all(begin <= end for begin, end in pairwise(bounds))
    said = [clock_change(begin, end, ZoneInfo(zone)) for begin, end in pairwise(bounds)]
    assert len([words for words in said if words]) == 1
