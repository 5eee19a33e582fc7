"""The nearest name to a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Collection


def nearest(name: str, known: Collection[str]) -> str:
    """Return how a message about an unknown `name` goes on: the nearest known one, else all of them."""
    close = difflib.get_close_matches(name, list(known), n=1)
    if close:
        return f", did you mean '{close[0]}'?"
    return f"; there are: {', '.join(known)}" if known else "; there are none"
