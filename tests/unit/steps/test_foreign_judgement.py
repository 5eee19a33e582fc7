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
        ([found(5, None)], "small", "its size is not told"),
        ([found(50, None)], "stale", "2 days old"),
        ([found(5, 400), *(found(20 + n, 800) for n in range(5)), found(400, 9_000)], "fine", ""),
        ([found(5, 400), *(found(n, 900) for n in (20, 21, 22)), found(300, 10)], "small", "400 B, before 900 B"),
    ],
)  # fmt: skip
def test_the_newest_is_judged(lying: list[Found], state: str, words: str) -> None:
    one = judged(*lying)
    assert (one.state.value, one.words, one.copies) == (state, words, len(lying))


def test_where_no_size_is_asked_for_none_has_to_be_told() -> None:
    rule = FreshnessRule(fresh_within=timedelta(hours=26))
    (one,) = judge([Expected(key="alice")], [found(5, None), found(30, 1_000)], known={}, rule=rule, now=NOW)
    assert (one.state, one.words) == (ForeignState.FINE, "")


def test_what_came_to_be_just_now_needs_no_backup_yet() -> None:
    assert judged(since=NOW - timedelta(hours=25)).state is ForeignState.NEW
    assert judged(since=NOW - timedelta(hours=27)).state is ForeignState.MISSING
    assert judged(found(2), since=NOW - timedelta(hours=3)).state is ForeignState.FINE
    assert not ForeignState.NEW.is_gap


def nights(*sizes: int, key: str = "alice") -> list[ForeignBackup]:
    """Judge one backup a night, as a tool leaves it that keeps only one."""
    ends: list[ForeignBackup] = []
    for number, size in enumerate(sizes):
        now = NOW + timedelta(days=number)
        lying = [Found(key=key, name=key, made_at=now - timedelta(hours=2), size_bytes=size)]
        known = {key: ends[-1]} if ends else {}
        ends += judge([Expected(key=key)], lying, known=known, rule=RULE, now=now)
    return ends


def test_a_tool_that_keeps_one_backup_is_compared_with_what_was_there_before() -> None:
    small = nights(5_000, 5_000, 5_000, 5_000, 1_000)[-1]
    assert (small.state, small.words) == (ForeignState.SMALL, "1.0 kB, before 5.0 kB")
    assert [size for _, size in small.sizes] == [5_000] * 4, "what is suspicious is no measure for the next"


def test_what_is_suspicious_stays_so_however_often_it_comes() -> None:
    ends = nights(5_000, 5_000, *[1_000] * 12)
    assert [one.state for one in ends[2:]] == [ForeignState.SMALL] * 12


def test_what_it_remembers_is_bounded_and_outlives_a_night_without_any() -> None:
    known = nights(*[5_000] * 100)[-1]
    assert len(known.sizes) == 6
    gone = judged(known=known)
    assert (gone.state, gone.sizes) == (ForeignState.MISSING, known.sizes)


def test_what_is_dated_ahead_is_no_measure() -> None:
    ahead = judged(*(found(-24 * days, 9_000) for days in (1, 2, 3)), found(30, 5_000))
    assert (ahead.state, ahead.sizes) == (ForeignState.STALE, ((NOW - timedelta(hours=30), 5_000),))
    assert judged(found(1, 4_000), known=ahead).state is ForeignState.FINE


def test_what_came_to_be_in_the_future_excuses_nothing() -> None:
    assert judged(since=NOW + timedelta(days=1)).state is ForeignState.MISSING
    assert judged(since=NOW + timedelta(minutes=5)).state is ForeignState.NEW


def test_each_key_is_judged_once_in_its_order_by_its_own() -> None:
    expected = [Expected(key=key) for key in ("carol", "alice", "carol", "bob")]
    result = judge(expected, [found(3, key="bob"), found(3, key="dave")], known={}, rule=RULE, now=NOW)
    assert [(one.key, one.state.value) for one in result] == [
        ("carol", "missing"),
        ("alice", "missing"),
        ("bob", "fine"),
    ]
