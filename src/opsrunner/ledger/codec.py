"""Plain values as text and back: moments, JSON with dates in it, outcomes."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from opsrunner.model.outcome import Attempt, Outcome, Part, StepStatus

_SURROGATES = re.compile("[\ud800-\udfff]")


def to_text(moment: datetime) -> str:
    """Return an aware moment as UTC text of fixed width, which sorts as time does."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def optional_text(moment: datetime | None) -> str | None:
    """Return `to_text`, or None for None."""
    return None if moment is None else to_text(moment)


def to_moment(text: str) -> datetime:
    """Return the aware UTC moment of `to_text`."""
    return datetime.fromisoformat(text)


def optional_moment(text: str | None) -> datetime | None:
    """Return `to_moment`, or None for None."""
    return None if text is None else to_moment(text)


def dumps(value: Any) -> str:
    """Return JSON; moments and dates become `{"$moment": …}` and `{"$date": …}`, mappings stay mappings.

    Half a surrogate pair, which no database keeps, becomes the replacement character.
    """
    return _SURROGATES.sub("\ufffd", json.dumps(value, default=_encode, ensure_ascii=False, separators=(",", ":")))


def loads(text: str) -> Any:
    """Return what `dumps` was given (tuples come back as lists)."""
    return json.loads(text, object_hook=_decode)


def outcome_to_text(outcome: Outcome) -> str:
    """Return an outcome as JSON."""
    return dumps(
        {
            "status": outcome.status.value,
            "reason": outcome.reason,
            "message": outcome.message,
            "rows": [dict(row) for row in outcome.rows],
            "facts": dict(outcome.facts),
            "parts": [{**_shallow(part), "status": part.status.value} for part in outcome.parts],
            "attempts": [{**_shallow(attempt), "status": attempt.status.value} for attempt in outcome.attempts],
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


def _shallow(item: Any) -> dict[str, Any]:
    return {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$moment": to_text(value)}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _shallow(value)
    return str(value)


def _decode(data: dict[str, Any]) -> Any:
    """Turn our own marks back; data that only looks like one stays as it is."""
    if len(data) != 1:
        return data
    mark, value = next(iter(data.items()))
    try:
        if mark == "$moment":
            return to_moment(value)
        if mark == "$date":
            return date.fromisoformat(value)
    except (TypeError, ValueError):
        return data
    return data
