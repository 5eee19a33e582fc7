"""Equal spacing in elapsed time, within hours of the day where a rule says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from opsrunner.model.schedule import IntervalRule
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, load_zone, to_utc


def interval_times(rule: IntervalRule, *, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the moments of `rule` in (after, until], in UTC.

    They lie on a grid of `seconds` from `frame.from_` (else the Unix epoch), in elapsed time: a change of
    offset moves them on the wall clock and never stretches the spacing.
    """
    zone = load_zone(rule.frame.timezone)
    step, anchor = rule.seconds, _anchor(rule, zone)
    moment = anchor + (int(after.timestamp() // 1) - anchor) // step * step + step
    end = int(until.timestamp() // 1)
    while moment <= end:
        if rule.between is None:
            yield datetime.fromtimestamp(moment, UTC)
            moment += step
            continue
        wall = datetime.fromtimestamp(moment, zone)
        if _is_within(wall.time(), rule.between):
            yield datetime.fromtimestamp(moment, UTC)
            moment += step
        else:
            opens = _next_opening(wall, rule.between[0], zone)
            moment = moment + step if _offset_changes(moment, opens, zone) else anchor - (anchor - opens) // step * step


def _anchor(rule: IntervalRule, zone: ZoneInfo) -> int:
    from_ = rule.frame.from_
    return 0 if from_ is None else int(to_utc(from_.date(), from_.time(), zone).timestamp())


def _is_within(clock: time, hours: tuple[time, time]) -> bool:
    """Tell whether `clock` lies in the hours: start included, end excluded, 00:00 is the end of the day."""
    start, end = hours
    if start < end or end == MIDNIGHT:
        return start <= clock and (end == MIDNIGHT or clock < end)
    return clock >= start or clock < end


def _next_opening(wall: datetime, start: time, zone: ZoneInfo) -> int:
    """Return the next second at which the hours begin; where `start` comes twice, each counts."""
    now = int(wall.timestamp())
    today, tomorrow = wall.date(), wall.date() + ONE_DAY
    openings = (*_openings(today, start, zone), *_openings(tomorrow, start, zone))
    return min(opening for opening in openings if opening > now)


def _offset_changes(moment: int, later: int, zone: ZoneInfo) -> bool:
    """Tell whether the clock is changed between two moments: set back, it may come into the hours a second time."""
    return datetime.fromtimestamp(moment, zone).utcoffset() != datetime.fromtimestamp(later, zone).utcoffset()


def _openings(day: date, start: time, zone: ZoneInfo) -> tuple[int, int]:
    second = datetime.combine(day, start, zone).replace(fold=1)
    return int(to_utc(day, start, zone).timestamp()), int(second.timestamp())
