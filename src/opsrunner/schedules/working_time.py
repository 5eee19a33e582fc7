"""Working time between two moments, and the moment after so much of it, for thousands of questions in a row."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, date, datetime, timedelta

from opsrunner.model.schedule import Calendar
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.business import working_hours_on
from opsrunner.schedules.zones import ONE_DAY, load_zone, local_date

AROUND_THE_CLOCK = "around the clock"
"""What a site writes instead of a calendar's name, for time that never stops."""
_MARGIN = 40 * ONE_DAY
"""How much more than was asked for is laid out before the first moment."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
"""Microseconds, in which all is counted: what ends at closing time must not slip into the next day."""


class WorkingTime:
    """The working hours of a calendar, laid out day by day as far as questions reach.

    Every question raises ConfigurationError for a calendar without business days, and for years that schedules
    do not know.
    """

    def __init__(self, calendar: Calendar | None, *, almanac: Almanac, zone: str) -> None:
        """`calendar` None is time around the clock."""
        self._calendar, self._almanac, self._zone = calendar, almanac, load_zone(zone)
        self._opens: list[int] = []
        self._closes: list[int] = []
        self._worked: list[int] = []
        """Working time from the first day laid out to the end of each."""
        self._covered_from: int | None = None
        self._last_day = date.min

    def between(self, start: datetime, end: datetime) -> float:
        """Return the working seconds from `start` to `end`, 0 where `end` is not later."""
        if end <= start:
            return 0.0
        if self._calendar is None:
            return (end - start).total_seconds()
        first, last = self._covered(start), _since_epoch(end)
        self._reach(last)
        return (self._worked_until(last) - self._worked_until(first)) / _SECOND

    def after(self, start: datetime, seconds: float) -> datetime:
        """Return the first moment by which `seconds` (0 or more) of working time have passed since `start`, in UTC.

        After nothing at all it is the next working moment.
        """
        if self._calendar is None:
            return start.astimezone(UTC) + timedelta(seconds=seconds)
        begin = self._covered(start)
        self._reach(begin)
        wanted = self._worked_until(begin) + round(seconds * _SECOND)
        if seconds <= 0:
            return _moment(self._next_working(begin))
        while not self._worked or self._worked[-1] < wanted:
            self._lay_out_next()
        at = bisect_left(self._worked, wanted)
        return _moment(self._closes[at] - (self._worked[at] - wanted))

    def _next_working(self, begin: int) -> int:
        at = max(0, bisect_right(self._opens, begin) - 1)
        while True:
            while at >= len(self._opens):
                self._lay_out_next()
            if begin < self._closes[at]:
                return max(begin, self._opens[at])
            at += 1

    def _worked_until(self, moment: int) -> int:
        """Return the working time from the first day laid out to a moment."""
        at = bisect_right(self._opens, moment) - 1
        return 0 if at < 0 else self._worked[at] - max(0, self._closes[at] - moment)

    def _covered(self, start: datetime) -> int:
        """Lay out the days around `start`, and return it since the epoch."""
        moment = _since_epoch(start)
        if self._covered_from is None or moment < self._covered_from:
            self._last_day = local_date(start, self._zone) - _MARGIN
            self._opens, self._closes, self._worked = [], [], []
            self._covered_from = _since_epoch(start - _MARGIN + ONE_DAY)
        return moment

    def _reach(self, moment: int) -> None:
        while not self._closes or self._closes[-1] < moment:
            self._lay_out_next()

    def _lay_out_next(self) -> None:
        assert self._calendar is not None  # noqa: S101 - nothing is laid out for time around the clock
        self._last_day = self._almanac.next_business_day(self._last_day, self._calendar.name)
        opens, closes = working_hours_on(self._last_day, self._calendar, self._zone)
        begin, end = _since_epoch(opens), _since_epoch(max(opens, closes))
        self._worked.append((self._worked[-1] if self._worked else 0) + end - begin)
        self._opens.append(begin)
        self._closes.append(end)


def time_of(calendar: str, *, almanac: Almanac, zone: str) -> WorkingTime:
    """Return the working time of a calendar by its name, or around the clock. Raises ConfigurationError."""
    found = None if calendar == AROUND_THE_CLOCK else almanac.calendar(calendar)
    return WorkingTime(found, almanac=almanac, zone=zone)


def _since_epoch(moment: datetime) -> int:
    span = moment - _EPOCH
    return (span.days * 86400 + span.seconds) * _SECOND + span.microseconds


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
