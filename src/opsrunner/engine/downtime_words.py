"""How windows and incidents are told of, to staff and to customers. Pure functions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.engine.moment_words import count_words, when_words
from opsrunner.model.downtime import Downtime, NewDowntime
from opsrunner.model.outcome import Row
from opsrunner.schedules.day_names import day_words


def span_said(begins_at: datetime, ends_at: datetime | None, *, zone: ZoneInfo) -> str:
    """Return `Tuesday 1 December 2026, 02:00 to 04:00 (CET)`: what a customer needs, on the site's wall clock."""
    first = begins_at.astimezone(zone)
    begin = f"{day_words(first.date(), style='long')} {first.year}, {first:%H:%M}"
    if ends_at is None:
        return f"{begin} ({first.tzname()})"
    last = ends_at.astimezone(zone)
    if last.date() == first.date() and last.utcoffset() == first.utcoffset():
        return f"{begin} to {last:%H:%M} ({first.tzname()})"
    day = "" if last.date() == first.date() else f"{day_words(last.date(), style='long')} {last.year}, "
    if last.utcoffset() == first.utcoffset():
        return f"{begin} to {day}{last:%H:%M} ({first.tzname()})"
    return f"{begin} {first.tzname()} to {day}{last:%H:%M} {last.tzname()}"


def span_short(begins_at: datetime, ends_at: datetime | None, *, now: datetime, zone: ZoneInfo) -> str:
    """Return `Tue 02:00 to 04:00`, for staff."""
    begin = when_words(begins_at, now=now, zone=zone)
    if ends_at is None:
        return f"since {begin}" if begins_at <= now else begin
    same_day = begins_at.astimezone(zone).date() == ends_at.astimezone(zone).date()
    return (
        f"{begin} to {ends_at.astimezone(zone):%H:%M}"
        if same_day
        else f"{begin} to {when_words(ends_at, now=now, zone=zone)}"
    )


def view_of(row: NewDowntime, *, zone: ZoneInfo) -> dict[str, Any]:
    """Return a downtime as templates see it; hosts are the house's own business."""
    ended_at = row.ended_at if isinstance(row, Downtime) else None
    return {
        "title": row.title,
        "about": row.about,
        "when": span_said(row.begins_at, row.ends_at, zone=zone),
        "begins": row.begins_at.astimezone(zone),
        "ends": row.ends_at.astimezone(zone) if row.ends_at else None,
        "ended": ended_at.astimezone(zone) if ended_at else None,
        "timezone": str(zone),
    }


def people_words(people: int, services: int) -> str:
    """Return `43 customers with 51 services`."""
    if not people:
        return "nobody"
    return f"{count_words(people, 'customer')} with {count_words(services, 'service')}"


def person_row(person: Row) -> dict[str, Any]:
    """Return somebody who is affected as a row of an approval."""
    named = [str(one["service"]) for one in person["services"]]
    return {"to": person["to"], "name": person["name"], "services": ", ".join(named)}


def credit_rows(row: Downtime, *, after_seconds: int, times: float) -> list[dict[str, Any]]:
    """Return what services that were down could be credited: none where it was too short."""
    ended_at = row.ended_at or row.begins_at
    seconds = (ended_at - row.began_at).total_seconds()
    if seconds < after_seconds:
        return []
    return [
        {
            "customer": person["customer"],
            "name": person["name"],
            "to": person["to"],
            "service": service["service"],
            "minutes_down": round(seconds / 60),
            "suggested_credit": _credit(service, seconds=seconds, times=times),
        }
        for person in row.people
        for service in person["services"]
    ]


_CYCLES = (
    (("one", "once", "free", "trial"), 0),
    (("semi", "half"), 182),
    (("bienni", "2 year", "two year"), 730),
    (("trienni", "3 year", "three year"), 1095),
    (("year", "annual", "12 month"), 365),
    (("quarter", "3 month"), 91),
    (("month",), 30),
    (("week",), 7),
    (("day", "daily"), 1),
)
"""Words in what a price is for, and how many days those are."""


def _credit(service: Row, *, seconds: float, times: float) -> float | None:
    """Return the price of a time, None where the price or what it is for is not known."""
    amount, cycle = service.get("amount"), str(service.get("cycle") or "").casefold().replace("-", " ")
    days = next((days for words, days in _CYCLES if any(word in cycle for word in words)), 0)
    if not isinstance(amount, int | float) or isinstance(amount, bool) or amount <= 0 or not days:
        return None
    return min(float(amount), max(0.01, round(amount * times * seconds / (days * 86400), 2)))
