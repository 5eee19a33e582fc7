"""When a routine is due next, without its people: what `next` and the routine's page say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opsrunner.engine.held import World
from opsrunner.engine.planner import left_out_because
from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import Occurrence
from opsrunner.schedules.due import occurrences, upcoming


def next_times(
    routine: Routine, *, holds: Sequence[Hold], world: World, after: datetime, count: int
) -> list[tuple[Occurrence, str]]:
    """Return the next `count` times of a routine, each with why it is left out, or ''. `holds` are its own."""
    coming = upcoming(routine.schedule, after=after, count=count, almanac=world.almanac)
    if coming:  # all of the last moment, of which one runs
        last = coming[-1].planned_at
        coming = list(occurrences(routine.schedule, after=after, until=last, almanac=world.almanac))
    return list(zip(coming, left_out_because(routine, coming, holds, world), strict=True))[:count]
