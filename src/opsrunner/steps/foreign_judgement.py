"""What is expected against what lies there: missing, stale, small. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from opsrunner.model.foreign import Expected, ForeignBackup, ForeignState, Found, FreshnessRule
from opsrunner.model.sizes import size_words
from opsrunner.model.spans import span_words
from opsrunner.steps.usual_size import COMPARED_WITH, is_small, usual_size

CLOCKS_DIFFER = timedelta(minutes=15)
"""How far the clock of who made a backup may be ahead of ours."""


def judge(
    expected: Iterable[Expected],
    found: Iterable[Found],
    *,
    known: Mapping[str, ForeignBackup],
    rule: FreshnessRule,
    now: datetime,
) -> list[ForeignBackup]:
    """Return how the backups of every expected key stand, in the order in which they are expected.

    `known` is what the last check knew: where a tool keeps one backup only, its size is compared with those that were
    there before.
    """
    lying: dict[str, list[Found]] = {}
    for one in found:
        lying.setdefault(one.key, []).append(one)
    first: dict[str, Expected] = {}
    for wanted in expected:
        first.setdefault(wanted.key, wanted)
    return [_judged(one, lying.get(key, []), known.get(key), rule=rule, now=now) for key, one in first.items()]


def _judged(
    expected: Expected, lying: Sequence[Found], known: ForeignBackup | None, *, rule: FreshnessRule, now: datetime
) -> ForeignBackup:
    if not lying:
        age = None if expected.since is None else now - expected.since
        is_new = age is not None and -CLOCKS_DIFFER <= age <= rule.fresh_within
        state, words = (ForeignState.NEW, "") if is_new else (ForeignState.MISSING, "there is none")
        return ForeignBackup(key=expected.key, state=state, words=words, sizes=known.sizes if known else ())
    newest_first = sorted(lying, key=lambda one: one.made_at, reverse=True)
    newest = newest_first[0]
    before = _sizes_before(newest_first, known, now=now)
    state, words = _state(newest, [size for _, size in before], rule=rule, now=now)
    own = [(newest.made_at, newest.size_bytes)] if state is ForeignState.FINE and newest.size_bytes else []
    return ForeignBackup(
        key=expected.key,
        state=state,
        words=words,
        copies=len(lying),
        newest=newest,
        sizes=tuple([*own, *before][: COMPARED_WITH + 1]),
    )


def _state(newest: Found, before: Sequence[int], *, rule: FreshnessRule, now: datetime) -> tuple[ForeignState, str]:
    age = now - newest.made_at
    if age < -CLOCKS_DIFFER:
        return ForeignState.STALE, "it is dated later than now"
    if age > rule.fresh_within:
        return ForeignState.STALE, f"{span_words(age)} old"
    if newest.size_bytes is None:
        return (ForeignState.SMALL, "its size is not told") if rule.at_least_bytes else (ForeignState.FINE, "")
    return _state_by_size(newest.size_bytes, before, rule)


def _state_by_size(size: int, before: Sequence[int], rule: FreshnessRule) -> tuple[ForeignState, str]:
    usual = usual_size(before)
    if size == 0:
        return ForeignState.EMPTY, "it is empty"
    if size < rule.at_least_bytes:
        return ForeignState.SMALL, f"{size_words(size)}, at least {size_words(rule.at_least_bytes)} wanted"
    if is_small(size, usual):
        return ForeignState.SMALL, f"{size_words(size)}, before {size_words(usual)}"
    return ForeignState.FINE, ""


def _sizes_before(
    newest_first: Sequence[Found], known: ForeignBackup | None, *, now: datetime
) -> list[tuple[datetime, int]]:
    """Return what the newest is compared with, newest first: what was fine at the last checks.

    At the first look nobody knows what was, and all that lies there counts.
    """
    newest = newest_first[0]
    if known is not None:
        return [(made_at, size) for made_at, size in known.sizes if made_at != newest.made_at]
    older = (one for one in newest_first[1:] if one.made_at <= now + CLOCKS_DIFFER)
    return [(one.made_at, one.size_bytes) for one in older if one.size_bytes]
