"""Which copies stay: the laws that hold whatever was made, and a table of plain cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as any_of

from opsrunner.archives.retention import Retention, plan_retention
from opsrunner.model.backup import Copy, CopyState, Keep

from ...copied import known_copy

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OSLO = ZoneInfo("Europe/Oslo")
GOOD, DOUBTFUL, DAMAGED, GONE = CopyState.GOOD, CopyState.DOUBTFUL, CopyState.DAMAGED, CopyState.GONE
PERIODS: dict[str, Callable[[datetime], str]] = {
    "daily": lambda at: at.strftime("%Y-%m-%d"),
    "weekly": lambda at: at.strftime("%G-%V"),
    "monthly": lambda at: at.strftime("%Y-%m"),
    "yearly": lambda at: at.strftime("%Y"),
}
"""Said in another way than the code says it."""


def copy_of(number: int, made_at: datetime, state: CopyState = GOOD) -> Copy:
    return known_copy(number, made_at, state=state)


def plan(copies: Iterable[Copy], keep: Keep, now: datetime = NOW) -> Retention:
    return plan_retention(list(copies), keep, now=now, zone=OSLO)


some_copies = any_of.lists(
    any_of.tuples(any_of.integers(0, 3 * 365 * 24), any_of.sampled_from([GOOD, GOOD, GOOD, DOUBTFUL, DAMAGED])),
    max_size=40,
).map(
    lambda drawn: [
        copy_of(number, NOW - timedelta(hours=hours), state) for number, (hours, state) in enumerate(drawn, start=1)
    ]
)
some_keep = any_of.builds(
    Keep,
    last=any_of.integers(0, 5),
    daily=any_of.integers(0, 9),
    weekly=any_of.integers(0, 6),
    monthly=any_of.integers(0, 8),
    yearly=any_of.integers(0, 4),
)
good_only = some_copies.map(lambda copies: [copy for copy in copies if copy.state is GOOD])


def local(copy: Copy) -> datetime:
    return copy.made_at.astimezone(OSLO)


@given(some_copies, some_keep)
def test_every_copy_that_lies_stays_or_goes_and_damaged_ones_are_left_to_a_person(
    copies: list[Copy], keep: Keep
) -> None:
    done = plan(copies, keep)
    removed = {copy.id for copy in done.removed}
    assert not removed & set(done.kept)
    assert removed | set(done.kept) == {copy.id for copy in copies if copy.state in (GOOD, DOUBTFUL)}


@given(some_copies, some_keep)
def test_the_newest_good_copy_is_never_removed(copies: list[Copy], keep: Keep) -> None:
    good = [copy for copy in copies if copy.state is GOOD]
    if good:
        newest = max(good, key=lambda copy: (copy.made_at, copy.id))
        assert newest.id in plan(copies, keep).kept


@given(some_copies, some_keep, any_of.integers(1, 50))
def test_a_clock_set_back_and_a_copy_from_the_future_remove_nothing(copies: list[Copy], keep: Keep, days: int) -> None:
    if copies and keep != Keep():
        ahead = copy_of(99, NOW + timedelta(days=days))
        assert plan([*copies, ahead], keep).removed == ()
        assert (
            plan([*copies, ahead], keep).doubt == "the clock cannot be right: nightly/copy/99 was made later than now"
        )
        oldest = min(copy.made_at for copy in copies)
        lying = [copy for copy in copies if copy.state is not DAMAGED]
        if lying:
            assert plan(copies, keep, oldest - timedelta(days=days)).removed == ()


@given(some_copies, some_keep)
def test_planned_again_nothing_more_goes(copies: list[Copy], keep: Keep) -> None:
    first = plan(copies, keep)
    left = [copy for copy in copies if copy not in first.removed]
    assert plan(left, keep).removed == ()


@given(some_copies, some_keep, any_of.integers(1, 900))
def test_that_time_passes_removes_nothing(copies: list[Copy], keep: Keep, days: int) -> None:
    first = plan(copies, keep)
    assert plan(copies, keep, NOW + timedelta(days=days)).removed == first.removed


@given(good_only, some_keep)
def test_each_of_the_newest_periods_keeps_its_newest_good_copy(copies: list[Copy], keep: Keep) -> None:
    kept = plan(copies, keep).kept
    if keep == Keep():
        return
    for name, period in PERIODS.items():
        newest: dict[str, Copy] = {}
        for copy in sorted(copies, key=lambda one: (one.made_at, one.id)):
            newest[period(local(copy))] = copy
        for key in sorted(newest)[::-1][: getattr(keep, name)]:
            assert newest[key].id in kept


@given(good_only, some_keep)
def test_what_stays_has_a_reason_that_the_numbers_give(copies: list[Copy], keep: Keep) -> None:
    most = keep.last + keep.daily + keep.weekly + keep.monthly + keep.yearly
    if keep != Keep():
        assert len(plan(copies, keep).kept) <= max(1, most)


@given(some_copies, some_keep)
def test_doubtful_copies_take_no_good_ones_place(copies: list[Copy], keep: Keep) -> None:
    good = [copy for copy in copies if copy.state is GOOD]
    numbers = {copy.id for copy in good}
    assert set(plan(copies, keep).kept) & numbers == set(plan(good, keep).kept)


@given(some_copies, some_keep, any_of.randoms(use_true_random=False))
def test_the_order_in_which_they_are_told_does_not_matter(copies: list[Copy], keep: Keep, dice: object) -> None:
    mixed = list(copies)
    dice.shuffle(mixed)  # type: ignore[attr-defined]
    assert set(plan(mixed, keep).kept) == set(plan(copies, keep).kept)


def nights(count: int, first: datetime = datetime(2024, 1, 1, 1, 30, tzinfo=UTC)) -> list[datetime]:
    return [first + timedelta(days=number) for number in range(count)]


@pytest.mark.parametrize(
    "keep",
    [
        Keep(daily=7, weekly=4, monthly=6),
        Keep(last=3),
        Keep(daily=14, yearly=2),
        Keep(weekly=5, monthly=12, yearly=3, last=2),
    ],
)
def test_after_800_nights_exactly_what_the_policy_says_lies_there(keep: Keep) -> None:
    lying: list[Copy] = []
    for number, at in enumerate(nights(800), start=1):
        lying.append(copy_of(number, at))
        done = plan(lying, keep, at + timedelta(minutes=20))
        assert len(done.removed) <= 4, "a night takes away about what it adds"
        lying = [copy for copy in lying if copy not in done.removed]
    every = [copy_of(number, at) for number, at in enumerate(nights(800), start=1)]
    expected = {copy.id for copy in every[len(every) - keep.last :]} | {every[-1].id}
    for name, period in PERIODS.items():
        newest = {period(local(copy)): copy.id for copy in every}
        expected |= {newest[key] for key in sorted(newest)[::-1][: getattr(keep, name)]}
    assert {copy.id for copy in lying} == expected


def test_without_numbers_all_stay() -> None:
    copies = [copy_of(number, at) for number, at in enumerate(nights(50))]
    assert plan(copies, Keep()).removed == ()


def test_a_good_copy_stands_for_its_day_before_a_later_doubtful_one() -> None:
    day = NOW - timedelta(days=3)
    copies = [
        copy_of(1, day, GOOD),
        copy_of(2, day + timedelta(hours=2), DOUBTFUL),
        copy_of(3, NOW - timedelta(hours=1), GOOD),
    ]
    done = plan(copies, Keep(daily=2))
    assert done.kept == {3: ("the newest good one", "daily 1"), 1: ("daily 2",)}
    assert [copy.id for copy in done.removed] == [2]


def test_of_doubtful_copies_that_no_good_one_follows_the_newest_stay() -> None:
    copies = [copy_of(1, NOW - timedelta(days=9)), *(copy_of(n, NOW - timedelta(days=9 - n), DOUBTFUL) for n in (2, 3))]
    assert set(plan(copies, Keep(last=1)).kept) == {1, 3}
    assert set(plan(copies, Keep(last=2)).kept) == {1, 2, 3}
    assert [copy.id for copy in plan(copies[1:], Keep(daily=1)).removed] == [2]


def test_a_year_of_nights_in_doubt_fills_no_disk() -> None:
    copies = [
        copy_of(1, NOW - timedelta(days=400)),
        *(copy_of(n, NOW - timedelta(days=400 - n), DOUBTFUL) for n in range(2, 400)),
    ]
    kept = plan(copies, Keep(last=2, daily=7, weekly=4, monthly=6)).kept
    assert 1 in kept
    assert 399 in kept
    assert len(kept) <= 2 + 7 + 4 + 6 + 2


def test_days_are_the_sites_own() -> None:
    late = datetime(2026, 11, 19, 23, 30, tzinfo=UTC)  # 00:30 on the 20th in Oslo
    copies = [copy_of(1, late), copy_of(2, late + timedelta(hours=20)), copy_of(3, late - timedelta(hours=20))]
    assert set(plan(copies, Keep(daily=9)).kept) == {2, 3}


def test_the_last_days_of_a_year_belong_to_the_week_that_they_stand_in() -> None:
    copies = [copy_of(day, datetime(2024, 12, 28 + day, 12, tzinfo=UTC)) for day in (0, 1, 2, 3)]
    assert set(plan(copies, Keep(weekly=9)).kept) == {1, 3}  # Sunday the 29th ends week 52, the 31st stands in week 1


def test_an_hour_of_a_clock_that_runs_ahead_is_no_doubt() -> None:
    copies = [copy_of(1, NOW - timedelta(days=1)), copy_of(2, NOW + timedelta(minutes=50))]
    assert [copy.id for copy in plan(copies, Keep(last=1)).removed] == [1]


def test_what_goes_goes_oldest_first() -> None:
    copies = [copy_of(number, at) for number, at in enumerate(nights(9), start=1)]
    assert [copy.id for copy in plan(copies, Keep(last=2)).removed] == [1, 2, 3, 4, 5, 6, 7]
