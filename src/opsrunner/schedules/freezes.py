"""Periods that hold routines."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from opsrunner.model.schedule import Freeze


def freeze_at(freezes: Iterable[Freeze], *, tags: Iterable[str], at: datetime, zone: str) -> Freeze | None:
    """Return the first freeze that holds a routine with `tags` at that moment, None if there is none."""
    raise NotImplementedError
