"""Working hours, and the moments that tasks are due."""

from __future__ import annotations

from datetime import datetime

from opsrunner.model.routine import Due
from opsrunner.model.schedule import Calendar
from opsrunner.schedules.almanac import Almanac


def add_business_seconds(start: datetime, seconds: int, *, calendar: Calendar, almanac: Almanac, zone: str) -> datetime:
    """Return the moment when `seconds` of working time have passed since `start`, in UTC."""
    raise NotImplementedError


def due_moment(due: Due, *, opened_at: datetime, zone: str, almanac: Almanac) -> datetime:
    """Return when a task that opened at `opened_at` is due, in UTC."""
    raise NotImplementedError
