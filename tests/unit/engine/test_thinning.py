"""Which copies go next, and what `keep` and the reasons of retention are in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsrunner.engine.keep_words import keep_words, stay_words
from opsrunner.engine.standing_copies import Standing
from opsrunner.engine.thinning import Thinning, go_next, thin
from opsrunner.model.backup import Copy, CopyState, Keep

from ...copied import known_copy

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NEXT = NOW + timedelta(hours=14)


def copy_of(number: int, **changes: Any) -> Copy:
    """Return a copy that was made as many days ago as its number says."""
    return known_copy(number, NOW - timedelta(days=number), **changes)


def thinned(keep: Keep, *copies: Copy) -> list[Thinning]:
    class Nightly:
        id = "nightly"

    routine: Any = Nightly()
    standing = Standing(
        routine=routine, step="copy", key="", store="disk", copies=copies, past=None, restored_within=None, keep=keep
    )
    return list(thin(standing, now=NOW, zone=UTC))


def numbers(keep: Keep, *copies: Copy) -> list[int]:
    (plan,) = thinned(keep, *copies)
    return [copy.id for copy in go_next(plan, at=NEXT, zone=UTC)]


def test_the_oldest_goes_once_the_next_has_come() -> None:
    assert numbers(Keep(daily=3), copy_of(1), copy_of(2), copy_of(3)) == [3]


def test_what_nothing_keeps_now_goes_too() -> None:
    assert numbers(Keep(daily=2), copy_of(1), copy_of(2), copy_of(3), copy_of(4)) == [4, 3, 2]


def test_nothing_goes_while_there_is_room() -> None:
    assert numbers(Keep(daily=3), copy_of(1), copy_of(2)) == []


def test_a_damaged_copy_never_goes() -> None:
    assert numbers(Keep(last=1), copy_of(1), copy_of(2, state=CopyState.DAMAGED)) == [1]


def test_nothing_goes_while_the_clock_is_in_doubt() -> None:
    assert numbers(Keep(last=1), copy_of(-2), copy_of(1)) == []


def test_a_store_without_copies_has_nothing_to_thin() -> None:
    assert thinned(Keep(last=1)) == []


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (Keep(), "every copy"),
        (Keep(daily=7, weekly=4, monthly=6), "7 daily, 4 weekly, 6 monthly"),
        (Keep(last=1, yearly=2), "the last one, 2 yearly"),
        (Keep(last=3), "the last 3"),
    ],
)
def test_keep_in_words(keep: Keep, words: str) -> None:
    assert keep_words(keep) == words


@pytest.mark.parametrize(
    ("state", "reasons", "words"),
    [
        (CopyState.GOOD, ["the newest good one", "last 1"], "the newest good one, copy 1 of the last 3"),
        (CopyState.GOOD, ["weekly 4", "monthly 2", "yearly 1"], "week 4 of 4, month 2 of 6, year 1 of 1"),
        (CopyState.DOUBTFUL, ["daily 8", "no good one is newer"], "its day has no good one, no good one is newer"),
        (CopyState.GOOD, [], ""),
    ],
)
def test_reasons_in_words(state: CopyState, reasons: list[str], words: str) -> None:
    keep = Keep(last=3, daily=7, weekly=4, monthly=6, yearly=1)
    assert stay_words(copy_of(1, state=state), reasons, keep) == words
