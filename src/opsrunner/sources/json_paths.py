"""Places in an answer of JSON: names with points between them, or JMESPath (jmespath.org)."""

from __future__ import annotations

import re
from typing import Any

from opsrunner.errors import StepFailed

_PLAIN = re.compile(r"[^.\[\]{}()|&*?@'\"`!<>=,\\\s]+(\.[^.\[\]{}()|&*?@'\"`!<>=,\\\s]+)*\Z")
"""Names alone. They may hold what JMESPath wants quotes for: `data.open-orders`."""


def check_path(path: str) -> None:
    """Raise ValueError for a path that cannot be read."""
    if _PLAIN.match(path):
        return
    import jmespath  # noqa: PLC0415 - most sites name their places without it

    try:
        jmespath.compile(path)
    except jmespath.exceptions.JMESPathError as exc:
        said = str(exc).partition("\n")[0].rstrip(":")
        raise ValueError(
            f"'{path[:60]}' is no path: {said[:120]}\nsee jmespath.org, or write names: data.orders"
        ) from exc


def find_in(answer: Any, path: str, *, source: str) -> Any:
    """Return what lies at `path`; None for nothing. Raises StepFailed where the answer does not suit the path."""
    if not path:
        return answer
    if _PLAIN.match(path):
        for name in path.split("."):
            answer = answer.get(name) if isinstance(answer, dict) else None
        return answer
    import jmespath  # noqa: PLC0415 - as above

    try:
        return jmespath.search(path, answer)
    except jmespath.exceptions.JMESPathError as exc:
        said = " ".join(str(exc).split())
        raise StepFailed(f"{source}: '{path}' does not suit the answer: {said[:200]}", permanent=True) from exc
    except (TypeError, ValueError, ArithmeticError, RecursionError) as exc:  # its functions do not look at all values
        said = type(exc).__name__
        raise StepFailed(f"{source}: '{path}' does not suit the answer ({said})", permanent=True) from exc


def items_in(answer: Any, path: str, *, source: str) -> list[Any]:
    """Return the list at `path`. Raises StepFailed that says what is there instead."""
    found = answer
    if _PLAIN.match(path):
        for name in path.split("."):
            if not isinstance(found, dict) or name not in found:
                there = f"; there are: {', '.join(found)}" if isinstance(found, dict) else ""
                raise StepFailed(f"{source}: the answer has no '{path}': '{name}' is missing{there}")
            found = found[name]
    elif path:
        found = find_in(answer, path, source=source)
    if not isinstance(found, list):
        where = f"'{path}' of the answer" if path else "the answer"
        hint = "" if path else "; say with items where the list lies"
        raise StepFailed(f"{source}: {where} is not a list{hint}")
    return found
