"""Cron expressions with the meaning of Debian's cron (crontab(5), cron(8)).

cronsim reads and checks an expression and tells which dates it matches; the way through days, gaps and
overlaps is ours. As in Debian's cron, a job whose minute and hour are both fixed (neither field starts
with `*`) runs right after a gap that left its time out, and once when its time comes twice; any other
job runs by the clock on the wall, whatever it shows.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

from opsrunner.errors import ConfigurationError
from opsrunner.records import dataclass
from opsrunner.schedules.zones import (
    LAST_YEAR,
    MIDNIGHT,
    ONE_DAY,
    day_exists,
    load_zone,
    local_date,
    to_utc,
    whole_day_offset,
)

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cronsim import CronSim

LONGEST_EXPRESSION = 500

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELD_HINTS = {
    "Bad minute": "its minute (first field) is 0-59, a range, a list or a step",
    "Bad hour": "its hour (second field) is 0-23, a range, a list or a step",
    "Bad day-of-month": "its day of the month (third field) is 1-31 and must come in the months given",
    "Bad month": "its month (fourth field) is 1-12 or jan-dec",
    "Bad day-of-week": "its weekday (fifth field) is 0-7 or sun-sat; 0 and 7 are Sunday, a range goes upwards (fri-7)",
}
_ALL_KINDS_OF_YEARS = range(2001, 2029)
_MINUTE = timedelta(minutes=1)
LAST_MOMENT = datetime(LAST_YEAR, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class CronExpression:
    """A checked expression: the dates that it matches, and its times of day in order."""

    text: str
    matcher: CronSim
    clocks: tuple[time, ...]
    elapsed: tuple[timedelta, ...]
    """The same, each as what has passed since midnight."""
    is_fixed: bool
    """Neither minute nor hour starts with `*`: gaps and overlaps are made good."""

    def matches(self, day: date) -> bool:
        """Tell whether the expression has times on `day`."""
        return day.month in self.matcher.months and self.matcher.match_day(day)


@lru_cache(maxsize=16384)
def parse_cron(expression: str) -> CronExpression:
    """Check a five-field expression, or one of `@hourly @daily @weekly @monthly @yearly`.

    Raises ConfigurationError with one line for a wrong one, for one with seconds, and for one that
    never matches.
    """
    from cronsim import CronSim, CronSimError  # noqa: PLC0415 - only schedules with `cron:` need it

    fields = _five_fields(expression)
    try:
        matcher = CronSim(" ".join(fields), datetime(2001, 1, 1))  # noqa: DTZ001 - only its fields are used
    except (CronSimError, ValueError, AssertionError) as exc:
        reason = _FIELD_HINTS.get(str(exc), "a field cannot be read")
        raise ConfigurationError(f"'{expression}' is not a cron expression: {reason}") from exc
    clocks, elapsed = _times_of_day(tuple(sorted(matcher.hours)), tuple(sorted(matcher.minutes)))
    parsed = CronExpression(
        text=" ".join(fields),
        matcher=matcher,
        clocks=clocks,
        elapsed=elapsed,
        is_fixed=not fields[0].startswith("*") and not fields[1].startswith("*"),
    )
    if not _ever_matches(parsed):
        raise ConfigurationError(f"'{expression}' never matches: no year has such a day")
    return parsed


def cron_times(expression: str, *, after: datetime, zone: str, until: datetime = LAST_MOMENT) -> Iterator[datetime]:
    """Yield the moments of `expression` on the wall clock of `zone` in (after, until], in UTC and in order.

    Raises ConfigurationError at the first moment for a wrong expression or zone.
    """
    parsed, place = parse_cron(expression), load_zone(zone)
    last = after
    day = local_date(after, place)
    while day.year < LAST_YEAR:
        if parsed.matches(day):
            for moment in _moments_of(parsed, day, place, last):
                if moment > until:
                    return
                if moment > last:
                    last = moment
                    yield moment
        day += ONE_DAY


@lru_cache(maxsize=1024)
def _times_of_day(hours: tuple[int, ...], minutes: tuple[int, ...]) -> tuple[tuple[time, ...], tuple[timedelta, ...]]:
    """Return the times of day in order, as clocks and as what has passed since midnight; kept once for all alike."""
    clocks = tuple(time(hour, minute) for hour in hours for minute in minutes)
    return clocks, tuple(timedelta(hours=clock.hour, minutes=clock.minute) for clock in clocks)


def _five_fields(expression: str) -> list[str]:
    """Return the fields of an expression or of the name of one. Raises ConfigurationError."""
    if len(expression) > LONGEST_EXPRESSION:
        raise ConfigurationError(f"a cron expression has at most {LONGEST_EXPRESSION} characters")
    if not expression.isascii() or not all(mark.isprintable() or mark == "\t" for mark in expression):
        raise ConfigurationError(
            f"{expression!a} is not a cron expression: it holds a character that cron does not know"
        )
    fields = expression.split()
    if len(fields) == 1 and fields[0].startswith("@"):
        return _named_fields(fields[0].lower())
    if len(fields) == 6:
        raise ConfigurationError(f"'{expression}' has six fields; cron has no seconds, leave out the first field")
    if len(fields) != 5:
        raise ConfigurationError(
            f"cron needs five fields (minute, hour, day of month, month, weekday), '{expression}' has {len(fields)}"
        )
    return fields


def _named_fields(name: str) -> list[str]:
    if name == "@reboot":
        raise ConfigurationError("'@reboot' is no time; start such a command with a systemd unit")
    if name not in _NAMED:
        raise ConfigurationError(f"'{name}' is not a cron expression; known names are {', '.join(_NAMED)}")
    return _NAMED[name].split()


def _ever_matches(parsed: CronExpression) -> bool:
    """Tell whether any day of the fourteen kinds of years matches (28 years hold them all)."""
    return any(
        parsed.matches(date(year, month, 1) + timedelta(days=offset))
        for year in _ALL_KINDS_OF_YEARS
        for month in sorted(parsed.matcher.months)
        for offset in range(31)
        if (date(year, month, 1) + timedelta(days=offset)).month == month
    )


def _moments_of(parsed: CronExpression, day: date, zone: ZoneInfo, last: datetime) -> Iterator[datetime]:
    """Yield the moments of one local date in order; a gap may bring one up twice. Some up to `last` are left out."""
    offset = whole_day_offset(day, zone)
    if offset is not None:
        midnight = datetime.combine(day, MIDNIGHT, UTC) - offset
        first = bisect_right(parsed.elapsed, last - midnight)
        return (midnight + passed for passed in islice(parsed.elapsed, first, None))
    if not parsed.is_fixed:
        return _by_the_wall_clock(parsed, day, zone)
    if not day_exists(day, zone):
        return iter(())
    return (to_utc(day, clock, zone) for clock in parsed.clocks)


def _by_the_wall_clock(parsed: CronExpression, day: date, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the minutes at which a wall clock shows one of the times, on a date with a change of offset."""
    wanted = set(parsed.clocks)
    moment = datetime.combine(day - ONE_DAY, time(8), UTC)
    end = datetime.combine(day + ONE_DAY, time(16), UTC)
    while moment < end:
        wall = moment.astimezone(zone)
        if wall.date() == day and wall.time() in wanted:
            yield moment
        moment += _MINUTE
