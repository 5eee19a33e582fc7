"""When a schedule is due: one pure function that the planner, the calendar and the pages all ask."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from heapq import merge
from itertools import islice

from opsrunner.model.schedule import Occurrence, Rule, Schedule
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.moments import Moment, Span, rule_instants, rule_moments
from opsrunner.schedules.ordering import in_order
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, load_zone, local_date, to_utc

LOOK_AHEAD = 3660 * ONE_DAY
"""Ten years; what is not due in them is not due."""


def occurrences(schedule: Schedule, *, after: datetime, until: datetime, almanac: Almanac) -> Iterator[Occurrence]:
    """Yield what is planned in (after, until], ordered by planned and nominal moment.

    Rules that name the same nominal moment yield it once: as it is planned first, and rather run than
    skipped. Raises ConfigurationError for an unknown zone, calendar or routine, for offsets that go round in a
    circle, and for a calendar without business days.
    """
    span = Span(after, until)
    if len(schedule.rules) == 1:
        return _of_rule(schedule.rules[0], span, almanac)
    return _without_repeats(merge(*(_of_rule(rule, span, almanac) for rule in schedule.rules)))


def upcoming(schedule: Schedule, *, after: datetime, count: int, almanac: Almanac) -> list[Occurrence]:
    """Return the next `count` occurrences planned later than `after`; fewer if ten years hold no more."""
    until = after + LOOK_AHEAD
    return list(islice(occurrences(schedule, after=after, until=until, almanac=almanac), count))


def _without_repeats(ordered: Iterator[Occurrence]) -> Iterator[Occurrence]:
    seen: set[datetime] = set()
    for occurrence in ordered:
        if occurrence.nominal_at not in seen:
            seen.add(occurrence.nominal_at)
            yield occurrence


def _of_rule(rule: Rule, span: Span, almanac: Almanac) -> Iterator[Occurrence]:
    on_holiday = rule.frame.on_holiday
    if on_holiday == "run":
        return map(_as_it_is, rule_instants(rule, span, almanac))
    if on_holiday == "skip":
        return _skipping(rule_moments(rule, span, almanac), rule.frame.calendar, almanac)
    if on_holiday == "next business day":
        return _moved_later(rule, span, almanac)
    return _moved_earlier(rule, span, almanac)


def _as_it_is(instant: datetime) -> Occurrence:
    return Occurrence(planned_at=instant, nominal_at=instant)


def _skipping(moments: Iterator[Moment], calendar: str, almanac: Almanac) -> Iterator[Occurrence]:
    for moment in moments:
        reason = "holiday" if almanac.holiday_name(moment.day, calendar) else ""
        yield Occurrence(planned_at=moment.nominal_at, nominal_at=moment.nominal_at, skip_reason=reason)


def _moved_later(rule: Rule, span: Span, almanac: Almanac) -> Iterator[Occurrence]:
    """Yield what is planned in `span`, also from holidays before it; nothing is planned before its nominal time."""
    zone, calendar = load_zone(rule.frame.timezone), rule.frame.calendar
    worked = almanac.previous_business_day(local_date(span.after, zone), calendar)
    wider = Span(min(span.after, to_utc(worked, MIDNIGHT, zone)), span.until)
    stream = ((moment.nominal_at, _planned(moment, rule, almanac)) for moment in rule_moments(rule, wider, almanac))
    for planned in in_order((bound, planned.planned_at, planned) for bound, planned in stream):
        if span.after < planned.planned_at <= span.until:
            yield planned


def _moved_earlier(rule: Rule, span: Span, almanac: Almanac) -> Iterator[Occurrence]:
    """Yield what is planned in `span`, also from holidays after it; nothing is planned after its nominal time."""
    zone, calendar = load_zone(rule.frame.timezone), rule.frame.calendar
    worked = almanac.next_business_day(local_date(span.until, zone), calendar)
    wider = Span(span.after, to_utc(worked, MIDNIGHT, zone))

    def earliest(moment: Moment) -> datetime:
        """Return the start of the first day that this or a later moment can be moved to."""
        return to_utc(almanac.previous_business_day(moment.day, calendar), MIDNIGHT, zone)

    stream = ((earliest(moment), _planned(moment, rule, almanac)) for moment in rule_moments(rule, wider, almanac))
    for planned in in_order((bound, planned.planned_at, planned) for bound, planned in stream):
        if planned.planned_at > span.until:
            return
        if planned.planned_at > span.after:
            yield planned


def _planned(moment: Moment, rule: Rule, almanac: Almanac) -> Occurrence:
    """Return the occurrence of a moment, moved at the same time of day where its day is a holiday."""
    frame = rule.frame
    name = almanac.holiday_name(moment.day, frame.calendar)
    if not name:
        return Occurrence(planned_at=moment.nominal_at, nominal_at=moment.nominal_at)
    move = almanac.next_business_day if frame.on_holiday == "next business day" else almanac.previous_business_day
    planned_at = to_utc(move(moment.day, frame.calendar), moment.clock, load_zone(frame.timezone))
    return Occurrence(
        planned_at=planned_at, nominal_at=moment.nominal_at, shift=f"{name}, moved to the {frame.on_holiday}"
    )
