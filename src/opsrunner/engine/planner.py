"""Which due times run, wait, are skipped or are missed, and why: pure decisions.

`calendar`, `next`, the page and the daemon all ask this module, so what is shown is what happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.run import Trigger
from opsrunner.model.schedule import Freeze, Occurrence
from opsrunner.model.site import Site
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import occurrences, upcoming
from opsrunner.schedules.freezes import freeze_at

ON_TIME = timedelta(seconds=60)
"""A start within this of its planned moment is on time; after it, it is catching up."""
WEEK = timedelta(days=7)


class Verdict(StrEnum):
    """What becomes of an occurrence."""

    START = "start"
    QUEUE = "queue"
    SKIPPED = "skipped"
    MISSED = "missed"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of one occurrence of one routine, and why."""

    routine: str
    occurrence: Occurrence
    verdict: Verdict
    reason: str = ""
    trigger: Trigger = Trigger.SCHEDULE


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What the planner knows of one routine. Everything up to `watermark` is accounted for."""

    routine: Routine
    watermark: datetime
    is_running: bool = False
    queued: int = 0
    holds: Sequence[Hold] = ()


@dataclass(frozen=True, kw_only=True)
class World:
    """What is the same for all routines."""

    almanac: Almanac
    freezes: Sequence[Freeze] = ()
    timezone: str = "UTC"


def world_of(site: Site, almanac: Almanac) -> World:
    """Return what the planner needs of a site beside its routines."""
    return World(almanac=almanac, freezes=site.freezes, timezone=site.timezone)


def plan(watch: Watch, *, world: World, now: datetime) -> list[Decision]:
    """Return a decision for every due time in (watermark, now], in order."""
    due = list(occurrences(watch.routine.schedule, after=watch.watermark, until=now, almanac=world.almanac))
    if not due:
        return []
    held = {occurrence: held_because(watch.routine, occurrence, watch.holds, world) for occurrence in due}
    free = [occurrence for occurrence in due if not held[occurrence]]
    chosen = _chosen(watch, free, world=world, now=now)
    decisions: list[Decision] = []
    for occurrence in due:
        if held[occurrence]:
            decisions.append(_decision(watch, occurrence, Verdict.SKIPPED, held[occurrence]))
        else:
            decisions.append(chosen[occurrence])
    return decisions


def accounted_until(own: datetime, planned_at: datetime | None) -> datetime:
    """Return up to when a routine is accounted for: by its own mark, and by each pass, which accounts for all."""
    return own if planned_at is None else max(own, planned_at)


def next_due(watch: Watch, *, world: World, now: datetime) -> datetime | None:
    """Return when the routine is next due, or None where it never is again."""
    after = max(watch.watermark, now)
    coming = upcoming(watch.routine.schedule, after=after, count=1, almanac=world.almanac)
    return coming[0].planned_at if coming else None


def held_because(routine: Routine, occurrence: Occurrence, holds: Iterable[Hold], world: World) -> str:
    """Return why an occurrence is left out (`holiday asked paused frozen`), or '' where it is not."""
    if occurrence.skip_reason:
        return occurrence.skip_reason
    for hold in holds:
        if hold.kind == "skip" and hold.nominal_at == occurrence.nominal_at and hold.ended_at is None:
            return "asked"
    if any(_pauses(hold, occurrence.planned_at) for hold in holds):
        return "paused"
    if freeze_at(world.freezes, tags=routine.tags, at=occurrence.planned_at, zone=world.timezone):
        return "frozen"
    return ""


def _pauses(hold: Hold, at: datetime) -> bool:
    if hold.kind != "pause" or hold.until is None or not hold.created_at <= at < hold.until:
        return False
    return hold.ended_at is None or at < hold.ended_at


def _chosen(watch: Watch, free: list[Occurrence], *, world: World, now: datetime) -> dict[Occurrence, Decision]:
    """Decide on what nothing holds: coalescing first, then catching up, then overlap."""
    answers: dict[Occurrence, Decision] = {}
    moments = _one_a_moment(free)
    for occurrence in free:
        if moments[occurrence.planned_at] != occurrence:
            answers[occurrence] = _decision(watch, occurrence, Verdict.SKIPPED, "coalesced")
    candidates = sorted(moments.values())
    running, queued = watch.is_running, watch.queued
    for occurrence in candidates:
        answer = _caught_up(watch, occurrence, candidates[-1], world=world, now=now)
        if answer.verdict is Verdict.START:
            answer = _overlapped(watch, answer, running=running, queued=queued)
            running = running or answer.verdict is Verdict.START
            queued += answer.verdict is Verdict.QUEUE
        answers[occurrence] = answer
    return answers


def _one_a_moment(free: list[Occurrence]) -> dict[datetime, Occurrence]:
    """Return, for each planned moment, the occurrence that runs: the one with the latest nominal time."""
    moments: dict[datetime, Occurrence] = {}
    for occurrence in free:
        known = moments.get(occurrence.planned_at)
        if known is None or known.nominal_at < occurrence.nominal_at:
            moments[occurrence.planned_at] = occurrence
    return moments


def _caught_up(watch: Watch, occurrence: Occurrence, latest: Occurrence, *, world: World, now: datetime) -> Decision:
    late = now - occurrence.planned_at
    policy = watch.routine.catch_up.policy
    if late <= ON_TIME and (policy == "all" or occurrence == latest):
        return _decision(watch, occurrence, Verdict.START, "")
    if policy == "skip":
        return _decision(watch, occurrence, Verdict.MISSED, "policy")
    if policy == "latest" and now - latest.planned_at > _window(watch, latest, world):
        return _decision(watch, occurrence, Verdict.MISSED, "window")
    if policy == "latest" and occurrence != latest:
        return _decision(watch, occurrence, Verdict.MISSED, "coalesced")
    if policy == "all" and late > _window(watch, occurrence, world):
        return _decision(watch, occurrence, Verdict.MISSED, "window")
    trigger = Trigger.CATCH_UP if late > ON_TIME else Trigger.SCHEDULE
    return _decision(watch, occurrence, Verdict.START, "", trigger)


def _window(watch: Watch, occurrence: Occurrence, world: World) -> timedelta:
    """Return how late an occurrence may still run: as said, else one period but seven days at most."""
    catch_up = watch.routine.catch_up
    if catch_up.within_seconds is not None:
        return timedelta(seconds=catch_up.within_seconds)
    if catch_up.policy == "all":
        return WEEK
    after = upcoming(watch.routine.schedule, after=occurrence.planned_at, count=1, almanac=world.almanac)
    return min(WEEK, after[0].planned_at - occurrence.planned_at) if after else WEEK


def _overlapped(watch: Watch, answer: Decision, *, running: bool, queued: int) -> Decision:
    if not running and not queued:
        return answer
    catches_all = watch.routine.catch_up.policy == "all" and answer.trigger is Trigger.CATCH_UP
    if catches_all or (watch.routine.overlap == "queue" and queued == 0):
        return _decision(watch, answer.occurrence, Verdict.QUEUE, "queued", answer.trigger)
    return _decision(watch, answer.occurrence, Verdict.SKIPPED, "overlap")


def _decision(
    watch: Watch, occurrence: Occurrence, verdict: Verdict, reason: str, trigger: Trigger = Trigger.SCHEDULE
) -> Decision:
    return Decision(routine=watch.routine.id, occurrence=occurrence, verdict=verdict, reason=reason, trigger=trigger)
