"""Times, durations and days as people write them in YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import time
from functools import lru_cache

LONGEST_SECONDS = 3660 * 86400
"""Ten years: whatever is longer is a slip of the keyboard."""

_DURATION = re.compile(
    r"(?:(\d{1,4})w)?\s?(?:(\d{1,4})d)?\s?(?:(\d{1,6})h)?\s?(?:(\d{1,7})m)?\s?(?:(\d{1,9})s)?", re.ASCII
)
_UNIT_SECONDS = (604800, 86400, 3600, 60, 1)
_WORDED = re.compile(
    r"(\d{1,9})\s*(week|wk|day|hour|hr|minute|min|second|sec)s?\b(?:\s*(?:,|and\b))?", re.ASCII | re.IGNORECASE
)
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)


@lru_cache(maxsize=1024)
def parse_duration(text: str) -> int:
    """Return the seconds of `30m`, `4h`, `8d`, `2w`, `1h30m`; the units are w, d, h, m, s, in this order.

    Raises ValueError for anything else, also for a number without a unit.
    """
    match = _DURATION.fullmatch(text.strip()) if len(text) <= 40 else None
    numbers = match.groups() if match else ()
    if not any(numbers):
        raise ValueError(f"{shown(text)} is not a duration; write {in_units(text) or 'it like 30m, 4h, 8d or 1h30m'}")
    seconds = sum(int(number) * unit for number, unit in zip(numbers, _UNIT_SECONDS, strict=True) if number)
    if seconds > LONGEST_SECONDS:
        raise ValueError(f"{shown(text)} is longer than ten years")
    return seconds


def in_units(text: str) -> str:
    """Return `2w` for `2 weeks`, `1h30m` for `1 hour and 30 minutes`, nothing for what is no duration in words."""
    said = _WORDED.findall(text) if len(text) <= 40 and not _WORDED.sub("", text).strip() else []
    short = "".join(f"{number}{unit[0].lower()}" for number, unit in said)
    return short if short and _DURATION.fullmatch(short) else ""


def not_a_duration(value: object) -> str:
    """Return what is wrong with a value that is no text, where a duration must stand: `30 has no unit`."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{as_written(value)} {'has no unit' if is_number else 'is not a duration'}"


def parse_offset(text: str) -> int:
    """Return the seconds of a duration with an optional sign: `-8d`, `+4h`. Raises ValueError."""
    stripped = text.strip()
    if stripped[:1] in ("+", "-"):
        if span := in_units(stripped[1:]):
            raise ValueError(f"{shown(text)} is not a duration; write {stripped[0]}{span}")
        seconds = parse_duration(stripped[1:])
        return -seconds if stripped[0] == "-" else seconds
    return parse_duration(stripped)


@lru_cache(maxsize=2048)
def parse_clock(text: str) -> time:
    """Return the wall-clock time of `02:30` or `2:30`. Raises ValueError."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        hint = "; the end of a day is 00:00 of the next" if text.strip() == "24:00" else ""
        raise ValueError(f"{shown(text)} is not a time of day; write it like 02:30{hint}")
    return time(int(match[1]), int(match[2]))


def parse_clock_range(text: str) -> tuple[time, time]:
    """Return start and end of `08:00-20:00`; an end of 24:00 is given as 00:00. Raises ValueError."""
    start, dash, end = text.partition("-")
    if not dash:
        raise ValueError(f"{shown(text)} is not a range of hours; write it like 08:00-20:00")
    first = parse_clock(start)
    last = time(0) if end.strip() == "24:00" else parse_clock(end)
    if first == last and end.strip() != "24:00":
        raise ValueError(f"{shown(text)} starts and ends at the same time")
    return first, last


def as_written(value: object) -> str:
    """Return a value for a message in the words of YAML: `null`, `true`, `12`, a text in quotes, `a list`."""
    if isinstance(value, str):
        return shown(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple) else str(value)


def shown(text: str) -> str:
    """Return `text` in quotes, shortened where it is long."""
    return f"'{text if len(text) <= 40 else text[:37] + '…'}'"
