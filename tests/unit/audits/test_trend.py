"""The days until a disk is full: laws that hold for every history, and the stories that a disk tells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as any_of

from opsrunner.audits.capacity import Sample, days_until_full

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
GB = 1024**3
SIZE = 100 * GB


def history(days: int, used_gb: Callable[[int], float], *, size: int = SIZE) -> list[Sample]:
    """One sample a day up to now; `used_gb` gets the number of the day, from 0."""
    return [(NOW - timedelta(days=days - 1 - day), int(used_gb(day) * GB), size) for day in range(days)]


def test_a_disk_that_grows_evenly_is_full_when_a_ruler_says() -> None:
    assert days_until_full(history(10, lambda day: 50 + day), NOW) == pytest.approx(41)


def test_the_days_count_from_now_and_not_from_the_last_sample() -> None:
    assert days_until_full(history(10, lambda day: 50 + day), NOW + timedelta(days=2)) == pytest.approx(39)


def test_a_disk_that_is_full_and_grows_has_no_days_left() -> None:
    assert days_until_full(history(10, lambda day: 91 + day), NOW) == 0


@pytest.mark.parametrize(
    ("samples", "why"),
    [
        ([], "nothing"),
        (history(4, lambda day: 50 + day), "four samples"),
        ([(NOW - timedelta(hours=hour), GB * (90 - hour), SIZE) for hour in range(20)], "less than three days"),
        (history(30, lambda day: 50), "it stands still"),
        (history(30, lambda day: 80 - day), "it shrinks"),
        (history(30, lambda day: 50 + day % 7 * 3), "it swings with the week"),
        (history(30, lambda day: 50 + day % 2 * 10), "it swings from day to day"),
        (history(10, lambda day: 50 + day / 1000), "it takes more than ten years"),
        ([(at - timedelta(days=90), used, size) for at, used, size in history(30, lambda day: day)], "long ago"),
        (
            [(at + timedelta(days=90), used, size) for at, used, size in history(30, lambda day: day)],
            "of a wrong clock",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_says_nothing_where_nothing_can_be_said(samples: list[Sample], why: str) -> None:
    assert days_until_full(samples, NOW) is None


@pytest.mark.parametrize("day_of_leap", range(1, 20))
@pytest.mark.parametrize("leap", [-30, 30], ids=["cleanup", "restored copy"])
def test_one_leap_does_not_change_the_pace(day_of_leap: int, leap: int) -> None:
    """The room that is left is that of today; the pace is that of all other days."""
    samples = history(20, lambda day: 40 + day + (leap if day >= day_of_leap else 0))
    left = 100 - (59 + leap)

    assert days_until_full(samples, NOW) == pytest.approx(left)


def test_a_cleanup_every_week_is_the_disks_way_of_life() -> None:
    """It grows by 2 GB a day and loses 14 each week: by day it seems to be full soon, and it never is."""
    assert days_until_full(history(28, lambda day: 50 + day % 7 * 2), NOW) is None


def test_one_wild_value_changes_little() -> None:
    even = history(20, lambda day: 40 + day)
    wild = [(at, used + 35 * GB if number == 7 else used, size) for number, (at, used, size) in enumerate(even)]

    assert days_until_full(wild, NOW) == pytest.approx(41, rel=0.1)


def test_a_bigger_disk_has_the_room_of_today() -> None:
    before = history(10, lambda day: 50 + day)
    grown = [*before[:-1], (before[-1][0], before[-1][1], 2 * SIZE)]

    assert days_until_full(grown, NOW) == pytest.approx(141)


some_samples = any_of.lists(
    any_of.tuples(
        any_of.integers(0, 60 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
        any_of.integers(0, 10**15),
        any_of.integers(0, 10**15),
    ),
    max_size=40,
)


@given(some_samples)
def test_no_history_breaks_it_and_no_answer_is_absurd(samples: list[Sample]) -> None:
    days = days_until_full(samples, NOW)

    assert days is None or 0 <= days <= 3650


@given(some_samples.flatmap(lambda samples: any_of.tuples(any_of.just(samples), any_of.permutations(samples))))
def test_the_order_of_the_samples_does_not_matter(both: tuple[list[Sample], list[Sample]]) -> None:
    samples, shuffled = both
    assume(len({at for at, _, _ in samples}) == len(samples))

    assert days_until_full(samples, NOW) == days_until_full(shuffled, NOW)


@given(some_samples, any_of.sampled_from([2, 4, 1024]))
def test_the_unit_of_size_does_not_matter(samples: list[Sample], factor: int) -> None:
    scaled = [(at, used * factor, size * factor) for at, used, size in samples]

    assert days_until_full(scaled, NOW) == days_until_full(samples, NOW)


@given(any_of.integers(5, 60), any_of.integers(1, 10**9), any_of.integers(1, 10**9), any_of.integers(0, 10**9))
def test_even_growth_is_told_exactly(days: int, start: int, pace: int, room: int) -> None:
    last = start + pace * (days - 1)
    samples = [(NOW - timedelta(days=days - 1 - day), start + pace * day, last + room) for day in range(days)]
    expected = room / pace

    assert days_until_full(samples, NOW) == (pytest.approx(expected) if expected <= 3650 else None)
