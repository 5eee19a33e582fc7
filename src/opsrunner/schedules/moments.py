"""The nominal moments that rules yield: what is due before holidays shift or skip it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from heapq import merge
from typing import NamedTuple

from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import CalendarRule, CronRule, Frame, IntervalRule, OffsetRule, OnceRule, Rule, Schedule
from opsrunner.model.window import MAINTENANCE
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.cron import cron_times
from opsrunner.schedules.dates import rule_dates
from opsrunner.schedules.intervals import interval_times
from opsrunner.schedules.ordering import in_order
from opsrunner.schedules.zones import (
    MIDNIGHT,
    ONE_DAY,
    add_offset,
    load_zone,
    local_date,
    to_utc,
    to_utc_if_day_exists,
)

_INSTANT = timedelta(microseconds=1)
_ELAPSING = (IntervalRule, CronRule)
"""Rules whose moments are found without the days that they stand for."""


class Moment(NamedTuple):
    """A nominal moment in UTC, and the day and time on the wall that it stands for."""

    nominal_at: datetime
    day: date
    clock: time


class Span(NamedTuple):
    """Moments later than `after`, up to and including `until`."""

    after: datetime
    until: datetime


def schedule_moments(schedule: Schedule, span: Span, almanac: Almanac, trail: tuple[str, ...] = ()) -> Iterator[Moment]:
    """Yield the nominal moments of all rules in `span`, in order, none twice. Raises as `rule_moments`."""
    last = None
    for moment in merge(*(rule_moments(rule, span, almanac, trail) for rule in schedule.rules)):
        if moment.nominal_at != last:
            last = moment.nominal_at
            yield moment


def rule_moments(rule: Rule, span: Span, almanac: Almanac, trail: tuple[str, ...] = ()) -> Iterator[Moment]:
    """Yield the nominal moments of one rule in `span`, in order, none twice.

    `trail` names the routines whose offsets led here. Raises ConfigurationError for an unknown zone,
    calendar or routine, and for offsets that go round in a circle.
    """
    frame = rule.frame
    moments = _moments_of(rule, _within(frame, span), almanac, trail)
    if frame.until is None and not frame.except_:
        return moments
    last, left_out = frame.until or date.max, frozenset(frame.except_)
    return (moment for moment in moments if moment.day <= last and moment.day not in left_out)


def rule_instants(rule: Rule, span: Span, almanac: Almanac) -> Iterator[datetime]:
    """Yield the same as `rule_moments` without the days that they stand for, where nothing asks for those."""
    frame = rule.frame
    if frame.until is None and not frame.except_ and isinstance(rule, _ELAPSING):
        within = span if frame.from_ is None else _within(frame, span)
        return _instants(rule, within) if within.after < within.until else iter(())
    return (moment.nominal_at for moment in rule_moments(rule, span, almanac))


def _instants(rule: IntervalRule | CronRule, span: Span) -> Iterator[datetime]:
    if isinstance(rule, IntervalRule):
        return interval_times(rule, after=span.after, until=span.until)
    return cron_times(rule.expression, after=span.after, until=span.until, zone=rule.frame.timezone)


def _within(frame: Frame, span: Span) -> Span:
    """Return the part of `span` that the frame's `from` and `until` leave; it may be empty."""
    if frame.from_ is None and frame.until is None:
        return span
    after, until = span
    zone = load_zone(frame.timezone)
    if frame.from_ is not None:
        after = max(after, to_utc(frame.from_.date(), frame.from_.time(), zone) - _INSTANT)
    if frame.until is not None:
        until = min(until, to_utc(frame.until + ONE_DAY, MIDNIGHT, zone) + ONE_DAY)
    return Span(after, until)


def _moments_of(rule: Rule, span: Span, almanac: Almanac, trail: tuple[str, ...]) -> Iterator[Moment]:
    if span.after >= span.until:
        return iter(())
    match rule:
        case CalendarRule():
            return _calendar_moments(rule, span, almanac)
        case IntervalRule() | CronRule():
            return _on_the_wall(_instants(rule, span), rule.frame)
        case OnceRule():
            return _once_moments(rule, span)
        case OffsetRule():
            return _offset_moments(rule, span, almanac, trail)


def _calendar_moments(rule: CalendarRule, span: Span, almanac: Almanac) -> Iterator[Moment]:
    zone = load_zone(rule.frame.timezone)
    clocks = sorted(rule.at)
    first_day, last_day = local_date(span.after, zone), span.until.date() + ONE_DAY
    last = span.after
    for day in rule_dates(rule, first=first_day, last=last_day, almanac=almanac):
        for clock in clocks:
            moment = to_utc_if_day_exists(day, clock, zone)
            if moment is not None and last < moment <= span.until:
                last = moment
                yield Moment(moment, day, clock)


def _on_the_wall(times: Iterator[datetime], frame: Frame) -> Iterator[Moment]:
    """Yield moments, each with the day and time that the wall then shows."""
    zone = load_zone(frame.timezone)
    for moment in times:
        wall = moment.astimezone(zone)
        yield Moment(moment, wall.date(), wall.time())


def _once_moments(rule: OnceRule, span: Span) -> Iterator[Moment]:
    day, clock = rule.moment.date(), rule.moment.time()
    moment = to_utc(day, clock, load_zone(rule.frame.timezone))
    if span.after < moment <= span.until:
        yield Moment(moment, day, clock)


def _offset_moments(rule: OffsetRule, span: Span, almanac: Almanac, trail: tuple[str, ...]) -> Iterator[Moment]:
    """Yield the moments that lie the offset away from those of another routine.

    Whole days of the offset are days on the wall of the rule's zone (see `add_offset`).
    """
    if rule.of in trail:
        raise ConfigurationError(f"offsets go round in a circle: {' → '.join((*trail, rule.of))}")
    if rule.of not in almanac.schedules and not rule.of.startswith(MAINTENANCE):
        raise ConfigurationError(f"there is no routine '{rule.of}' to be relative to")
    away = timedelta(seconds=rule.offset_seconds)
    others = Span(span.after - away - 2 * ONE_DAY, span.until - away + 2 * ONE_DAY)
    parents = schedule_moments(_schedule_of(rule.of, almanac), others, almanac, (*trail, rule.of))
    shifted = ((parent.nominal_at + away - ONE_DAY, _shifted(parent.nominal_at, rule)) for parent in parents)
    last = span.after
    for moment in in_order((bound, moment.nominal_at, moment) for bound, moment in shifted):
        if last < moment.nominal_at <= span.until:
            last = moment.nominal_at
            yield moment


def _schedule_of(name: str, almanac: Almanac) -> Schedule:
    """Return the schedule that an offset refers to: of a routine, or of a maintenance window."""
    if name.startswith(MAINTENANCE):
        return almanac.window(name.removeprefix(MAINTENANCE)).schedule
    return almanac.schedules[name]


def _shifted(parent: datetime, rule: OffsetRule) -> Moment:
    zone = load_zone(rule.frame.timezone)
    moment = add_offset(parent, rule.offset_seconds, zone)
    wall = moment.astimezone(zone)
    return Moment(moment, wall.date(), wall.time())
