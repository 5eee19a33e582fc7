"""A sample that the same week draws the same."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.support.sampling import Length, draw, last_period, months_before

OSLO = ZoneInfo("Europe/Oslo")
ROWS = [(f"T{number}", ("ann", "bob", "eve")[number % 3]) for number in range(60)]


def drawn(rows: list[tuple[str, str]], *, seed: str = "2026-W47", each: int = 2, most: int = 20) -> list[str]:
    found = draw(rows, key=lambda row: row[0], stratum=lambda row: row[1], seed=seed, each=each, most=most)
    return [row[0] for _, row in found]


def test_everybody_has_as_many_and_another_week_draws_others() -> None:
    found = drawn(ROWS)
    staff = dict(ROWS)

    assert sorted(staff[key] for key in found) == ["ann", "ann", "bob", "bob", "eve", "eve"]
    assert found != drawn(ROWS, seed="2026-W48")


@given(st.integers(), st.integers(0, 59))
def test_the_order_of_rows_does_not_matter_and_one_that_goes_moves_no_others(seed: int, gone: int) -> None:
    mixed = list(ROWS)
    Random(seed).shuffle(mixed)
    found = drawn(ROWS)

    assert drawn(mixed) == found
    left = drawn([row for row in ROWS if row[0] != f"T{gone}"])
    assert set(found) - {f"T{gone}"} <= set(left)


def test_where_there_is_not_room_for_all_they_take_turns() -> None:
    staff = dict(ROWS)

    assert len({staff[key] for key in drawn(ROWS, most=3)}) == 3
    assert len(drawn(ROWS, most=1)) == 1
    assert drawn([], most=3) == []
    assert len(drawn(ROWS[:1], each=5)) == 1


def test_nobody_is_drawn_more_often_than_others() -> None:
    """Over many weeks each of 60 tickets has its two in twenty."""
    counts = dict.fromkeys((key for key, _ in ROWS), 0)
    for week in range(500):
        for key in drawn(ROWS, seed=str(week)):
            counts[key] += 1

    assert min(counts.values()) > 25
    assert max(counts.values()) < 80


@pytest.mark.parametrize(
    ("length", "now", "name", "from_", "until"),
    [
        ("week", "2026-11-20T12:00", "2026-W46", "2026-11-09T00:00", "2026-11-16T00:00"),
        ("week", "2026-11-16T00:00", "2026-W46", "2026-11-09T00:00", "2026-11-16T00:00"),
        ("week", "2026-11-15T23:59", "2026-W45", "2026-11-02T00:00", "2026-11-09T00:00"),
        ("week", "2026-01-06T12:00", "2026-W01", "2025-12-29T00:00", "2026-01-05T00:00"),
        ("week", "2026-03-30T08:00", "2026-W13", "2026-03-23T00:00", "2026-03-30T00:00"),  # an hour short
        ("day", "2026-10-26T00:30", "2026-10-25", "2026-10-25T00:00", "2026-10-26T00:00"),  # an hour long
        ("month", "2026-01-06T12:00", "2025-12", "2025-12-01T00:00", "2026-01-01T00:00"),
    ],
)
def test_the_last_period_that_is_over(length: Length, now: str, name: str, from_: str, until: str) -> None:
    def local(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=OSLO).astimezone(UTC)

    found = last_period(length, now=local(now), zone=OSLO)

    assert (found.name, found.from_, found.until) == (name, local(from_), local(until))
    assert found.holds(local(from_))
    assert not found.holds(local(until))


def test_months_follow_on_one_another() -> None:
    found = months_before(14, now=datetime(2026, 3, 5, tzinfo=UTC), zone=OSLO)

    assert [one.name for one in found[:3]] == ["2026-02", "2026-01", "2025-12"]
    assert all(later.from_ == earlier.until for later, earlier in pairwise(found))
