"""Working hours, and the moments that tasks are due."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.errors import ConfigurationError
from opsrunner.model.routine import Due
from opsrunner.model.schedule import Calendar
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, add_offset, load_zone, local_date, to_utc


def add_business_seconds(start: datetime, seconds: int, *, calendar: Calendar, almanac: Almanac, zone: str) -> datetime:
    """Return the moment when `seconds` (0 or more) of working hours have passed since `start`, in UTC.

    Working hours are those of `calendar` on its business days; time outside of them does not count, so
    that nothing is due at night. Raises ConfigurationError for a calendar without business days.
    """
    place = load_zone(zone)
    left = timedelta(seconds=seconds)
    day = local_date(start, place)
    if not almanac.is_business_day(day, calendar.name):
        day = almanac.next_business_day(day, calendar.name)
    while True:
        opens, closes = working_hours_on(day, calendar, place)
        begin = max(opens, start)
        if begin < closes and left <= closes - begin:
            return begin + left
        left -= max(closes - begin, timedelta(0))
        day = almanac.next_business_day(day, calendar.name)


def working_hours_on(day: date, calendar: Calendar, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when work begins and ends on `day`; an end of 00:00 is midnight."""
    start, end = calendar.working_hours
    last_day = day + ONE_DAY if end == MIDNIGHT else day
    return to_utc(day, start, zone), to_utc(last_day, end, zone)


def due_moment(due: Due, *, opened_at: datetime, zone: str, almanac: Almanac) -> datetime:
    """Return when a task that opened at `opened_at` is due, in UTC.

    A time of day is the first such time later than `opened_at`. Whole days are days on the wall; business
    time is that of the site's calendar. Raises ConfigurationError for a `due` that says neither.
    """
    place = load_zone(zone)
    if due.at is not None:
        day = local_date(opened_at, place)
        while (moment := to_utc(day, due.at, place)) <= opened_at:
            day += ONE_DAY
        return moment
    if due.after_seconds is None:
        raise ConfigurationError("a due time is a time of day, or a time after the task opens")
    if due.business:
        calendar = almanac.calendar("business")
        return add_business_seconds(opened_at, due.after_seconds, calendar=calendar, almanac=almanac, zone=zone)
    return add_offset(opened_at, due.after_seconds, place)


def working_moment(moment: datetime, *, calendar: Calendar, almanac: Almanac, zone: str) -> datetime:
    """Return `moment` where people work then, else the last moment before it when they did, in UTC.

    The end of a working day counts as one of its moments. Raises ConfigurationError for a calendar without
    business days.
    """
    place = load_zone(zone)
    day = local_date(moment, place)
    if not almanac.is_business_day(day, calendar.name) or moment < working_hours_on(day, calendar, place)[0]:
        day = almanac.previous_business_day(day, calendar.name)
    return min(moment, working_hours_on(day, calendar, place)[1])
