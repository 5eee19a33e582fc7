"""Cron expressions with the meaning of Debian's cron."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime


def cron_times(expression: str, *, after: datetime, zone: str) -> Iterator[datetime]:
    """Yield the moments of `expression` later than `after`, in UTC."""
    raise NotImplementedError


def cron_in_words(expression: str) -> str:
    """Say `expression` in plain words."""
    raise NotImplementedError
