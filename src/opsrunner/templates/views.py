"""How the end of a step looks to expressions and templates."""

from __future__ import annotations

from typing import Any

from opsrunner.model.outcome import Outcome, Part


def outcome_view(outcome: Outcome) -> dict[str, Any]:
    """Return what stands under `steps.ID`: status, reason, message, rows, parts, and the facts by name.

    `steps` itself is a plain mapping of step id to such a view; an id with a dash is `steps['my-id']`.
    A fact never hides one of the five.
    """
    return {
        **outcome.facts,
        "status": str(outcome.status),
        "reason": outcome.reason,
        "message": outcome.message,
        "rows": list(outcome.rows),
        "parts": [_part_view(part) for part in outcome.parts],
    }


def _part_view(part: Part) -> dict[str, Any]:
    return {**part.facts, "key": part.key, "status": str(part.status), "message": part.message}
