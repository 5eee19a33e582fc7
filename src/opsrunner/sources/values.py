"""One value of a source, read as the type that its column declares."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

ColumnType: TypeAlias = Literal["text", "number", "moment", "date", "flag"]
Value: TypeAlias = str | int | float | bool | datetime | date
Reader: TypeAlias = Callable[[Any], Value | None]

NO_DATE = "0000-00-00"
"""What MariaDB keeps, and programs written for it export, where there is no date."""
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
_OF_TIME = frozenset({"moment", "date"})

Parsed = TypeVar("Parsed")


class BadValue(ValueError):
    """The value is not of the type; the message completes "column 'x': …"."""


def value_reader(type_: ColumnType, *, optional: bool, zone: ZoneInfo, decimal: str = ".") -> Reader:
    """Return what reads the values of one column: None where one is empty and may be. It raises BadValue."""
    parse = value_parser(type_, zone=zone, decimal=decimal)
    is_of_time = type_ in _OF_TIME

    def read(raw: Any) -> Value | None:
        if raw is None or (isinstance(raw, str) and (not raw or raw.isspace() or (is_of_time and is_no_date(raw)))):
            if optional:
                return None
            shown = f" ('{raw.strip()}')" if raw and not raw.isspace() else ""
            raise BadValue(f"is empty{shown}; declare it as '{type_}?' where that may be")
        return parse(raw)

    def read_text(raw: Any) -> Value | None:
        return raw if type(raw) is str and raw and not raw.isspace() else read(raw)

    return read_text if type_ == "text" else read  # what most values are takes the shortest way


def is_no_date(text: str) -> bool:
    """Tell whether a text is a date or a moment of all noughts."""
    return NO_DATE in text and not text.strip("0-:. T")


def value_parser(type_: ColumnType, *, zone: ZoneInfo, decimal: str = ".") -> Callable[[Any], Value]:
    """Return what reads a value that is not empty as `type_`. It raises BadValue; nothing is guessed."""
    match type_:
        case "text":
            return _text
        case "number":
            return lambda raw: _number(raw, decimal)
        case "moment":
            return lambda raw: _moment(raw, zone)
        case "date":
            return _date
        case "flag":
            return _flag


def parse_value(raw: Any, type_: ColumnType, *, zone: ZoneInfo, decimal: str = ".") -> Value:
    """Return `raw` as a value of `type_`. Raises BadValue; nothing is guessed."""
    return value_parser(type_, zone=zone, decimal=decimal)(raw)


def plain_value(raw: Any, zone: ZoneInfo) -> Value | None:
    """Return what a database gave in a column that nobody declared as what a row may hold. Raises BadValue.

    A number stays one, a moment without a zone is one of `zone`; what is none of a row's types becomes text.
    """
    if raw is None or isinstance(raw, (bool, int, float, str)):
        return raw
    if isinstance(raw, Decimal):
        return _number(raw, ".")
    if isinstance(raw, datetime):
        return _moment(raw, zone)
    if isinstance(raw, date):
        return raw
    if isinstance(raw, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(raw))
    return json.dumps(raw, ensure_ascii=False, default=str) if isinstance(raw, (list, dict)) else str(raw)


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
    if isinstance(raw, str):
        return raw
    if isinstance(raw, Decimal):
        return format(raw, "f")
    if isinstance(raw, (bytes, bytearray, memoryview)):
        return _from_bytes(bytes(raw))
    if isinstance(raw, (bool, date, timedelta, list, dict)):
        raise BadValue(f"{_shown(raw)} is not a text")
    return str(raw)


def _from_bytes(raw: bytes) -> str:
    """Return the text that bytes are, of a column that its database calls binary."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise BadValue("holds bytes, not text; leave it out by SQL")
    return text


def _number(raw: Any, decimal: str) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float, Decimal)):
        raise BadValue(f"{_shown(raw)} is not a number")
    if isinstance(raw, str):
        return _number_in(raw, decimal)
    if isinstance(raw, Decimal) and raw.is_finite() and raw == raw.to_integral_value():
        return int(raw)
    return _finite(float(raw) if isinstance(raw, Decimal) else raw, raw)


def _number_in(raw: str, decimal: str) -> int | float:
    text = raw.strip()
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
    if isinstance(raw, datetime):
        raise BadValue(f"{_shown(raw)} is a moment; declare it so, or leave its hours out by SQL")
    if isinstance(raw, date):
        return raw
    if not isinstance(raw, str) or not _DATE.match(raw.strip()):
        raise BadValue(f"{_shown(raw)} is not a date")
    return _parsed(date.fromisoformat, raw.strip(), raw, "a date")


def _flag(raw: Any) -> bool:
    if isinstance(raw, bytes) and raw in (b"\0", b"\1"):
        return raw == b"\1"
    flag = None if isinstance(raw, (float, bytes)) else _FLAGS.get(str(raw).strip().lower())
    if flag is None:
        raise BadValue(f"{_shown(raw)} is not a flag (true or false, yes or no, 1 or 0)")
    return flag


def _parsed(parse: Callable[[str], Parsed], text: str, raw: Any, what: str) -> Parsed:
    try:
        return parse(text)
    except ValueError as exc:
        raise BadValue(f"{_shown(raw)} is not {what}") from exc


def _shown(raw: Any) -> str:
    shown = str(raw) if isinstance(raw, (date, Decimal)) else repr(raw)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
