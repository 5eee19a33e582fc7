"""Missing, stale, empty, small: what is expected against what lies there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from opsrunner.model.foreign import Expected, ForeignBackup, ForeignState, Found, FreshnessRule
from opsrunner.steps.foreign_judgement import judge

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
RULE = FreshnessRule(fresh_within=timedelta(hours=26), at_least_bytes=100)


def found(hours_ago: float, size: int | None = 1_000, key: str = "alice") -> Found:
    made_at = NOW - timedelta(hours=hours_ago)
    return Found(key=key, name=f"{key} {hours_ago}", made_at=made_at, size_bytes=size)


def judged(*lying: Found, known: ForeignBackup | None = None, since: datetime | None = None) -> ForeignBackup:
    (one,) = judge(
        [Expected(key="alice", since=since)], lying, known={"alice": known} if known else {}, rule=RULE, now=NOW
    )
    return one


@pytest.mark.parametrize(
    ("lying", "state", "words"),
    [
        ([], "missing", "there is none"),
        ([found(5)], "fine", ""),
        ([found(26)], "fine", ""),
        ([found(26.1)], "stale", "26 h old"),
        ([found(24 * 5)], "stale", "5 days old"),
        ([found(24 * 5), found(4)], "fine", ""),
        ([found(-0.2)], "fine", ""),
        ([found(-5)], "stale", "it is dated later than now"),
        ([found(5, 0)], "empty", "it is empty"),
        ([found(5, 99)], "small", "99 B, at least 100 B wanted"),
        ([found(5, 499), found(30, 1_000)], "small", "499 B, before 1.0 kB"),
        ([found(5, 500), found(30, 1_000)], "fine", ""),
        ([found(5, 1_000), found(30, 10)], "fine", ""),
        ([found(5, None)], "fine", ""),
        ([found(5, None), found(30, 1_000)], "fine", ""),
        ([found(5, 400), *(found(20 + n, 800) for n in range(5)), found(400, 9_000)], "fine", ""),
        ([found(5, 400), *(found(n, 900) for n in (20, 21, 22)), found(300, 10)], "small", "400 B, before 900 B"),
    ],
)  # fmt: skip
def test_the_newest_is_judged(lying: list[Found], state: str, words: str) -> None:
    one = judged(*lying)
    assert (one.state.value, one.words, one.copies) == (state, words, len(lying))


def test_what_came_to_be_just_now_needs_no_backup_yet() -> None:
    assert judged(since=NOW - timedelta(hours=25)).state is ForeignState.NEW
    assert judged(since=NOW - timedelta(hours=27)).state is ForeignState.MISSING
    assert judged(found(2), since=NOW - timedelta(hours=3)).state is ForeignState.FINE
    assert not ForeignState.NEW.is_gap


def test_a_tool_that_keeps_one_backup_is_compared_with_what_was_there_before() -> None:
    known: ForeignBackup | None = None
    for days_ago in (4, 3, 2, 1):
        known = judged(found(24 * days_ago + 2, 5_000), known=known)
    small = judged(found(2, 1_000), known=known)
    assert (small.state, small.words) == (ForeignState.SMALL, "1.0 kB, before 5.0 kB")
    assert [size for _, size in small.sizes] == [1_000, 5_000, 5_000, 5_000, 5_000]


def test_what_it_remembers_is_bounded_and_outlives_a_night_without_any() -> None:
    known: ForeignBackup | None = None
    for hours in range(100, 0, -1):
        known = judged(found(hours), known=known)
    assert known is not None
    assert len(known.sizes) == 6
    gone = judged(known=known)
    assert (gone.state, gone.sizes) == (ForeignState.MISSING, known.sizes)


def test_each_key_is_judged_once_in_its_order_by_its_own() -> None:
    expected = [Expected(key=key) for key in ("carol", "alice", "carol", "bob")]
    result = judge(expected, [found(3, key="bob"), found(3, key="dave")], known={}, rule=RULE, now=NOW)
    assert [(one.key, one.state.value) for one in result] == [
        ("carol", "missing"),
        ("alice", "missing"),
        ("bob", "fine"),
    ]
