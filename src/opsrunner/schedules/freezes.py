"""Periods that hold routines."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from opsrunner.model.schedule import Freeze
from opsrunner.schedules.zones import load_zone, local_date


def freeze_at(freezes: Iterable[Freeze], *, tags: Iterable[str], at: datetime, zone: str) -> Freeze | None:
    """Return the first freeze that holds a routine with `tags` at that moment, None if there is none.

    A freeze lasts from the start of its first day to the end of its last, on the wall clock of `zone`.
    """
    held = frozenset(tags)
    if not held:
        return None
    today = local_date(at, load_zone(zone))
    return next(
        (freeze for freeze in freezes if freeze.from_ <= today <= freeze.until and not held.isdisjoint(freeze.tags)),
        None,
    )
