"""Which copies stay and which go: pure, so that it can be shown before it acts, and tested against every law.

Periods are those in which copies were made, not those that have passed: the newest copy of each of the newest seven
days that have one stays with `daily: 7`, however long ago that was. So a pause, or a clock that jumped ahead, takes
no more away than one copy more would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import datetime, tzinfo

from opsrunner.model.backup import Copy, CopyState, Keep
from opsrunner.records import dataclass

BEYOND = "beyond what is kept"
"""Why a copy is gone that retention did not keep."""
Period = Callable[[datetime], tuple[int, ...]]
_PERIODS: dict[str, Period] = {
    "daily": lambda at: (at.year, at.month, at.day),
    "weekly": lambda at: tuple(at.isocalendar()[:2]),
    "monthly": lambda at: (at.year, at.month),
    "yearly": lambda at: (at.year,),
}


@dataclass(frozen=True, kw_only=True)
class Retention:
    """What is to be done: `kept` with the reasons of each, and `removed`. `doubt`: why nothing is removed at all."""

    kept: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """Why each copy stays, by its id."""
    removed: tuple[Copy, ...] = ()
    doubt: str = ""


def plan_retention(copies: Sequence[Copy], keep: Keep, *, now: datetime, zone: tzinfo) -> Retention:
    """Decide over the copies of one step in one store, those that lie there.

    A good copy stands for its period before a doubtful one does, and what is doubtful takes no good one's place;
    damaged ones count for nothing and are left to a person. The newest good copy always stays, and so does the newest
    of all: however many nights in a row are in doubt, no disk is filled with them. Without any number all stay.
    """
    lying = [copy for copy in copies if copy.state in (CopyState.GOOD, CopyState.DOUBTFUL)]
    if keep == Keep():
        return Retention(kept={copy.id: ("no limit is set",) for copy in lying})
    ahead = [copy for copy in lying if copy.is_ahead(now)]
    if ahead:
        why = f"the clock cannot be right: {ahead[-1].name} was made later than now"
        return Retention(kept={copy.id: (why,) for copy in lying}, doubt=why)
    newest_first = sorted(lying, key=lambda copy: (copy.made_at, copy.id), reverse=True)
    reasons: dict[int, list[str]] = {copy.id: [] for copy in newest_first}
    good = [copy for copy in newest_first if copy.state is CopyState.GOOD]
    for copy in good[:1]:
        reasons[copy.id].append("the newest good one")
    for place, copy in enumerate(good[: keep.last], start=1):
        reasons[copy.id].append(f"last {place}")
    for name, period in _PERIODS.items():
        for place, copy in enumerate(_of_periods(newest_first, period, getattr(keep, name), zone), start=1):
            reasons[copy.id].append(f"{name} {place}")
    for copy in _newer_than(good[0] if good else None, newest_first)[: max(1, keep.last)]:
        reasons[copy.id].append("no good one is newer")
    return Retention(
        kept={number: tuple(why) for number, why in reasons.items() if why},
        removed=tuple(copy for copy in reversed(newest_first) if not reasons[copy.id]),
    )


def _of_periods(newest_first: Sequence[Copy], period: Period, count: int, zone: tzinfo) -> list[Copy]:
    """Return the copies that stand for the newest `count` periods that have a good one.

    A period among these that has doubtful ones alone is told by its newest, beside them: it takes no good one's place.
    """

    def period_of(copy: Copy) -> tuple[int, ...]:
        return period(copy.made_at.astimezone(zone))

    good: dict[tuple[int, ...], Copy] = {}
    doubtful: dict[tuple[int, ...], Copy] = {}
    for copy in newest_first:
        (good if copy.state is CopyState.GOOD else doubtful).setdefault(period_of(copy), copy)
    kept = list(good)[:count]
    oldest = kept[-1] if len(kept) == count and kept else ()
    beside = [key for key in doubtful if key not in good and key >= oldest][:count]
    return [good[key] for key in kept] + [doubtful[key] for key in beside]


def _newer_than(good: Copy | None, newest_first: Sequence[Copy]) -> list[Copy]:
    """Return the doubtful copies that no good one follows: the newest of them are all there is of that time."""
    return list(newest_first) if good is None else list(newest_first[: newest_first.index(good)])
