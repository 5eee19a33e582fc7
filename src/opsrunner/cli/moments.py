"""Moments as people type them: `tomorrow 10:00`, `fri`, `+4h`, `2026-12-03`, `16:00`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from opsrunner.errors import UsageError
from opsrunner.mail.headers import clean_line
from opsrunner.schedules.parsing import parse_clock, parse_offset
from opsrunner.schedules.zones import FIRST_YEAR, LAST_YEAR

Edge = Literal["start", "end"]
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
ADVICE = "write it like 2026-12-03, '2026-12-03 10:00', tomorrow, 'fri 10:00', 16:00 or +4h"


def parse_moment(text: str, *, now: datetime, zone: ZoneInfo, edge: Edge = "start") -> datetime:
    """Return the moment that `text` names on the wall clock of `zone`, in UTC.

    A day without a time means its first moment, or with `edge` "end" the end of that day. Raises
    UsageError with the forms that are known.
    """
    try:
        moment = _moment(text.strip(), now=now, zone=zone, edge=edge)
    except (ValueError, OverflowError) as exc:
        raise UsageError(f"'{clean_line(text)}' is not a moment; {ADVICE}") from exc
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise UsageError(f"'{clean_line(text)}': the year {moment.year} is out of reach; {ADVICE}")
    return moment


def parse_day(text: str, *, today: date) -> date:
    """Return the day that `text` names: an ISO date, `today`, `tomorrow`, `yesterday`, a weekday to come.

    Raises UsageError.
    """
    try:
        return _day(text.strip().lower(), today)
    except (ValueError, OverflowError) as exc:
        raise UsageError(f"'{text}' is not a day; write it like 2026-12-03, today, tomorrow or fri") from exc


def _moment(text: str, *, now: datetime, zone: ZoneInfo, edge: Edge) -> datetime:
    words = text.lower()
    if words == "now":
        return now
    if words[:1] in ("+", "-"):
        return now + timedelta(seconds=parse_offset(words))
    if len(words) > 10 and _ISO_DATE.match(words):
        return _parse_iso(text, zone)
    return _on_the_wall_clock(words, now.astimezone(zone), edge)


def _parse_iso(text: str, zone: ZoneInfo) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=moment.tzinfo or zone).astimezone(UTC)


def _on_the_wall_clock(words: str, here: datetime, edge: Edge) -> datetime:
    named, _, clock = words.partition(" ")
    if ":" in named:
        return _next_clock(parse_clock(words), here)
    day = _day(named, here.date())
    if clock:
        return _utc(day, parse_clock(clock), here)
    return _utc(day + timedelta(days=1) if edge == "end" else day, time(0), here)


def _day(word: str, today: date) -> date:
    if word in ("today", "tomorrow", "yesterday"):
        return today + timedelta(days={"today": 0, "tomorrow": 1, "yesterday": -1}[word])
    for names in (_DAYS, _LONG_DAYS):
        if word in names:
            return today + timedelta(days=(names.index(word) - today.weekday() - 1) % 7 + 1)
    if not _ISO_DATE.fullmatch(word):
        raise ValueError(word)
    return date.fromisoformat(word)


def _next_clock(clock: time, here: datetime) -> datetime:
    moment = _utc(here.date(), clock, here)
    return moment if moment > here.astimezone(UTC) else _utc(here.date() + timedelta(days=1), clock, here)


def _utc(day: date, clock: time, here: datetime) -> datetime:
    return datetime.combine(day, clock, here.tzinfo).astimezone(UTC)
