"""What was due in a time that no pass of the planner has looked at yet."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import plural
from opsrunner.engine.held import World, held_because, world_of
from opsrunner.engine.planner import accounted_until
from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.records import dataclass
from opsrunner.schedules.day_names import moment_words
from opsrunner.schedules.due import occurrences

LONGEST_PAUSE = timedelta(minutes=5)
"""Passes come every 30 seconds; more than this without one is told of."""


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """How many routines were due since the last pass, and what to say of it."""

    routines: int = 0
    line: str = ""
    """Empty where the last pass was a moment ago."""


def look_for_unseen(desk: Desk, *, from_: datetime, until: datetime) -> Unseen:
    """Return what was due in (from_, until] after the last pass; nothing where there never was a pass."""
    planned_at = desk.books.service.planned_at()
    if planned_at is None or planned_at >= until:
        return Unseen()
    world = world_of(desk.site(), desk.almanac())
    holds = desk.books.holds.since(planned_at)
    watched = desk.books.routines.all()
    due = 0
    for routine in desk.site().routines.values():
        known = watched.get(routine.id)
        if known is not None and known.gone_at is None:
            after = max(from_, accounted_until(known.watermark_at, planned_at))
            own = [hold for hold in holds if hold.routine == routine.id]
            due += _was_due(routine, own, world, after=after, until=until)
    is_long = until - planned_at > LONGEST_PAUSE
    return Unseen(routines=due, line=_line(planned_at, due, ZoneInfo(desk.site().timezone)) if is_long else "")


def _was_due(routine: Routine, holds: list[Hold], world: World, *, after: datetime, until: datetime) -> bool:
    """Tell whether anything was due that no holiday, pause, skip or freeze left out."""
    coming = occurrences(routine.schedule, after=after, until=until, almanac=world.almanac)
    return after < until and any(not held_because(routine, occurrence, holds, world) for occurrence in coming)


def _line(planned_at: datetime, due: int, zone: ZoneInfo) -> str:
    what = f"{plural(due, 'routine')} {'was' if due == 1 else 'were'} due" if due else "nothing was due"
    return f"The scheduler has not run since {moment_words(planned_at, zone=zone)}; {what} since then."
