"""Which days a calendar shows: a month, or a week from Monday to Sunday. Pure functions."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from opsrunner.records import dataclass
from opsrunner.schedules.day_names import MONTH_NAMES
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, to_utc

View: TypeAlias = Literal["month", "week"]
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2100, 12, 31)
"""The days that can be asked for."""
WEEK = 7 * ONE_DAY


@dataclass(frozen=True, kw_only=True)
class Span:
    """The days from `first` to `last`, both included."""

    view: View
    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """Every day, in order."""
        return [self.first + number * ONE_DAY for number in range((self.last - self.first).days + 1)]

    @property
    def weeks(self) -> list[list[date]]:
        """The days by weeks from Monday to Sunday; the first and the last may be short."""
        found: list[list[date]] = []
        for day in self.days:
            if not found or day.weekday() == 0:
                found.append([])
            found[-1].append(day)
        return found

    @property
    def title(self) -> str:
        """Its name: `November 2026`, or `16 to 22 November 2026`."""
        if self.view == "month":
            return month_words(self.first)
        first, last = self.first, self.last
        if first.year != last.year:
            return f"{first.day} {month_words(first)} to {last.day} {month_words(last)}"
        month = "" if first.month == last.month else f" {MONTH_NAMES[first.month - 1]}"
        return f"{first.day}{month} to {last.day} {month_words(last)}"

    @property
    def previous(self) -> date | None:
        """A day of the month or week before, None where the calendar ends there."""
        before = self.first - ONE_DAY
        if before < FIRST_DAY:
            return None
        return max(FIRST_DAY, before.replace(day=1) if self.view == "month" else self.first - WEEK)

    @property
    def following(self) -> date | None:
        """A day of the month or week after, None where the calendar ends there."""
        return None if self.last >= LAST_DAY else self.last + ONE_DAY

    def bounds(self, zone: ZoneInfo) -> list[datetime]:
        """Return the moment at which each day begins, and the one at which the last one ends."""
        return [to_utc(day, MIDNIGHT, zone) for day in (*self.days, self.last + ONE_DAY)]


def span_of(view: View, day: date) -> Span:
    """Return the month or week that `day` is in."""
    if view == "week":
        first = day - day.weekday() * ONE_DAY
        return Span(view=view, first=first, last=first + 6 * ONE_DAY)
    return Span(view=view, first=day.replace(day=1), last=day.replace(day=monthrange(day.year, day.month)[1]))


def month_words(day: date) -> str:
    """Return `November 2026`."""
    return f"{MONTH_NAMES[day.month - 1]} {day.year}"
