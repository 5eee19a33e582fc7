"""Which due times run, wait, are skipped or are missed, and why: pure decisions.

`calendar`, `next`, the page and the daemon all ask this module, so what is shown is what happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import groupby

from opsrunner.engine.held import World, held_because, held_now
from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.run import Trigger
from opsrunner.model.schedule import Occurrence
from opsrunner.records import dataclass
from opsrunner.schedules.due import LOOK_AHEAD, occurrences, upcoming
from opsrunner.schedules.window_rules import free_from

ON_TIME = timedelta(seconds=60)
"""A start within this of its planned moment is on time; after it, it is catching up."""
WEEK = timedelta(days=7)
MOST_HELD = 1000
"""Of more due times than this, the schedule is walked along once more instead of keeping them all."""


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


def plan(watch: Watch, *, world: World, now: datetime) -> Iterator[Decision]:
    """Yield a decision for every due time in (watermark, now], in order.

    Each is made when it is asked for: a year of missed minutes takes no more memory than a day of them.
    """

    def walk() -> Iterator[Occurrence]:
        return occurrences(watch.routine.schedule, after=watch.watermark, until=now, almanac=world.almanac)

    tail = deque(walk(), maxlen=MOST_HELD)
    return _decisions(watch, tail, walk, world=world, now=now)


def plan_ahead(watch: Watch, *, world: World, now: datetime) -> tuple[Iterator[Decision], datetime | None]:
    """Return the same as `plan`, and when the routine is due next, in one walk along its schedule."""
    until = max(watch.watermark, now) + LOOK_AHEAD
    coming = occurrences(watch.routine.schedule, after=watch.watermark, until=until, almanac=world.almanac)
    first = next(coming, None)
    if first is None or first.planned_at > now:
        return iter(()), _moment_of(first)
    following = next(coming, None)
    if following is None or following.planned_at > now:  # one is due, as nearly always
        return _of_one(watch, first, world=world, now=now), _moment_of(following)
    tail = deque((first, following), maxlen=MOST_HELD)
    for following in coming:
        if following.planned_at > now:
            break
        tail.append(following)
    else:
        following = None

    def walk() -> Iterator[Occurrence]:
        return occurrences(watch.routine.schedule, after=watch.watermark, until=now, almanac=world.almanac)

    return _decisions(watch, tail, walk, world=world, now=now), _moment_of(following)


def plan_these(watch: Watch, due: Iterable[Occurrence], *, world: World, now: datetime) -> Iterator[Decision]:
    """Return a decision for each of some occurrences that are due, as `plan` does."""
    found = sorted(due)
    return _decisions(watch, deque(found, maxlen=MOST_HELD), lambda: iter(found), world=world, now=now)


def _moment_of(occurrence: Occurrence | None) -> datetime | None:
    return None if occurrence is None else occurrence.planned_at


def _decisions(
    watch: Watch, tail: deque[Occurrence], walk: Callable[[], Iterator[Occurrence]], *, world: World, now: datetime
) -> Iterator[Decision]:
    """Return a decision for each occurrence that is due. `tail` holds the last of them, `walk` goes along all."""
    if not tail:
        return iter(())
    if len(tail) == 1:
        return _of_one(watch, tail[0], world=world, now=now)
    is_whole = len(tail) < MOST_HELD
    latest = _latest_free(watch, reversed(tail), world)
    if latest is None and not is_whole:  # held for long: what was due before it is looked through as well
        free = (item for item in walk() if not held_because(watch.routine, item, watch.holds, world))
        latest = next(iter(deque(free, maxlen=1)), None)
    backlog = _Backlog(watch=watch, latest=latest, world=world, now=now)
    return _chosen(backlog, tail if is_whole else walk())


def _of_one(watch: Watch, occurrence: Occurrence, *, world: World, now: datetime) -> Iterator[Decision]:
    """Return the decision for the only occurrence that is due."""
    if reason := held_because(watch.routine, occurrence, watch.holds, world):
        return iter((_decision(watch, occurrence, Verdict.SKIPPED, reason),))
    is_on_time = now - occurrence.planned_at <= ON_TIME
    if is_on_time and not watch.is_running and not watch.queued:
        return iter((_decision(watch, occurrence, Verdict.START, ""),))
    backlog = _Backlog(watch=watch, latest=occurrence, world=world, now=now)
    return iter((_started(backlog, occurrence, running=watch.is_running, queued=watch.queued),))


def _latest_free(watch: Watch, backwards: Iterator[Occurrence], world: World) -> Occurrence | None:
    return next((item for item in backwards if not held_because(watch.routine, item, watch.holds, world)), None)


def accounted_until(own: datetime, planned_at: datetime | None) -> datetime:
    """Return up to when a routine is accounted for: by its own mark, and by each pass, which accounts for all."""
    return own if planned_at is None else max(own, planned_at)


def left_out_because(routine: Routine, coming: Sequence[Occurrence], holds: Sequence[Hold], world: World) -> list[str]:
    """Return of each occurrence why it is left out, or ''; of several at one moment all but one are `coalesced`.

    `coming` must hold all occurrences of the moments that it touches.
    """
    reasons = [held_because(routine, occurrence, holds, world) for occurrence in coming]
    if len(reasons) == 1:
        return reasons
    runs = _one_a_moment([occurrence for occurrence, reason in zip(coming, reasons, strict=True) if not reason])
    return [
        reason or ("" if runs[occurrence.planned_at] is occurrence else "coalesced")
        for occurrence, reason in zip(coming, reasons, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class _Backlog:
    """What is due of one routine, all together."""

    watch: Watch
    latest: Occurrence | None
    """The last one that nothing holds."""
    world: World
    now: datetime

    @cached_property
    def is_over(self) -> bool:
        """Tell whether even the latest one is too late to be caught up."""
        return self.latest is not None and self.now - self.latest.planned_at > self.window

    @cached_property
    def window(self) -> timedelta:
        """How late an occurrence may still run: as said, else one period but seven days at most."""
        catch_up = self.watch.routine.catch_up
        if catch_up.within_seconds is not None:
            return timedelta(seconds=catch_up.within_seconds)
        if catch_up.policy == "all" or self.latest is None:
            return WEEK
        after = self.latest.planned_at
        following = upcoming(self.watch.routine.schedule, after=after, count=1, almanac=self.world.almanac)
        return min(WEEK, following[0].planned_at - after) if following else WEEK


def _chosen(backlog: _Backlog, due: Iterable[Occurrence]) -> Iterator[Decision]:
    """Decide on each: what holds it first, then coalescing, then catching up, then overlap.

    `due` is in the order of planned and nominal moments, and so is the answer.
    """
    watch, world = backlog.watch, backlog.world
    running, queued = watch.is_running, watch.queued
    for _, group in groupby(due, key=_planned_at):
        at_once = list(group)
        reasons = left_out_because(watch.routine, at_once, watch.holds, world)
        for occurrence, reason in zip(at_once, reasons, strict=True):
            if reason:
                yield _decision(watch, occurrence, Verdict.SKIPPED, reason)
                continue
            answer = _started(backlog, occurrence, running=running, queued=queued)
            running = running or answer.verdict is Verdict.START
            queued += answer.verdict is Verdict.QUEUE
            yield answer


def _planned_at(occurrence: Occurrence) -> datetime:
    return occurrence.planned_at


def _started(backlog: _Backlog, occurrence: Occurrence, *, running: bool, queued: int) -> Decision:
    """Decide on one occurrence: whether it is too late, then what holds it now, then whether another is in its way."""
    watch, answer = backlog.watch, _caught_up(backlog, occurrence)
    if answer.verdict is not Verdict.START:
        return answer
    if answer.trigger is Trigger.CATCH_UP:
        if reason := held_now(watch.routine, watch.holds, backlog.world, now=backlog.now):
            return _decision(watch, occurrence, Verdict.SKIPPED, reason)
        free_at = free_from(watch.routine.schedule, backlog.now, backlog.world.almanac)
        if free_at > backlog.now and not running and not queued:
            return _kept_waiting(backlog, answer, until=free_at)
    if running or queued:
        return _overlapped(watch, answer, queued=queued)
    return answer


def _kept_waiting(backlog: _Backlog, answer: Decision, *, until: datetime) -> Decision:
    """Decide on a late one while a window is on that it avoids: it waits, unless one that will run waits as well."""
    watch, routine, world = backlog.watch, backlog.watch.routine, backlog.world
    if routine.catch_up.policy == "latest":
        following = occurrences(routine.schedule, after=backlog.now, until=until, almanac=world.almanac)
        if any(not held_because(routine, one, watch.holds, world) for one in following):
            return _decision(watch, answer.occurrence, Verdict.MISSED, "coalesced")
    return _decision(watch, answer.occurrence, Verdict.QUEUE, "queued", answer.trigger)


def _one_a_moment(free: list[Occurrence]) -> dict[datetime, Occurrence]:
    """Return, for each planned moment, the occurrence that runs: the one with the latest nominal time, the last."""
    return {occurrence.planned_at: occurrence for occurrence in free}


def _caught_up(backlog: _Backlog, occurrence: Occurrence) -> Decision:
    watch, late = backlog.watch, backlog.now - occurrence.planned_at
    policy, is_latest = watch.routine.catch_up.policy, occurrence == backlog.latest
    if late <= ON_TIME and (policy == "all" or is_latest):
        return _decision(watch, occurrence, Verdict.START, "")
    if policy == "skip":
        return _decision(watch, occurrence, Verdict.MISSED, "policy")
    if policy == "latest" and backlog.is_over:
        return _decision(watch, occurrence, Verdict.MISSED, "window")
    if policy == "latest" and not is_latest:
        return _decision(watch, occurrence, Verdict.MISSED, "coalesced")
    if policy == "all" and late > backlog.window:
        return _decision(watch, occurrence, Verdict.MISSED, "window")
    trigger = Trigger.CATCH_UP if late > ON_TIME else Trigger.SCHEDULE
    return _decision(watch, occurrence, Verdict.START, "", trigger)


def _overlapped(watch: Watch, answer: Decision, *, queued: int) -> Decision:
    catches_all = watch.routine.catch_up.policy == "all" and answer.trigger is Trigger.CATCH_UP
    if catches_all or (watch.routine.overlap == "queue" and queued == 0):
        return _decision(watch, answer.occurrence, Verdict.QUEUE, "queued", answer.trigger)
    return _decision(watch, answer.occurrence, Verdict.SKIPPED, "overlap")


def _decision(
    watch: Watch, occurrence: Occurrence, verdict: Verdict, reason: str, trigger: Trigger = Trigger.SCHEDULE
) -> Decision:
    return Decision(routine=watch.routine.id, occurrence=occurrence, verdict=verdict, reason=reason, trigger=trigger)
