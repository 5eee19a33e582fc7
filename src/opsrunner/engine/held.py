"""What holds a routine: pauses, skips, freezes, and the maintenance windows that it goes by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import Freeze, Occurrence
from opsrunner.model.site import Site
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.freezes import freeze_at
from opsrunner.schedules.window_rules import is_outside


@dataclass(frozen=True, kw_only=True)
class World:
    """What is the same for all routines."""

    almanac: Almanac
    freezes: Sequence[Freeze] = ()
    timezone: str = "UTC"


def world_of(site: Site, almanac: Almanac) -> World:
    """Return what the planner needs of a site beside its routines."""
    return World(almanac=almanac, freezes=site.freezes, timezone=site.timezone)


def held_because(routine: Routine, occurrence: Occurrence, holds: Sequence[Hold], world: World) -> str:
    """Return why an occurrence is left out (`holiday asked paused frozen`), or '' where it is not."""
    if occurrence.skip_reason:
        return occurrence.skip_reason
    for hold in holds:
        if hold.kind == "skip" and hold.nominal_at == occurrence.nominal_at and hold.ended_at is None:
            return "asked"
    if holds and any(_pauses(hold, occurrence.planned_at) for hold in holds):
        return "paused"
    if world.freezes and freeze_at(world.freezes, tags=routine.tags, at=occurrence.planned_at, zone=world.timezone):
        return "frozen"
    return ""


def held_now(routine: Routine, holds: Sequence[Hold], world: World, *, now: datetime) -> str:
    """Return why what was due before is not to start at `now` (`paused frozen outside`), or '' where it may."""
    reason = held_because(routine, Occurrence(planned_at=now, nominal_at=now), holds, world)
    return reason or ("outside" if is_outside(routine.schedule, now, world.almanac) else "")


def _pauses(hold: Hold, at: datetime) -> bool:
    if hold.kind != "pause" or hold.until is None or not hold.created_at <= at < hold.until:
        return False
    return hold.ended_at is None or at < hold.ended_at
