"""What one rule plans: its moments, each moved or left out where its day is a holiday."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from opsrunner.model.schedule import Occurrence, Rule
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.moments import Moment, Span, rule_instants, rule_moments
from opsrunner.schedules.ordering import in_order
from opsrunner.schedules.zones import MIDNIGHT, load_zone, local_date, to_utc


def rule_occurrences(rule: Rule, span: Span, almanac: Almanac) -> Iterator[Occurrence]:
    """Yield what one rule plans in `span`, in the order of planned moments. Raises ConfigurationError."""
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
