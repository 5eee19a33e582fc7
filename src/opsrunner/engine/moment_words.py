"""Moments and spans as one reads them on a terminal. Pure functions."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.schedules.day_names import day_words, weekday_word


def duration_words(seconds: float) -> str:
    """Return a span in its two largest units: `0.4 s`, `14 s`, `3 min 20 s`, `2 h 5 min`, `3 days 4 h`."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole // 60, "min", whole % 60, "s")
    if whole < 172800:
        return _two(whole // 3600, "h", whole % 3600 // 60, "min")
    return _two(whole // 86400, "days", whole % 86400 // 3600, "h")


def span_words(seconds: float) -> str:
    """Return a span in one unit, rounded down: `12 min`, `13 h`, `3 days`."""
    if seconds < 60:
        return "under a minute"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 172800:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86400)} days"


def date_words(day: date, today: date) -> str:
    """Return `Mon 7 Dec`, with its year where it is not this one."""
    return day_words(day) + ("" if day.year == today.year else f" {day.year}")


def when_words(moment: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """Return a moment on the site's wall clock, seen from `now`: `today 16:00`, `Mon 09:00`, `Mon 7 Dec 09:00`."""
    local = moment.astimezone(zone)
    return f"{_near_day(local.date(), now.astimezone(zone).date())} {local:%H:%M}"


def start_words(moment: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """Return when something begins: `Mon 09:00`, and the day alone where it is from midnight on."""
    return when_words(moment, now=now, zone=zone).removesuffix(" 00:00")


def end_words(moment: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """Return until when something is: `Mon 09:00`, and `the end of Sun` for the midnight after it."""
    words = when_words(moment, now=now, zone=zone)
    if not words.endswith(" 00:00"):
        return words
    last = when_words(moment - timedelta(hours=1), now=now, zone=zone).rpartition(" ")[0]
    return f"the end of {last}"


def clock_words(moment: datetime, *, zone: ZoneInfo) -> str:
    """Return the wall-clock time to the second: `10:32:05`."""
    return f"{moment.astimezone(zone):%H:%M:%S}"


def due_words(due_at: datetime | None, *, now: datetime, zone: ZoneInfo) -> str:
    """Return `2 h late`, `by 16:00`, `by tomorrow 10:00`, `by Mon 09:00`; nothing without a due time."""
    if due_at is None:
        return ""
    if due_at < now:
        return f"{span_words((now - due_at).total_seconds())} late"
    return f"by {when_words(due_at, now=now, zone=zone).removeprefix('today ')}"


def count_words(number: int, noun: str, plural: str = "") -> str:
    """Return `1 task`, `5,000 tasks`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _two(first: int, first_unit: str, second: int, second_unit: str) -> str:
    return f"{first} {first_unit}" + (f" {second} {second_unit}" if second else "")


def _near_day(day: date, today: date) -> str:
    """Return `today`, `tomorrow`, `yesterday`, `Mon` within the week ahead, else `Mon 7 Dec`."""
    ahead = (day - today).days
    if ahead in (-1, 0, 1):
        return ("yesterday", "today", "tomorrow")[ahead + 1]
    return weekday_word(day) if 1 < ahead < 7 else date_words(day, today)
