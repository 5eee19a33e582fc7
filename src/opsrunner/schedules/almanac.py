"""Which days are business days, and why the others are not.

A business day is a Monday to Friday that is neither a public holiday of the calendar's country nor one
of its days off. A calendar called `business` always exists; without one in the site's file it knows no
holidays. Half days, bank-only and school holidays do not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from difflib import get_close_matches

from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import Calendar, Schedule
from opsrunner.model.window import PlannedWindow
from opsrunner.schedules.countries import days_of, is_known, known_countries
from opsrunner.schedules.zones import ONE_DAY

LONGEST_SEARCH_DAYS = 366
DAY_OFF = "Day off"


class Almanac:
    """Answers questions about days for the calendars of a site, from a cache of whole years.

    It also holds the schedules that offsets (`{of: NAME, offset: -8d}`) refer to, and the maintenance windows with what
    was changed of them. Make a new one when the site is read anew, or a window is changed.
    """

    def __init__(
        self,
        calendars: Mapping[str, Calendar] | None = None,
        schedules: Mapping[str, Schedule] | None = None,
        windows: Mapping[str, PlannedWindow] | None = None,
    ) -> None:
        self.calendars = dict(calendars or {})
        self.schedules = dict(schedules or {})
        self.windows = dict(windows or {})
        self.held: dict[tuple[str, date], tuple[tuple[datetime, datetime], ...]] = {}
        """When windows are on, by their names and the days of UTC that have been asked about."""
        self._years: dict[tuple[str, int], dict[date, str]] = {}

    def calendar(self, name: str) -> Calendar:
        """Return the calendar of that name. Raises ConfigurationError where there is none."""
        found = self.calendars.get(name)
        if found is not None:
            return found
        if name == "business":
            return Calendar()
        near = get_close_matches(name, [*self.calendars, "business"], n=1)
        hint = f", did you mean '{near[0]}'?" if near else ""
        raise ConfigurationError(f"there is no calendar '{name}'{hint}")

    def window(self, name: str) -> PlannedWindow:
        """Return the maintenance window of that name. Raises ConfigurationError where there is none."""
        found = self.windows.get(name)
        if found is None:
            near = get_close_matches(name, self.windows, n=1)
            hint = f", did you mean '{near[0]}'?" if near else ""
            raise ConfigurationError(f"there is no maintenance window '{name}'{hint}")
        return found

    def holiday_name(self, day: date, calendar_name: str) -> str:
        """Return the holiday's name, in English where it is known; '' if `day` is none.

        A weekend is no holiday; a holiday that falls on a weekend is one.
        """
        return self._year(calendar_name, day.year).get(day, "")

    def is_business_day(self, day: date, calendar_name: str) -> bool:
        """Tell whether people work on `day`."""
        return day.weekday() < 5 and day not in self._year(calendar_name, day.year)

    def next_business_day(self, day: date, calendar_name: str) -> date:
        """Return the first business day after `day`. Raises ConfigurationError if a year has none."""
        for _ in range(LONGEST_SEARCH_DAYS):
            day += ONE_DAY
            if self.is_business_day(day, calendar_name):
                return day
        raise ConfigurationError(f"the calendar '{calendar_name}' has no business day in the year before {day}")

    def previous_business_day(self, day: date, calendar_name: str) -> date:
        """Return the last business day before `day`. Raises ConfigurationError if a year has none."""
        for _ in range(LONGEST_SEARCH_DAYS):
            day -= ONE_DAY
            if self.is_business_day(day, calendar_name):
                return day
        raise ConfigurationError(f"the calendar '{calendar_name}' has no business day in the year after {day}")

    def _year(self, calendar_name: str, year: int) -> dict[date, str]:
        known = self._years.get((calendar_name, year))
        if known is None:
            calendar = self.calendar(calendar_name)
            known = _public_holidays(calendar, year)
            known |= {day: known.get(day, DAY_OFF) for day in calendar.days_off if day.year == year}
            self._years[calendar_name, year] = known
        return known


def check_calendar(calendar: Calendar) -> None:
    """Raise ConfigurationError unless the calendar's country and subdivision are known."""
    if calendar.country is None:
        if calendar.subdivision is not None:
            raise ConfigurationError("a subdivision needs its country")
        return
    if is_known(calendar.country, calendar.subdivision):
        return
    supported = known_countries()
    if calendar.country not in supported:
        raise ConfigurationError(
            f"no holidays are known for the country '{calendar.country}'{_near(calendar.country, supported)}; "
            "write its two capital letters, as in NO or DE"
        )
    if calendar.subdivision is not None and calendar.subdivision not in supported[calendar.country]:
        known = ", ".join(supported[calendar.country]) or "none"
        raise ConfigurationError(
            f"{calendar.country} has no subdivision '{calendar.subdivision}' with its own holidays (known: {known})"
        )


def _near(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word.upper(), list(known), n=1)
    return f", did you mean '{near[0]}'?" if near else ""


def _public_holidays(calendar: Calendar, year: int) -> dict[date, str]:
    """Return day → name of the public holidays of one year; nothing for a calendar without a country."""
    if calendar.country is None:
        return {}
    check_calendar(calendar)
    return days_of(calendar.country, calendar.subdivision, year=year)
