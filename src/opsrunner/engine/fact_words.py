"""Facts about hosts as a reader takes them. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.model.sizes import size_words
from opsrunner.schedules.day_names import day_words, moment_words

_UNITS = (("_percent", " %"), ("_days", " days"), ("_seconds", " s"))


def fact_lines(facts: Mapping[str, Any], *, zone: ZoneInfo) -> list[tuple[str, str]]:
    """Return each fact with its name: `Disk` `91 %`, `Uptime` `41 days`. What is not known is left out."""
    return [_line(name, value, zone) for name, value in sorted(facts.items()) if value is not None and value != ""]


def _line(name: str, value: Any, zone: ZoneInfo) -> tuple[str, str]:
    if isinstance(value, bool):
        return _label(name), "yes" if value else "no"
    if isinstance(value, int | float):
        return _measured(name, value)
    moment = _moment(name, value)
    if moment is not None:
        return _label(name), moment_words(moment, zone=zone)
    return _label(name), f"{day_words(value)} {value.year}" if isinstance(value, date) else str(value)


def _moment(name: str, value: Any) -> datetime | None:
    """Return a value that is a moment, or text of one under a name that ends in `_at`."""
    if isinstance(value, datetime) or not (isinstance(value, str) and name.endswith("_at")):
        return value if isinstance(value, datetime) else None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _measured(name: str, value: float) -> tuple[str, str]:
    """Return a number with the unit that the end of its name tells."""
    if name.endswith("_bytes"):
        return _label(name.removesuffix("_bytes")), size_words(int(value))
    for ending, unit in _UNITS:
        if name.endswith(ending):
            return _label(name.removesuffix(ending)), f"{value:,}{unit}"
    return _label(name), f"{value:,}"


def _label(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()
