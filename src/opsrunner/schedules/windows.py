"""When maintenance windows are: as their schedules say, and as staff have moved, ended or cancelled single times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from heapq import merge
from typing import NamedTuple, TypeAlias

from opsrunner.model.schedule import Occurrence
from opsrunner.model.window import PlannedWindow, WindowChange
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.moments import Span
from opsrunner.schedules.shifting import rule_occurrences
from opsrunner.schedules.zones import ONE_DAY

MARGIN = timedelta(minutes=1)
"""A change holds for what is due so much later: a planner's pass that began before it may not have seen it."""
_INSTANT = timedelta(microseconds=1)
MOST_CHAINED = 1000
Interval: TypeAlias = tuple[datetime, datetime]
"""Start included, end excluded."""


class WindowTime(NamedTuple):
    """One time of a window; cancelled ones are told of, too."""

    begins_at: datetime
    ends_at: datetime
    nominal_at: datetime
    change: WindowChange | None = None

    @property
    def is_cancelled(self) -> bool:
        """Tell whether it does not take place."""
        return self.change is not None and self.change.cancelled_at is not None


def window_times(name: str, span: Span, almanac: Almanac) -> Iterator[WindowTime]:
    """Yield the times of a window that begin in (after, until], by their begin. Raises ConfigurationError."""
    window = almanac.window(name)
    changed = [_changed(one) for one in window.changes.values() if span.after < one.begins_at <= span.until]
    return merge(_scheduled(window, span, almanac), sorted(changed, key=lambda one: one[:3]))


def scheduled_times(name: str, span: Span, almanac: Almanac) -> Iterator[WindowTime]:
    """Yield the times of a window that begin in (after, until] and that nobody has touched."""
    return _scheduled(almanac.window(name), span, almanac)


def changed_times(name: str, almanac: Almanac) -> list[WindowTime]:
    """Return the times of a window that the ledger knows, whenever they are."""
    return [_changed(one) for one in almanac.window(name).changes.values()]


def held_intervals(name: str, day: date, almanac: Almanac) -> tuple[Interval, ...]:
    """Return when a window is on, as far as that touches a day of UTC; what is over early ends then."""
    known = almanac.held.get((name, day))
    if known is None:
        known = tuple(_held_intervals(name, day, almanac))
        almanac.held[name, day] = known
    return known


def interval_at(names: Iterable[str], moment: datetime, almanac: Almanac) -> tuple[str, Interval] | None:
    """Return the first of some windows that is on at a moment, and from when to when; None where none is."""
    day = moment.astimezone(UTC).date()
    for name in names:
        for interval in held_intervals(name, day, almanac):
            if interval[0] <= moment < interval[1]:
                return name, interval
    return None


def first_free(names: Iterable[str], moment: datetime, almanac: Almanac) -> tuple[datetime, str]:
    """Return the first moment from `moment` on at which none of the windows is on, and which was the last in the way.

    Of two moments, the later one never has the earlier answer.
    """
    wanted, last = tuple(names), ""
    for _ in range(MOST_CHAINED):
        found = interval_at(wanted, moment, almanac)
        if found is None:
            break
        last, moment = found[0], found[1][1]
    return moment, last


def first_held(names: Iterable[str], moment: datetime, almanac: Almanac) -> datetime:
    """Return a moment just before the windows began that are on at `moment` without a break; itself if none is."""
    wanted = tuple(names)
    for _ in range(MOST_CHAINED):
        found = interval_at(wanted, moment, almanac)
        if found is None:
            break
        moment = found[1][0] - _INSTANT
    return moment


def _scheduled(window: PlannedWindow, span: Span, almanac: Almanac) -> Iterator[WindowTime]:
    lasts, seen = timedelta(seconds=window.lasts_seconds), set(window.changes)
    streams = (rule_occurrences(rule, span, almanac) for rule in window.schedule.rules)
    for occurrence in _of_one_window(merge(*streams)):
        if occurrence.nominal_at not in seen:
            seen.add(occurrence.nominal_at)
            yield WindowTime(occurrence.planned_at, occurrence.planned_at + lasts, occurrence.nominal_at)


def _of_one_window(found: Iterator[Occurrence]) -> Iterator[Occurrence]:
    return (occurrence for occurrence in found if not occurrence.skip_reason)


def _changed(change: WindowChange) -> WindowTime:
    return WindowTime(change.begins_at, change.ends_at, change.nominal_at, change)


def _held_intervals(name: str, day: date, almanac: Almanac) -> Iterator[Interval]:
    begin = datetime.combine(day, time(), UTC)
    end = begin + ONE_DAY
    window = almanac.window(name)
    lasts = timedelta(seconds=window.lasts_seconds)
    for one in _scheduled(window, Span(begin - lasts, end), almanac):
        yield one.begins_at, one.ends_at
    for change in window.changes.values():
        for first, last in (*change.before, _held_by(change)):
            if first < last and first < end and last > begin:
                yield first, last


def _held_by(change: WindowChange) -> Interval:
    """Return when a changed time holds others: until it was ended or cancelled, and until the ledger's word is out."""
    last = change.ends_at
    over_at = min((at for at in (change.ended_at, change.cancelled_at) if at is not None), default=None)
    if over_at is not None:
        last = min(last, over_at + MARGIN)
    if change.moved_at is not None and change.moved_at > change.begins_at:
        last = max(last, change.moved_at + MARGIN)
    is_void = change.cancelled_at is not None and change.cancelled_at <= change.begins_at
    return (change.begins_at, change.begins_at if is_void else last)
