"""A sample that the same period draws the same: each row has its lot, by its own key and the seed. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from opsrunner.records import dataclass
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, to_utc

Length: TypeAlias = Literal["day", "week", "month"]
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Period:
    """A day, a week from its Monday or a month, on the wall: from `from_` up to `until`, in UTC."""

    name: str
    """`2026-11-22`, `2026-W47` or `2026-11`."""
    from_: datetime
    until: datetime

    def holds(self, moment: datetime) -> bool:
        """Tell whether a moment is in it."""
        return self.from_ <= moment < self.until


def last_period(length: Length, *, now: datetime, zone: ZoneInfo) -> Period:
    """Return the last period that is over at `now`."""
    today = now.astimezone(zone).date()
    if length == "day":
        return _period(today - ONE_DAY, today, f"{today - ONE_DAY:%Y-%m-%d}", zone)
    if length == "week":
        monday = today - timedelta(days=today.weekday())
        first = monday - timedelta(days=7)
        year, week, _ = first.isocalendar()
        return _period(first, monday, f"{year}-W{week:02}", zone)
    return months_before(1, now=now, zone=zone)[0]


def months_before(count: int, *, now: datetime, zone: ZoneInfo) -> list[Period]:
    """Return the last so many months that are over at `now`, the newest first."""
    until = now.astimezone(zone).date().replace(day=1)
    found = []
    for _ in range(count):
        first = (until - ONE_DAY).replace(day=1)
        found.append(_period(first, until, f"{first:%Y-%m}", zone))
        until = first
    return found


def _period(first: date, until: date, name: str, zone: ZoneInfo) -> Period:
    return Period(name=name, from_=to_utc(first, MIDNIGHT, zone), until=to_utc(until, MIDNIGHT, zone))


def draw(
    items: Sequence[Item],
    *,
    key: Callable[[Item], str],
    stratum: Callable[[Item], str],
    seed: str,
    each: int,
    most: int,
) -> list[tuple[str, Item]]:
    """Return up to `each` items of every stratum, `most` in all, each with its stratum.

    The lot of an item depends on the seed, its stratum and its own key alone, so that neither the order of the items
    nor one more of them draws others anew. Where `most` cuts, strata take turns, so that none is left out before
    another has two.
    """
    strata: dict[str, list[tuple[bytes, Item]]] = {}
    for item in items:
        name = stratum(item)
        strata.setdefault(name, []).append((_lot(seed, name, key(item)), item))
    drawn = {name: sorted(own, key=lambda lot: lot[0])[:each] for name, own in strata.items()}
    names = sorted(drawn, key=lambda name: _lot(seed, name, ""))
    turns = [(name, drawn[name][turn][1]) for turn in range(each) for name in names if turn < len(drawn[name])]
    return sorted(turns[:most], key=lambda one: (one[0], key(one[1])))


def _lot(*words: str) -> bytes:
    return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).digest()
