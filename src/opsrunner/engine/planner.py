"""Which due times run, wait, are skipped or are missed, and why: pure decisions.

`calendar`, `next`, the page and the daemon all ask this module, so what is shown is what happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.run import Trigger
from opsrunner.model.schedule import Freeze, Occurrence
from opsrunner.model.site import Site
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import LOOK_AHEAD, occurrences, upcoming
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
    due = occurrences(watch.routine.schedule, after=watch.watermark, until=now, almanac=world.almanac)
    return _decisions(watch, list(due), world=world, now=now)


def plan_ahead(watch: Watch, *, world: World, now: datetime) -> tuple[list[Decision], datetime | None]:
    """Return the same as `plan`, and when the routine is due next, in one walk along its schedule."""
    until = max(watch.watermark, now) + LOOK_AHEAD
    due: list[Occurrence] = []
    following = None
    for occurrence in occurrences(watch.routine.schedule, after=watch.watermark, until=until, almanac=world.almanac):
        if occurrence.planned_at > now:
            following = occurrence.planned_at
            break
        due.append(occurrence)
    return _decisions(watch, due, world=world, now=now), following


def _decisions(watch: Watch, due: list[Occurrence], *, world: World, now: datetime) -> list[Decision]:
    """Return a decision for each occurrence that is due, in their order."""
    if not due:
        return []
    reasons = [held_because(watch.routine, occurrence, watch.holds, world) for occurrence in due]
    if len(due) == 1 and not reasons[0]:  # as nearly always
        return [_started(watch, due[0], due[0], running=watch.is_running, queued=watch.queued, world=world, now=now)]
    free = [occurrence for occurrence, reason in zip(due, reasons, strict=True) if not reason]
    chosen = _chosen(watch, free, world=world, now=now)
    return [
        _decision(watch, occurrence, Verdict.SKIPPED, reason) if reason else next(chosen)
        for occurrence, reason in zip(due, reasons, strict=True)
    ]


def accounted_until(own: datetime, planned_at: datetime | None) -> datetime:
    """Return up to when a routine is accounted for: by its own mark, and by each pass, which accounts for all."""
    return own if planned_at is None else max(own, planned_at)


def next_due(watch: Watch, *, world: World, now: datetime) -> datetime | None:
    """Return when the routine is next due, or None where it never is again."""
    after = max(watch.watermark, now)
    coming = occurrences(watch.routine.schedule, after=after, until=after + LOOK_AHEAD, almanac=world.almanac)
    first = next(coming, None)
    return first.planned_at if first else None


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


def left_out_because(routine: Routine, coming: Sequence[Occurrence], holds: Sequence[Hold], world: World) -> list[str]:
    """Return of each occurrence why it is left out, or ''; of several at one moment all but one are `coalesced`.

    `coming` must hold all occurrences of the moments that it touches.
    """
    reasons = [held_because(routine, occurrence, holds, world) for occurrence in coming]
    runs = _one_a_moment([occurrence for occurrence, reason in zip(coming, reasons, strict=True) if not reason])
    return [
        reason or ("" if runs[occurrence.planned_at] is occurrence else "coalesced")
        for occurrence, reason in zip(coming, reasons, strict=True)
    ]


def _pauses(hold: Hold, at: datetime) -> bool:
    if hold.kind != "pause" or hold.until is None or not hold.created_at <= at < hold.until:
        return False
    return hold.ended_at is None or at < hold.ended_at


def _chosen(watch: Watch, free: list[Occurrence], *, world: World, now: datetime) -> Iterator[Decision]:
    """Decide on what nothing holds: coalescing first, then catching up, then overlap.

    `free` is in the order of planned and nominal moments, and so is the answer.
    """
    moments = _one_a_moment(free)
    running, queued = watch.is_running, watch.queued
    for occurrence in free:
        if moments[occurrence.planned_at] is not occurrence:
            yield _decision(watch, occurrence, Verdict.SKIPPED, "coalesced")
            continue
        answer = _started(watch, occurrence, free[-1], running=running, queued=queued, world=world, now=now)
        running = running or answer.verdict is Verdict.START
        queued += answer.verdict is Verdict.QUEUE
        yield answer


def _started(
    watch: Watch, occurrence: Occurrence, latest: Occurrence, *, running: bool, queued: int, world: World, now: datetime
) -> Decision:
    """Decide on one occurrence of those up to `latest`: whether it is too late, then whether another is in its way."""
    answer = _caught_up(watch, occurrence, latest, world=world, now=now)
    if answer.verdict is Verdict.START and (running or queued):
        return _overlapped(watch, answer, queued=queued)
    return answer


def _one_a_moment(free: list[Occurrence]) -> dict[datetime, Occurrence]:
    """Return, for each planned moment, the occurrence that runs: the one with the latest nominal time, the last."""
    return {occurrence.planned_at: occurrence for occurrence in free}


def _caught_up(watch: Watch, occurrence: Occurrence, latest: Occurrence, *, world: World, now: datetime) -> Decision:
    late = now - occurrence.planned_at
    policy = watch.routine.catch_up.policy
    if late <= ON_TIME and (policy == "all" or occurrence is latest):
        return _decision(watch, occurrence, Verdict.START, "")
    if policy == "skip":
        return _decision(watch, occurrence, Verdict.MISSED, "policy")
    if policy == "latest" and now - latest.planned_at > _window(watch, latest, world):
        return _decision(watch, occurrence, Verdict.MISSED, "window")
    if policy == "latest" and occurrence is not latest:
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


def _overlapped(watch: Watch, answer: Decision, *, queued: int) -> Decision:
    catches_all = watch.routine.catch_up.policy == "all" and answer.trigger is Trigger.CATCH_UP
    if catches_all or (watch.routine.overlap == "queue" and queued == 0):
        return _decision(watch, answer.occurrence, Verdict.QUEUE, "queued", answer.trigger)
    return _decision(watch, answer.occurrence, Verdict.SKIPPED, "overlap")


def _decision(
    watch: Watch, occurrence: Occurrence, verdict: Verdict, reason: str, trigger: Trigger = Trigger.SCHEDULE
) -> Decision:
    return Decision(routine=watch.routine.id, occurrence=occurrence, verdict=verdict, reason=reason, trigger=trigger)
