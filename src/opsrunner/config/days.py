"""Dates, moments and times of day as the site's files write them."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from opsrunner.schedules.parsing import as_written, parse_clock

MOST_DAYS = 1000

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{1,2}:\d{2})(?::00)?)?(.*)", re.ASCII)


def read_day(value: object) -> date:
    """Return the date of `2026-12-24`. Raises ValueError."""
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError(f"{as_written(value)} is not a date\nwrite it like 2026-12-24")
    try:
        day = date.fromisoformat(value)
    except ValueError as exc:
        raise ValueError(f"the date {value} does not exist") from exc
    if not 1970 <= day.year < 2200:
        raise ValueError(f"the date {value} is too far away")
    return day


def read_days(value: object) -> tuple[date, ...]:
    """Return one date or a list of them, sorted. Raises ValueError."""
    items = value if isinstance(value, list | tuple) else [value]
    if len(items) > MOST_DAYS:
        raise ValueError(f"at most {MOST_DAYS} dates can stand here")
    return tuple(sorted({read_day(item) for item in items}))


def read_local_moment(value: object) -> datetime:
    """Return the naive moment of `2026-12-01T02:00`, or the start of `2026-12-01`. Raises ValueError."""
    match = _MOMENT.fullmatch(value) if isinstance(value, str) and len(value) <= 40 else None
    if match is None:
        raise ValueError(f"{as_written(value)} is not a moment\nwrite it like 2026-12-01T02:00")
    if match[3]:
        raise ValueError(
            f"'{value}' says more than a date and a time\nwrite 2026-12-01T02:00, and the zone as `timezone`"
        )
    clock = parse_clock(match[2]) if match[2] else time(0)
    return datetime.combine(read_day(match[1]), clock)


def read_clock(value: object) -> time:
    """Return the time of day of `02:30`. Raises ValueError, with the hint to quote a bare number."""
    if not isinstance(value, str):
        raise ValueError(f'{as_written(value)} is not a time of day\nwrite it in quotes: "02:30"')
    return parse_clock(value)


def _schema(*examples: str) -> WithJsonSchema:
    schema: dict[str, Any] = {"type": "string", "examples": list(examples)}
    return WithJsonSchema(schema)


Day: TypeAlias = Annotated[date, PlainValidator(read_day), _schema("2026-12-24")]
Days: TypeAlias = Annotated[
    tuple[date, ...],
    PlainValidator(read_days),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
LocalMoment: TypeAlias = Annotated[
    datetime, PlainValidator(read_local_moment), _schema("2026-12-01T02:00", "2026-12-01")
]
Clock: TypeAlias = Annotated[time, PlainValidator(read_clock), _schema("02:30")]
