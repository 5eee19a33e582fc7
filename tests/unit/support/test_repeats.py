"""What comes up how often, week by week."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.support.repeats import Course, Limits, Repeat, weekly

OSLO = ZoneInfo("Europe/Oslo")
TODAY = date(2026, 11, 20)
LIMITS = Limits(at_least=26, rising_share=0.5, rising_at_least=3)


def events(subject: str, *counts: int) -> list[tuple[str, datetime]]:
    """Return so many events of a subject a week, the last week last."""
    found = []
    for age, count in enumerate(reversed(counts)):
        noon = datetime.combine(TODAY - timedelta(days=7 * age + 3), time(12), OSLO)
        found += [(subject, (noon + timedelta(minutes=number)).astimezone(UTC)) for number in range(count)]
    return found


def count(*found: tuple[str, datetime], weeks: int = 13) -> dict[str, Repeat]:
    repeats = weekly(found, weeks=weeks, today=TODAY, zone=OSLO, limits=LIMITS)
    return {one.subject: one for one in repeats}


@pytest.mark.parametrize(
    ("counts", "course", "usual"),
    [
        ((2, 2, 2, 2, 3), Course.RISING, 2.0),
        ((2, 2, 2, 2, 2), Course.CALM, 2.0),
        ((0, 0, 0, 0, 2), Course.CALM, 0.0),  # new, and too few to call it so
        ((0, 0, 0, 0, 3), Course.RISING, 0.0),
        ((2, 40, 2, 2, 3), Course.RISING, 2.0),  # one wild week does not hide a rise
        ((2, 2, 40, 2, 2), Course.FREQUENT, 2.0),  # nor is it one
        ((6, 6, 6, 6, 6), Course.FREQUENT, 6.0),
        ((1, 1, 9), Course.CALM, None),  # nobody knows yet what is usual
    ],
)
def test_a_category_is_held_against_what_is_usual(counts: tuple[int, ...], course: Course, usual: float | None) -> None:
    found = count(*events("mail", *counts), *events("other", *[1] * len(counts)))["mail"]

    assert (found.course, found.usual, found.weeks) == (course, usual, counts)


def test_what_rises_most_comes_first_then_what_is_frequent() -> None:
    found = count(
        *events("calm", 1, 1, 1, 1, 1),
        *events("often", 9, 9, 9, 9, 9),
        *events("rises", 2, 2, 2, 2, 5),
        *events("rises more", 2, 2, 2, 2, 9),
    )

    assert list(found) == ["rises more", "rises", "often", "calm"]
    assert [one.growth_percent for one in found.values()] == [350, 150, 0, 0]
    assert found["often"].per_week == 0


def test_a_steady_growth_has_its_slope() -> None:
    assert count(*events("mail", 1, 2, 3, 4, 5, 6))["mail"].per_week == 1


def test_weeks_are_seven_days_on_the_wall_and_the_last_one_ended_yesterday() -> None:
    midnight = datetime.combine(TODAY, time(), OSLO)
    told = [
        midnight,
        midnight - timedelta(seconds=1),
        midnight - timedelta(days=7),
        midnight - timedelta(days=7, seconds=1),
    ]
    (found,) = count(*(("mail", moment.astimezone(UTC)) for moment in told)).values()

    assert found.weeks == (1, 2), "today does not count yet"
    long_ago = ("mail", (midnight - timedelta(days=91)).astimezone(UTC))
    too_long_ago = ("mail", (midnight - timedelta(days=91, seconds=1)).astimezone(UTC))
    assert sum(sum(one.weeks) for one in count(long_ago, too_long_ago).values()) == 1


def test_the_day_that_is_an_hour_longer_is_one_day() -> None:
    """Clocks went back on 25 October 2026."""
    late = datetime(2026, 10, 25, 23, 30, tzinfo=OSLO)
    found = weekly([("mail", late)], weeks=2, today=date(2026, 10, 26), zone=OSLO, limits=LIMITS)

    assert found[0].weeks == (1,)


def test_nothing_at_all_is_no_category() -> None:
    assert count() == {}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 200 * 24)), max_size=200))
def test_every_event_of_the_weeks_is_counted_once(told: list[tuple[str, int]]) -> None:
    start = datetime.combine(TODAY, time(), UTC)
    moments = [(subject, start - timedelta(hours=hours)) for subject, hours in told]
    found = weekly(moments, weeks=13, today=TODAY, zone=ZoneInfo("UTC"), limits=LIMITS)

    assert sum(one.total for one in found) == sum(0 < hours <= 91 * 24 for _, hours in told)
    assert len({len(one.weeks) for one in found}) <= 1
