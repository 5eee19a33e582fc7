"""One value of a source, read as the type that its column declares."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

ColumnType: TypeAlias = Literal["text", "number", "moment", "date", "flag"]
Value: TypeAlias = str | int | float | bool | datetime | date

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?\Z")
_NUMBER_WITH_COMMA = re.compile(r"[+-]?([0-9]+|[0-9]{1,3}([.\u00a0\u202f ][0-9]{3})+)(,[0-9]+)?\Z")
_WITHOUT_GROUPS = str.maketrans({".": None, "\u00a0": None, "\u202f": None, " ": None, ",": "."})
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)? ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?\Z"
)
_RELATIVE = re.compile(r"([+-])([0-9]{1,5})([mhdw])\Z")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LONGEST_NUMBER = 400
_LONGEST_SHOWN = 60

Parsed = TypeVar("Parsed")


class BadValue(ValueError):
    """The value is not of the type; the message completes "column 'x': …"."""


def parse_value(raw: Any, type_: ColumnType, *, zone: ZoneInfo, decimal: str = ".") -> Value:
    """Return `raw` as a value of `type_`. Raises BadValue; nothing is guessed."""
    if isinstance(raw, (list, dict, bytes)):
        raise BadValue(f"{_shown(raw)} is not {_called(type_)}")
    match type_:
        case "text":
            return _text(raw)
        case "number":
            return _number(raw, decimal)
        case "moment":
            return _moment(raw, zone)
        case "date":
            return _date(raw)
        case "flag":
            return _flag(raw)


def relative_moment(text: str, *, now: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the moment that `now`, `today`, `-14d` or `+4h` means; None where `text` is none of these.

    `today` is the midnight that it began with in `zone`. Days are days of the calendar there.
    """
    if text == "now":
        return now
    local = now.astimezone(zone)
    if text == "today":
        return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
    match = _RELATIVE.match(text)
    if match is None:
        return None
    sign, count, unit = match.groups()
    distance = timedelta(**{_UNITS[unit]: int(sign + count)})
    return now + distance if unit in "mh" else (local + distance).astimezone(UTC)


def _text(raw: Any) -> str:
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise BadValue(f"{_shown(raw)} is not a text")
    return str(raw)


def _number(raw: Any, decimal: str) -> int | float:
    if isinstance(raw, bool):
        raise BadValue(f"{_shown(raw)} is not a number")
    if isinstance(raw, (int, float)):
        return _finite(raw, raw)
    text = str(raw).strip()
    if len(text) > _LONGEST_NUMBER:
        raise BadValue(f"{_shown(raw)} is too long for a number")
    if decimal == ",":
        if not _NUMBER_WITH_COMMA.match(text):
            raise BadValue(f"{_shown(raw)} is not a number")
        text = text.translate(_WITHOUT_GROUPS)
    elif not _NUMBER.match(text):
        hint = '; a decimal comma needs `decimal: ","` at the source' if _NUMBER_WITH_COMMA.match(text) else ""
        raise BadValue(f"{_shown(raw)} is not a number{hint}")
    return int(text) if text.lstrip("+-").isdigit() else _finite(float(text), raw)


def _finite(number: int | float, raw: Any) -> int | float:
    if not math.isfinite(number):
        raise BadValue(f"{_shown(raw)} is not a finite number")
    return number


def _moment(raw: Any, zone: ZoneInfo) -> datetime:
    if isinstance(raw, datetime):
        moment = raw
    else:
        text = str(raw).strip()
        if not isinstance(raw, (str, date)) or not _MOMENT.match(text):
            raise BadValue(f"{_shown(raw)} is not a moment")
        moment = _parsed(datetime.fromisoformat, text.replace(" Z", "Z").replace(" +", "+"), raw, "a moment")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError as exc:
        raise BadValue(f"{_shown(raw)} is not a moment") from exc


def _date(raw: Any) -> date:
    if isinstance(raw, date) and not isinstance(raw, datetime):
        return raw
    if not isinstance(raw, str) or not _DATE.match(raw.strip()):
        raise BadValue(f"{_shown(raw)} is not a date")
    return _parsed(date.fromisoformat, raw.strip(), raw, "a date")


def _flag(raw: Any) -> bool:
    flag = _FLAGS.get(str(raw).strip().lower())
    if flag is None or isinstance(raw, float):
        raise BadValue(f"{_shown(raw)} is not a flag (true or false, yes or no, 1 or 0)")
    return flag


def _parsed(parse: Callable[[str], Parsed], text: str, raw: Any, what: str) -> Parsed:
    try:
        return parse(text)
    except ValueError as exc:
        raise BadValue(f"{_shown(raw)} is not {what}") from exc


def _called(type_: ColumnType) -> str:
    return f"a {type_}"


def _shown(raw: Any) -> str:
    shown = repr(raw)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
