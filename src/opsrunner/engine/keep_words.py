"""What `keep` asks for, and why a copy stays, in words."""

from __future__ import annotations

from collections.abc import Sequence

from opsrunner.model.backup import Copy, CopyState, Keep

_PERIODS = {"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}
"""What the copies that an entry of `keep` asks for stand for."""


def keep_words(keep: Keep) -> str:
    """Return what stays: `the last 3, 7 daily, 4 weekly, 6 monthly`."""
    last = [f"the last {keep.last}" if keep.last > 1 else "the last one"] if keep.last else []
    periods = [f"{count} {name}" for name in _PERIODS if (count := getattr(keep, name))]
    return ", ".join([*last, *periods]) or "every copy"


def stay_words(copy: Copy, reasons: Sequence[str], keep: Keep) -> str:
    """Return for what a copy stays, told by the reasons of retention: `the newest good one, day 1 of 7, week 1 of 4`.

    A copy in doubt stands for a period only where that has no good one: it has no place among those.
    """
    return ", ".join(_reason_words(reason, keep, is_good=copy.state is CopyState.GOOD) for reason in reasons)


def _reason_words(reason: str, keep: Keep, *, is_good: bool) -> str:
    name, _, place = reason.partition(" ")
    if name in _PERIODS and place.isdigit():
        period = _PERIODS[name]
        return f"{period} {place} of {getattr(keep, name)}" if is_good else f"its {period} has no good one"
    if name == "last" and place.isdigit():
        return f"copy {place} of the last {keep.last}"
    return reason
