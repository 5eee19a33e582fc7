"""When a schedule is due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from opsrunner.model.schedule import Occurrence, Schedule
from opsrunner.schedules.almanac import Almanac


def occurrences(schedule: Schedule, *, after: datetime, until: datetime, almanac: Almanac) -> Iterator[Occurrence]:
    """Yield what is planned in (after, until], ordered by planned and nominal moment."""
    raise NotImplementedError


def upcoming(schedule: Schedule, *, after: datetime, count: int, almanac: Almanac) -> list[Occurrence]:
    """Return the next `count` occurrences planned later than `after`; fewer where there are no more."""
    raise NotImplementedError
