"""The names of days and months, and days and moments as people write them. Pure functions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

WEEKDAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def weekday_word(day: date) -> str:
    """Return `Sat`."""
    return WEEKDAY_NAMES[day.weekday()][:3]


def day_words(day: date, *, style: Literal["short", "long"] = "short") -> str:
    """Return `Sat 21 Nov`, or `Saturday 21 November`."""
    weekday, month = WEEKDAY_NAMES[day.weekday()], MONTH_NAMES[day.month - 1]
    return f"{weekday} {day.day} {month}" if style == "long" else f"{weekday[:3]} {day.day} {month[:3]}"


def moment_words(moment: datetime, *, zone: ZoneInfo) -> str:
    """Return `Sat 21 Nov 07:00`, on the wall clock of the zone."""
    local = moment.astimezone(zone)
    return f"{day_words(local.date())} {local:%H:%M}"
