"""The dates on which a calendar rule is due, before holidays and clocks."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date

from opsrunner.model.schedule import CalendarRule
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.day_words import DayWord, day_word
from opsrunner.schedules.zones import ONE_DAY

_MONTHS_OF_PERIOD = {"month": 1, "quarter": 3, "year": 12}
_WHOLE_WEEK: frozenset[int | None] = frozenset(range(7))
_MONDAY_TO_FRIDAY: frozenset[int | None] = frozenset(range(5))


def rule_dates(rule: CalendarRule, *, first: date, last: date, almanac: Almanac) -> Iterator[date]:
    """Yield the dates of `rule` from `first` to `last`, both included, in order.

    A number and the ordinals count from the start of the period's first month, `last …` from the end of
    its last month: `every: quarter, on: last day` is 31 March.
    """
    if rule.every in _MONTHS_OF_PERIOD:
        return _dates_of_periods(rule, first, last, almanac)
    return _dates_of_weeks(rule, first, last, almanac)


def _dates_of_weeks(rule: CalendarRule, first: date, last: date, almanac: Almanac) -> Iterator[date]:
    weekdays = _weekdays(rule)
    only_business = rule.every == "business day"
    name = rule.frame.calendar
    day = first
    while day <= last:
        if day.weekday() in weekdays and (not only_business or almanac.is_business_day(day, name)):
            yield day
        day += ONE_DAY


def _weekdays(rule: CalendarRule) -> frozenset[int | None]:
    if rule.every == "week":
        return frozenset(day_word(word).weekday for word in rule.on)
    return _WHOLE_WEEK if rule.every == "day" else _MONDAY_TO_FRIDAY


def _dates_of_periods(rule: CalendarRule, first: date, last: date, almanac: Almanac) -> Iterator[date]:
    length = _MONTHS_OF_PERIOD[rule.every]
    words = [day_word(word) for word in rule.on]
    year, month = first.year, (first.month - 1) // length * length + 1
    while (year, month) <= (last.year, last.month):
        period = _Period(year, month, month + length - 1, rule, almanac)
        found = {day for word in words if (day := period.find(word)) is not None}
        yield from (day for day in sorted(found) if first <= day <= last)
        month += length
        if month > 12:
            year, month = year + 1, 1


class _Period:
    """One month, quarter or year in which words are looked up."""

    def __init__(self, year: int, first_month: int, last_month: int, rule: CalendarRule, almanac: Almanac) -> None:
        self._year = year
        self._first_month = first_month
        self._start = date(year, first_month, 1)
        self._end = date(year, last_month, monthrange(year, last_month)[1])
        self._rule = rule
        self._almanac = almanac

    def find(self, word: DayWord) -> date | None:
        """Return the day that `word` means here, None where this period has none."""
        if word.number:
            return self._numbered(word)
        if word.business:
            return self._business(word.ordinal)
        if word.weekday is None:
            return self._end
        if word.ordinal < 0:
            return self._end - (self._end.weekday() - word.weekday) % 7 * ONE_DAY
        return self._start + ((word.weekday - self._start.weekday()) % 7 + 7 * (word.ordinal - 1)) * ONE_DAY

    def _numbered(self, word: DayWord) -> date | None:
        month = word.month or self._first_month
        longest = monthrange(self._year, month)[1]
        if word.number <= longest:
            return date(self._year, month, word.number)
        return date(self._year, month, longest) if self._rule.short_months == "last day" else None

    def _business(self, ordinal: int) -> date | None:
        """Return the business day at that place from the start, or from the end where it is negative."""
        step = ONE_DAY if ordinal > 0 else -ONE_DAY
        day, left = (self._start if ordinal > 0 else self._end), abs(ordinal)
        while self._start <= day <= self._end:
            left -= self._almanac.is_business_day(day, self._rule.frame.calendar)
            if not left:
                return day
            day += step
        return None
