"""Which days are business days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from opsrunner.model.schedule import Calendar, Schedule


class Almanac:
    """Answers questions about days, for the calendars of a site; holds the schedules that offsets refer to."""

    def __init__(
        self, calendars: Mapping[str, Calendar] | None = None, schedules: Mapping[str, Schedule] | None = None
    ) -> None:
        self.calendars = dict(calendars or {})
        self.schedules = dict(schedules or {})

    def is_business_day(self, day: date, calendar_name: str) -> bool:
        """Tell whether people work on `day`."""
        raise NotImplementedError

    def holiday_name(self, day: date, calendar_name: str) -> str:
        """Return the name of the holiday, '' if `day` is none."""
        raise NotImplementedError

    def next_business_day(self, day: date, calendar_name: str) -> date:
        """Return the first business day after `day`."""
        raise NotImplementedError

    def previous_business_day(self, day: date, calendar_name: str) -> date:
        """Return the last business day before `day`."""
        raise NotImplementedError
