"""Spans of time as one reads them. Pure."""

from __future__ import annotations

from datetime import timedelta


def span_words(span: timedelta) -> str:
    """Return the size of a span in its largest unit, rounded down: `45 min`, `2 h`, `3 days`."""
    minutes = int(abs(span).total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 2 * 24 * 60:
        return f"{minutes // 60} h"
    return f"{minutes // (24 * 60)} days"
