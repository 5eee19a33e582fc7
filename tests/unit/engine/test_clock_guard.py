"""When a clock is believed: rules over readings, without a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from opsrunner.engine.clock_guard import Reading, Trust, judge

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BORN = datetime(2026, 3, 1, tzinfo=UTC)
PASSED = Trust(last=Reading(wall=NOON, steady_seconds=5000.0, boot="one"), born=BORN)
YOUNG = Trust(last=PASSED.last, born=NOON - timedelta(hours=3))


def reading(*, wall: timedelta, steady: timedelta, boot: str = "one") -> Reading:
    return Reading(wall=NOON + wall, steady_seconds=5000.0 + steady.total_seconds(), boot=boot)


def days(number: float) -> timedelta:
    return timedelta(days=number)


MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("wall", "steady", "boot", "why"),
    [
        (days(0), days(0), "one", ""),
        (days(40), days(40), "one", ""),  # slept, or was stopped: the steady clock says so too
        (days(1), days(0), "one", ""),  # a step that is small enough
        (days(1.01), days(0), "one", "by the steady clock it is 2026-11-20 12:00:00 UTC"),
        (days(6), days(5), "one", ""),
        (days(6.1), days(5), "one", "by the steady clock it is 2026-11-25 12:00:00 UTC"),
        (days(3700), MINUTE, "one", "by the steady clock it is 2026-11-20 12:01:00 UTC"),
        (days(-1), MINUTE, "one", ""),
        (days(-1.01), MINUTE, "one", "the last pass was at 2026-11-20 12:00:00 UTC"),
        (days(30), MINUTE, "two", ""),  # was off: nothing confirms it, nothing speaks against it
        (days(30.1), MINUTE, "two", "after a start of the machine"),
        (days(-1.01), MINUTE, "two", "the last pass was at 2026-11-20 12:00:00 UTC"),
        (days(2), MINUTE, "", ""),  # a machine that cannot name its start counts as started anew
        (BORN - NOON, MINUTE, "one", "the last pass was at"),
        (BORN - NOON - days(1.01), MINUTE, "one", "the ledger began at 2026-03-01"),
        (days(-20000), MINUTE, "one", "before this program was"),
    ],
)
def test_a_step_is_believed_at_once_or_doubted_for_a_reason(
    wall: timedelta, steady: timedelta, boot: str, why: str
) -> None:
    now = judge(PASSED, reading(wall=wall, steady=steady, boot=boot))
    if not why:
        assert now.doubt is None
        assert now.last is not None
        assert now.last.wall == NOON + wall
    else:
        assert why in str(now.doubt)
        assert now.last == PASSED.last


def test_a_new_ledger_takes_the_clock_as_it_is_unless_it_is_older_than_the_program() -> None:
    assert judge(Trust(), reading(wall=days(3700), steady=days(0))).born == NOON + days(3700)
    assert judge(Trust(), reading(wall=days(-20000), steady=days(0))).doubt is not None


def test_a_clock_is_believed_when_it_has_stood_by_its_step_for_ten_minutes() -> None:
    doubted = judge(PASSED, reading(wall=days(3), steady=MINUTE))
    assert "at 2026-11-23 12:10:00 UTC, has stood by that for ten minutes" in str(doubted.doubt)
    nine = judge(doubted, reading(wall=days(3) + 9 * MINUTE, steady=10 * MINUTE))
    assert nine.doubt == doubted.doubt
    ten = judge(nine, reading(wall=days(3) + 10 * MINUTE, steady=11 * MINUTE))
    assert ten.doubt is None
    assert ten.last is not None
    assert ten.last.wall == NOON + days(3) + 10 * MINUTE


def test_a_clock_that_moves_again_begins_its_ten_minutes_again() -> None:
    doubted = judge(PASSED, reading(wall=days(3), steady=MINUTE))
    moved = judge(doubted, reading(wall=days(4), steady=6 * MINUTE))
    assert moved.doubt != doubted.doubt
    assert judge(moved, reading(wall=days(4) + 9 * MINUTE, steady=15 * MINUTE)).doubt == moved.doubt
    assert judge(moved, reading(wall=days(4) + 10 * MINUTE, steady=16 * MINUTE)).doubt is None


def test_a_clock_that_comes_back_is_believed_at_once() -> None:
    doubted = judge(PASSED, reading(wall=days(3700), steady=MINUTE))
    back = judge(doubted, reading(wall=2 * MINUTE, steady=2 * MINUTE))
    assert back.doubt is None
    assert back.last is not None
    assert back.last.wall == NOON + 2 * MINUTE


@pytest.mark.parametrize("wall", [BORN - NOON - days(2), days(-20000)], ids=["before the ledger", "in 1972"])
def test_a_clock_that_cannot_be_right_is_never_believed(wall: timedelta) -> None:
    doubted = judge(PASSED, reading(wall=wall, steady=MINUTE))
    later = judge(doubted, reading(wall=wall + days(2), steady=days(2) + MINUTE))
    assert later.doubt is not None
    assert "until it is set right" in str(later.doubt)
    assert "stood by" not in str(later.doubt)


def test_a_ledger_that_began_hours_ago_may_have_begun_under_a_clock_that_was_ahead() -> None:
    doubted = judge(YOUNG, reading(wall=days(-200), steady=MINUTE))
    assert doubted.doubt is not None
    believed = judge(doubted, reading(wall=days(-200) + 10 * MINUTE, steady=11 * MINUTE))
    assert believed.doubt is None
    assert believed.born == NOON + days(-200) + 10 * MINUTE
