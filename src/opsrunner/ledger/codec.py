"""Plain values as text and back: moments, JSON with dates in it, outcomes."""

from __future__ import annotations

import dataclasses
import json
import re
import threading
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from opsrunner.model.outcome import Attempt, Outcome, Part, StepStatus

_SURROGATES = re.compile("[\ud800-\udfff]")


def to_text(moment: datetime) -> str:
    """Return an aware moment as UTC text of fixed width, which sorts as time does."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{utc.isoformat(timespec='microseconds')[:26]}Z"


def optional_text(moment: datetime | None) -> str | None:
    """Return `to_text`, or None for None."""
    return None if moment is None else to_text(moment)


def to_moment(text: str) -> datetime:
    """Return the aware UTC moment of `to_text`."""
    return datetime.fromisoformat(text)


def optional_moment(text: str | None) -> datetime | None:
    """Return `to_moment`, or None for None."""
    return None if text is None else to_moment(text)


def clean(text: str) -> str:
    """Return a text as a database keeps it: half a surrogate pair becomes the replacement character."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def dumps(value: Any) -> str:
    """Return JSON; moments and dates become `{"$moment": …}` and `{"$date": …}`, mappings stay mappings.

    A key of the data that begins with `$` gets another one, so that data never looks like such a mark.
    Half a surrogate pair, which no database keeps, becomes the replacement character.
    """
    before = _MARKS.made
    text = _TO_JSON(value)
    if text.count('"$') > _MARKS.made - before:
        text = _TO_JSON(_escaped(value))
    return clean(text)


def loads(text: str) -> Any:
    """Return what `dumps` was given (tuples come back as lists)."""
    return [] if text == "[]" else {} if text == "{}" else _FROM_JSON(text)


class _Marks(threading.local):
    """How many marks have been made, in each thread."""

    made = 0


_MARKS = _Marks()


def _marked(value: Any) -> Any:
    """Turn what JSON does not know into what it does."""
    if isinstance(value, date):
        _MARKS.made += 1
        return {"$moment": to_text(value)} if isinstance(value, datetime) else {"$date": value.isoformat()}
    if isinstance(value, Mapping):
        return _escaped(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _escaped(vars(value))
    return str(value)


_TO_JSON = json.JSONEncoder(default=_marked, ensure_ascii=False, separators=(",", ":")).encode


def _escaped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {f"${name}" if str(name).startswith("$") else name: _escaped(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_escaped(inner) for inner in value]
    return value


def outcome_to_text(outcome: Outcome) -> str:
    """Return an outcome as JSON."""
    return dumps(
        {
            "status": outcome.status.value,
            "reason": outcome.reason,
            "message": outcome.message,
            "rows": [dict(row) for row in outcome.rows],
            "facts": dict(outcome.facts),
            "parts": [vars(part) for part in outcome.parts],
            "attempts": [vars(attempt) for attempt in outcome.attempts],
        }
    )


def outcome_from_text(text: str) -> Outcome:
    """Return the outcome of `outcome_to_text`."""
    data = loads(text)
    return Outcome(
        status=StepStatus(data["status"]),
        reason=data["reason"],
        message=data["message"],
        rows=tuple(data["rows"]),
        facts=data["facts"],
        parts=tuple(Part(**{**part, "status": StepStatus(part["status"])}) for part in data["parts"]),
        attempts=tuple(Attempt(**{**item, "status": StepStatus(item["status"])}) for item in data["attempts"]),
    )


def _decode(data: dict[str, Any]) -> Any:
    """Turn our own marks back, and data's own keys that begin with `$`."""
    if len(data) == 1:
        mark, value = next(iter(data.items()))
        if mark == "$moment":
            return to_moment(value)
        if mark == "$date":
            return date.fromisoformat(value)
    if any(name.startswith("$$") for name in data):
        return {name[1:] if name.startswith("$$") else name: value for name, value in data.items()}
    return data


_FROM_JSON = json.JSONDecoder(object_hook=_decode).decode
