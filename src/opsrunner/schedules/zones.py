"""Wall-clock time and instants."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from opsrunner.errors import ConfigurationError
from opsrunner.schedules.parsing import shown

ONE_DAY = timedelta(days=1)
MIDNIGHT = time(0)
NOTHING = timedelta(0)
_INSTANT = timedelta(microseconds=1)
FIRST_YEAR, LAST_YEAR = 1900, 9000


@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """Return the IANA zone of that name. Raises ConfigurationError with the nearest known name."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as exc:
        near = get_close_matches(name, sorted(available_timezones()), n=1)
        hint = f", did you mean '{near[0]}'?" if near else "; use an IANA name such as Europe/Oslo"
        raise ConfigurationError(f"there is no time zone {shown(name)}{hint}") from exc


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    """Return the date on the wall at `moment`. Raises ConfigurationError outside the years 1900 to 9000."""
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise ConfigurationError(f"the year {moment.year} is outside of what schedules know")
    return moment.astimezone(zone).date()


def to_utc(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return the instant of a wall-clock time, in UTC.

    A time that a gap leaves out is the first moment after the gap; of a time that comes twice it is
    the first one (as Debian's cron treats jobs at fixed times). Of two times, the later one on the wall
    is never the earlier instant.
    """
    offset = whole_day_offset(day, zone)
    if offset is not None:
        return datetime.combine(day, clock, UTC) - offset
    before, after = _offsets(day, clock, zone)
    wall = datetime.combine(day, clock, UTC)
    if before < after:
        return _end_of_gap(wall - after, wall - before, zone)
    return wall - before


@lru_cache(maxsize=16384)
def whole_day_offset(day: date, zone: ZoneInfo) -> timedelta | None:
    """Return the offset from UTC that the zone has all through a local date, None where it changes on it.

    A change at either midnight counts as one on that date. In the whole zone database no two changes come within
    two days, so that a date which begins and ends with one offset has it throughout.
    """
    first, second = _offsets(day, MIDNIGHT, zone)
    start = datetime.combine(day, MIDNIGHT, UTC) - first
    around = ((start + away).astimezone(zone).utcoffset() for away in (-_INSTANT, NOTHING, ONE_DAY))
    return first if first == second and all(offset == first for offset in around) else None


def to_utc_if_day_exists(day: date, clock: time, zone: ZoneInfo) -> datetime | None:
    """Return the same as `to_utc`, None where a gap left out the whole date (Pacific/Apia, 2011-12-30)."""
    offset = whole_day_offset(day, zone)
    if offset is not None:
        return datetime.combine(day, clock, UTC) - offset
    before, after = _offsets(day, clock, zone)
    if after - before >= ONE_DAY and not day_exists(day, zone):
        return None
    return datetime.combine(day, clock, UTC) - before if before >= after else to_utc(day, clock, zone)


def _offsets(day: date, clock: time, zone: ZoneInfo) -> tuple[timedelta, timedelta]:
    """Return the zone's offsets for the first and the second coming of a wall-clock time (PEP 495).

    They differ only in a gap, where the first is the smaller one, and in an overlap.
    """
    local = datetime.combine(day, clock, zone)
    if local.fold:  # a time taken from the second coming of an hour
        local = local.replace(fold=0)
    return local.utcoffset() or NOTHING, local.replace(fold=1).utcoffset() or NOTHING


def _end_of_gap(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment in (early, late] that has the offset of `late`, exact to the second."""
    offset_after = late.astimezone(zone).utcoffset()
    low, high = int(early.timestamp()), int(late.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset_after:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)


def day_exists(day: date, zone: ZoneInfo) -> bool:
    """Tell whether the zone ever had that date (Pacific/Apia skipped 2011-12-30)."""
    return to_utc(day, MIDNIGHT, zone) < to_utc(day + ONE_DAY, MIDNIGHT, zone)


def add_offset(moment: datetime, seconds: int, zone: ZoneInfo) -> datetime:
    """Return the moment `seconds` away, in UTC, where whole days are days on the wall.

    Eight days before 02:00 is 02:00, also over a change of offset; what is left beside whole days is
    elapsed time.
    """
    days = int(seconds / 86400)
    if days:
        wall = moment.astimezone(zone)
        moment = to_utc(wall.date() + days * ONE_DAY, wall.time(), zone)
    return moment + timedelta(seconds=seconds - days * 86400)
