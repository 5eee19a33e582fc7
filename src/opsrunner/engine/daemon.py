"""The daemon: one thin loop over `work_once`, which is a ladder of small duties."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsrunner.clock import Clock
from opsrunner.engine.by_hand import claim_by_hand
from opsrunner.engine.clock_guard import ClockGuard
from opsrunner.engine.digest import DigestWriter
from opsrunner.engine.digest_words import plural
from opsrunner.engine.forecast import world_of
from opsrunner.engine.human import Human
from opsrunner.engine.in_force import SiteInForce
from opsrunner.engine.outage import HOPELESS, Outage
from opsrunner.engine.planner import Decision, Verdict
from opsrunner.engine.planning import Planning
from opsrunner.engine.recovery import Recovery
from opsrunner.engine.rungs import Rungs
from opsrunner.engine.scheduler import AlarmClock
from opsrunner.engine.settling import Settling
from opsrunner.engine.workers import Workers
from opsrunner.errors import ConfigurationError, NotFound, OpsrunnerError, Refused
from opsrunner.ledger.books import Books
from opsrunner.ledger.requests import Request
from opsrunner.model.run import QUEUED, Run, RunStatus

LOGGER = logging.getLogger("opsrunner")
POLL_SECONDS = 0.5
LONGEST_LEAD_SECONDS = 0.5
"""A pass begins so long before its moment at most, to be ready to commit when it comes."""
FIRST_PACE_SECONDS = 0.002
"""What planning one routine is taken to cost until it has been measured."""
SMALLEST_LEAD_SECONDS = 0.004
QUIET_BEFORE_SECONDS = 0.3
"""Nothing else is begun so shortly before a pass."""
RELOAD_EVERY = timedelta(seconds=2)
PLAN_EVERY = timedelta(seconds=30)
PEOPLE_EVERY = timedelta(seconds=5)
PRUNE_EVERY = timedelta(seconds=10)
HUNG_AFTER_SECONDS = 120.0
"""Passes come every 30 s at least; the longest waits for the ledger and writes a digest."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the daemon drives."""

    books: Books
    clock: Clock
    clock_guard: ClockGuard
    in_force: SiteInForce
    planning: Planning
    workers: Workers
    human: Human
    settling: Settling
    rungs: Rungs
    digests: DigestWriter
    recovery: Recovery
    prune: Callable[[datetime], None]


class Daemon:
    """Plans, starts, settles, reminds and reports, until it is told to stop."""

    def __init__(self, parts: Parts, *, alarm: AlarmClock, draining: threading.Event, outage: Outage) -> None:
        self._parts = parts
        self._outage = outage
        self._books = parts.books
        self._alarm = alarm
        self._draining = draining
        self._last: dict[str, datetime] = {}
        self._next_at: datetime | None = None
        self._version = -1
        self._is_current = False
        self._has_begun = False
        self._pace_seconds = FIRST_PACE_SECONDS
        self._lead = timedelta()
        self._planned_seconds: float | None = None
        """When the last planner pass succeeded, on the steady clock; None after one that did not."""

    def begin(self) -> None:
        """Recover from the last end, and put the site in force; with a clock in doubt that waits until it is believed.

        Called once, with the lock held.
        """
        now = self._time()
        if now is not None:
            self._begin(now)

    def _begin(self, now: datetime) -> None:
        self._put_in_force(now)
        for run_id in self._parts.recovery.recover():
            self._parts.workers.start(run_id)
        self._has_begun = True

    def loop(self) -> None:
        """Work until `draining` is set. Raises LedgerDamaged, LedgerGone or LedgerNewer: somebody has to look."""
        self._alarm.start()
        try:
            while not self._draining.is_set():
                try:
                    self.work_once()
                    self._outage.passed()
                except HOPELESS:
                    raise
                except OpsrunnerError as exc:
                    self._planned_seconds = None
                    self._outage.failed(exc)
                    self._draining.wait(2)
                self._alarm.wait(POLL_SECONDS)
        finally:
            self._alarm.stop()

    def is_healthy(self) -> bool:
        """Tell whether planner passes succeed: a pass that hangs is no better than one that fails."""
        last = self._planned_seconds
        return last is not None and self._parts.clock.monotonic() - last < HUNG_AFTER_SECONDS

    def work_once(self) -> None:
        """Do every duty that is due now; none while the clock is in doubt."""
        now = self._time()
        if now is None:
            return
        if not self._has_begun:
            self._begin(now)
        if self._next_at is not None and now >= self._next_at - self._lead:
            self._plan(max(now, self._next_at))  # what was in force until now is accounted for before it changes
        if self._is_close(now):
            return  # to be there when it is due
        if self._is_time("reload", RELOAD_EVERY, now):
            self._reload(now)
        if self._next_at is None or now >= self._next_at or self._is_time("plan", PLAN_EVERY, now):
            self._plan(now)
        version = self._books.ledger.version()
        if version != self._version or self._is_time("people", PEOPLE_EVERY, now):
            self._version = version
            self._requests(now)
            self._people(now)
            self._queued(now)
            self._orphans()
        if self._is_time("digests", PEOPLE_EVERY, now):
            self._digests(now)
        if self._is_time("prune", PRUNE_EVERY, now):
            self._parts.prune(now)

    def _is_close(self, now: datetime) -> bool:
        """Tell whether a pass is about to begin."""
        if self._next_at is None:
            return False
        ahead = (self._next_at - self._lead - now).total_seconds()
        return 0 < ahead < QUIET_BEFORE_SECONDS

    def knows_the_time(self) -> bool:
        """Tell whether the clock can be believed now."""
        return self._parts.clock_guard.is_believed()

    def _time(self) -> datetime | None:
        """Return the present moment, or None while the clock is in doubt: then the daemon is not healthy."""
        now = self._parts.clock_guard.look()
        if now is None:
            self._planned_seconds, self._next_at = None, None  # the first thing after a doubt is a pass
        elif (last := self._last.get("plan")) is not None and now < last:
            self._parts.planning.look_again()
            self._next_at = None
        return now

    def _is_time(self, duty: str, every: timedelta, now: datetime) -> bool:
        """Tell whether a duty was last done `every` ago, or the clock was set back since; note it as done."""
        last = self._last.get(duty)
        if last is not None and last <= now < last + every:
            return False
        self._last[duty] = now
        return True

    def _reload(self, now: datetime) -> None:
        try:
            changed = self._parts.in_force.refresh()
        except ConfigurationError as exc:
            LOGGER.error("the site stays as it was: %s", exc, extra={"action": "reload_refused"})  # noqa: TRY400
            return
        self._is_current = self._is_current and not changed
        if not self._is_current:  # also where it could not be written the last time
            self._put_in_force(now)

    def _put_in_force(self, now: datetime) -> None:
        force = self._parts.in_force
        count = plural(len(force.site.routines), "routine")
        with self._books.transaction(alone=True):
            self._parts.planning.put_in_force(force.site.routines, frozen=force.frozen(), at=now)
            self._books.audit.add("reload", "site", actor="opsrunner", at=now, detail=count, address="")
        self._is_current, self._next_at = True, None
        for problem in force.loaded.problems:
            LOGGER.error("%s", problem, extra={"action": "broken_file"})
        LOGGER.info("%s in force", count, extra={"action": "in_force", "routines": len(force.site.routines)})

    def _plan(self, now: datetime) -> None:
        """Plan for `now`, which may lie a little ahead: then it is committed, and entered, when it comes."""
        force, clock, workers = self._parts.in_force, self._parts.clock, self._parts.workers
        began = clock.monotonic()
        waited = 0.0

        def until_due() -> None:
            nonlocal waited
            waited = max(0.0, (now - clock.now()).total_seconds())
            if waited:
                self._draining.wait(min(waited, LONGEST_LEAD_SECONDS))

        count = self._parts.planning.due_at(now)
        workers.make_room(count)
        done = self._parts.planning.run(
            world=world_of(force.site, force.almanac), now=now, prepare=workers.prepare, until_due=until_due
        )
        workers.hand_over(done.started)
        self._last["plan"] = min(now, clock.now())
        self._planned_seconds = clock.monotonic()
        if count:
            self._pace_seconds = (self._pace_seconds + (self._planned_seconds - began - waited) / count) / 2
        self._set_alarm(done.next_at)
        _log_left_out(done.decisions)

    def _set_alarm(self, next_at: datetime | None) -> None:
        """Be woken for a moment, so much before it as its pass will take."""
        self._next_at = next_at
        if next_at is None:
            self._alarm.set(None)
            return
        seconds = SMALLEST_LEAD_SECONDS + 1.3 * self._pace_seconds * self._parts.planning.due_at(next_at)
        self._lead = timedelta(seconds=min(LONGEST_LEAD_SECONDS, seconds))
        self._alarm.set(next_at - self._lead)

    def _requests(self, now: datetime) -> None:
        for request in self._books.requests.waiting():
            run_id = self._answer(request, now)
            if run_id is not None:
                self._parts.workers.start(run_id)

    def _answer(self, request: Request, now: datetime) -> int | None:
        """Do what was asked and answer it, both or neither; return the run that is to start then."""
        with self._books.transaction():
            fresh = self._books.requests.get(request.id)
            if fresh is None or fresh.taken_at is not None:
                return None  # withdrawn since
            try:
                run = self._cancel(request, now) if request.kind == "cancel" else self._claim(request, now)
            except (Refused, NotFound) as exc:
                self._books.requests.take(request.id, at=now, run=None, answer=str(exc))
                return None
            self._books.requests.take(request.id, at=now, run=run.id)
        return run.id if request.kind == "run" and run.status is RunStatus.RUNNING else None

    def _claim(self, request: Request, now: datetime) -> Run:
        force = self._parts.in_force
        routine = force.site.routines.get(request.routine or "")
        if routine is None:
            raise NotFound(f"there is no routine {request.routine}")
        return claim_by_hand(
            self._books,
            routine,
            frozen=force.frozen()[routine.id],
            actor=request.actor,
            at=now,
            rerun_of=request.detail.get("rerun_of"),
        )

    def _cancel(self, request: Request, now: datetime) -> Run:
        run = self._books.runs.get(request.run or 0)
        if run.status.is_final:
            raise Refused(f"run {run.id} has ended: {run.status.value}")
        if not self._parts.workers.stop(run.id):
            self._books.runs.finish(run.id, status=RunStatus.CANCELLED, reason="asked", at=now)
        return run

    def _people(self, now: datetime) -> None:
        self._parts.settling.expire_due(now)
        self._parts.rungs.climb(now)
        leaving = set(self._parts.workers.busy())  # their threads have not let go of them yet
        for run_id in self._parts.human.ready(now):
            if run_id not in leaving and self._books.runs.go_on(run_id):
                self._parts.workers.start(run_id)

    def _queued(self, now: datetime) -> None:
        """Start what waits behind a run of its own routine that has ended."""
        for run in self._books.runs.active():
            if run.reason == QUEUED and self._books.runs.start_queued(run.id, at=now):
                self._parts.workers.start(run.id)

    def _orphans(self) -> None:
        """Take up runs that no thread works on: a fault or a full disk threw their thread out."""
        busy = set(self._parts.workers.busy())
        for run in self._books.runs.active():
            if run.status is RunStatus.RUNNING and run.id not in busy and self._parts.recovery.take_up(run.id):
                self._parts.workers.start(run.id)

    def _digests(self, now: datetime) -> None:
        for series in self._parts.digests.due(now):
            self._parts.digests.write(series, now)


def _log_left_out(decisions: Sequence[Decision]) -> None:
    """Say what does not run now, and why: one line a routine and reason, however long nobody was here."""
    left_out: dict[tuple[str, Verdict, str], list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.verdict is not Verdict.START:
            left_out[(decision.routine, decision.verdict, decision.reason)].append(decision)
    for (routine, verdict, reason), alike in left_out.items():
        times = f" and {len(alike) - 1} before" if len(alike) > 1 else ""
        LOGGER.log(
            logging.WARNING if verdict is Verdict.MISSED else logging.INFO,
            "%s, due %s UTC%s: %s (%s)",
            routine,
            f"{alike[-1].occurrence.planned_at:%Y-%m-%d %H:%M}",
            times,
            verdict.value,
            reason,
            extra={"action": f"occurrence_{verdict.value}", "routine": routine},
        )
