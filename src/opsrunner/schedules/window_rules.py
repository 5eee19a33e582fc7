"""Schedules that go by maintenance windows: relative to them, only inside of them, out of their way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import groupby
from typing import TypeGuard

from opsrunner.model.schedule import Occurrence, OffsetRule, Rule, Schedule
from opsrunner.model.window import MAINTENANCE
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.moments import Span
from opsrunner.schedules.ordering import in_order
from opsrunner.schedules.windows import (
    MARGIN,
    WindowTime,
    changed_times,
    first_free,
    first_held,
    interval_at,
    scheduled_times,
)
from opsrunner.schedules.zones import ONE_DAY, add_offset, load_zone

Walk = Callable[[Span], Iterator[Occurrence]]


def is_of_window(rule: Rule) -> TypeGuard[OffsetRule]:
    """Tell whether a rule is relative to a maintenance window."""
    return isinstance(rule, OffsetRule) and rule.of.startswith(MAINTENANCE)


def windows_of(schedule: Schedule) -> frozenset[str]:
    """Return the names of the maintenance windows that a schedule goes by."""
    named = (*schedule.only_in, *schedule.avoid, *(rule.of for rule in schedule.rules if is_of_window(rule)))
    return frozenset(name.removeprefix(MAINTENANCE) for name in named)


def of_window(rule: OffsetRule, span: Span, almanac: Almanac) -> Iterator[Occurrence]:
    """Yield what a rule plans beside a window, in order.

    Each is known by the moment that the window's schedule says; where the window was moved it is planned beside the
    new time, but not before the move was known. With a cancelled window it is left out.
    """
    name, away = rule.of.removeprefix(MAINTENANCE), timedelta(seconds=rule.offset_seconds)
    around = Span(span.after - away - 2 * ONE_DAY, span.until - away + 2 * ONE_DAY)
    plain = ((one.begins_at + away - ONE_DAY, _beside(one, rule)) for one in scheduled_times(name, around, almanac))
    scheduled = in_order((bound, occurrence.planned_at, occurrence) for bound, occurrence in plain)
    changed = sorted(_beside(one, rule) for one in changed_times(name, almanac))
    for occurrence in merge(scheduled, changed):
        if span.after < occurrence.planned_at <= span.until and _fits(occurrence.nominal_at, rule):
            yield occurrence


def is_outside(schedule: Schedule, moment: datetime, almanac: Almanac) -> bool:
    """Tell whether a schedule that belongs inside of windows would be outside of all of them."""
    return bool(schedule.only_in) and interval_at(_names(schedule.only_in), moment, almanac) is None


def free_from(schedule: Schedule, moment: datetime, almanac: Almanac) -> datetime:
    """Return the first moment from `moment` on at which no window is on that a schedule avoids."""
    return first_free(_names(schedule.avoid), moment, almanac)[0]


def inside_only(schedule: Schedule, found: Iterator[Occurrence], almanac: Almanac) -> Iterator[Occurrence]:
    """Yield what is given; what is planned outside of the schedule's windows is left out: `outside`."""
    for occurrence in found:
        is_out = not occurrence.skip_reason and is_outside(schedule, occurrence.planned_at, almanac)
        yield replace(occurrence, skip_reason="outside") if is_out else occurrence


def out_of_the_way(schedule: Schedule, span: Span, almanac: Almanac, walk: Walk) -> Iterator[Occurrence]:
    """Yield what `walk` gives, in order; what is planned while a window is on that it avoids waits for its end."""
    names = _names(schedule.avoid)
    waiting = (_waited(one, names, almanac) for one in walk(Span(first_held(names, span.after, almanac), span.until)))
    for planned_at, alike in groupby(waiting, key=lambda one: one.planned_at):
        if planned_at > span.until:
            return
        if planned_at > span.after:
            yield from sorted(alike)


def _names(windows: Iterable[str]) -> tuple[str, ...]:
    return tuple(name.removeprefix(MAINTENANCE) for name in windows)


def _waited(occurrence: Occurrence, names: tuple[str, ...], almanac: Almanac) -> Occurrence:
    planned_at, last = first_free(names, occurrence.planned_at, almanac)
    if not last:
        return occurrence
    words = f"waits for the end of {MAINTENANCE}{last}"
    return replace(occurrence, planned_at=planned_at, shift=f"{occurrence.shift}; {words}".removeprefix("; "))


def _beside(one: WindowTime, rule: OffsetRule) -> Occurrence:
    zone = load_zone(rule.frame.timezone)
    planned_at = add_offset(one.begins_at, rule.offset_seconds, zone)
    if one.change is None:
        return Occurrence(planned_at=planned_at, nominal_at=planned_at)
    nominal_at = add_offset(one.nominal_at, rule.offset_seconds, zone)
    if one.is_cancelled:
        return Occurrence(planned_at=planned_at, nominal_at=nominal_at, skip_reason="cancelled")
    if one.change.moved_at is None or planned_at == nominal_at:
        return Occurrence(planned_at=planned_at, nominal_at=nominal_at)
    planned_at = max(planned_at, one.change.moved_at + MARGIN)
    return Occurrence(planned_at=planned_at, nominal_at=nominal_at, shift=f"moved with {rule.of}")


def _fits(nominal_at: datetime, rule: OffsetRule) -> bool:
    """Tell whether a moment lies within what the rule's `from`, `until` and `except` leave."""
    frame = rule.frame
    if frame.from_ is None and frame.until is None and not frame.except_:
        return True
    wall = nominal_at.astimezone(load_zone(frame.timezone)).replace(tzinfo=None)
    starts = frame.from_ is None or wall >= frame.from_
    return starts and (frame.until is None or wall.date() <= frame.until) and wall.date() not in frame.except_
