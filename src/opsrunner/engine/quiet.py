"""Quiet hours: when a mail that is not urgent has to wait."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.model.person import Person
from opsrunner.schedules.zones import ONE_DAY, to_utc


def quiet_until(person: Person, *, at: datetime, zone: str) -> datetime | None:
    """Return the end of the quiet hours that `at` lies in, in UTC; None outside of them.

    Hours are wall-clock time of the site's zone, the end excluded; they may pass midnight.
    """
    if person.quiet is None:
        return None
    start, end = person.quiet
    local = at.astimezone(ZoneInfo(zone))
    clock = local.time()
    passes_midnight = start > end
    is_quiet = (clock >= start or clock < end) if passes_midnight else start <= clock < end
    if not is_quiet:
        return None
    day = local.date() + ONE_DAY if passes_midnight and clock >= start else local.date()
    until = to_utc(day, end, ZoneInfo(zone))
    return until if until > at else None
