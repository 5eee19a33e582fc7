"""Data in a Markdown text, to be shown sign by sign."""

from __future__ import annotations

import re

_TICKS = re.compile(r"`{3,}")


def fenced(text: str) -> str:
    """Return a Markdown block that shows `text` as it is: its fence is longer than any within it (CommonMark 4.5)."""
    fence = "`" * (max((len(found) for found in _TICKS.findall(text)), default=2) + 1)
    return f"{fence}\n{text}\n{fence}"
