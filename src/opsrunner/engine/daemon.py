"""The daemon: one thin loop over `work_once`, which is a ladder of small duties."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from opsrunner.clock import Clock
from opsrunner.engine.asking import thawed_question
from opsrunner.engine.by_hand import claim_by_hand
from opsrunner.engine.clock_guard import ClockGuard
from opsrunner.engine.digest import DigestWriter
from opsrunner.engine.digest_words import plural
from opsrunner.engine.held import world_of
from opsrunner.engine.human import Human
from opsrunner.engine.in_force import SiteInForce
from opsrunner.engine.looks import Looks
from opsrunner.engine.outage import HOPELESS, Outage
from opsrunner.engine.passes import Passes
from opsrunner.engine.planning import Planning
from opsrunner.engine.queue import start_next
from opsrunner.engine.recovery import Recovery
from opsrunner.engine.rungs import Rungs
from opsrunner.engine.scheduler import AlarmClock
from opsrunner.engine.settling import Settling
from opsrunner.engine.workers import Workers
from opsrunner.errors import ConfigurationError, NotFound, OpsrunnerError, Refused
from opsrunner.ledger.books import Books
from opsrunner.ledger.requests import Request
from opsrunner.model.rows import KeyedRow
from opsrunner.model.run import Run, RunStatus
from opsrunner.records import dataclass
from opsrunner.steps.ready import get_ready

LOGGER = logging.getLogger("opsrunner")
POLL_SECONDS = 0.5
RELOAD_EVERY = timedelta(seconds=2)
RELOAD_AT_LEAST_EVERY = timedelta(seconds=4)
LOOKS_SHARE = 1 / 500
"""Of a core, for looking whether files have changed: a site of a thousand is looked at less often than a small one."""
PEOPLE_EVERY = timedelta(seconds=5)
PRUNE_EVERY = timedelta(seconds=10)
LOOK_EVERY = timedelta(seconds=1)
WITHOUT_HISTORY = (
    "routines/%s.yaml: renamed_from: there is no history of '%s', so %s begins without one; to carry one over, give the"
    " file yet another name, and here the id that the history stands under"
)
ROWS_SHARE = 2
"""Of the workers, this part at most walks runs for rows: what is scheduled finds a thread, however many rows come."""


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
    looks: Looks
    recovery: Recovery
    prune: Callable[[datetime], None]


class Daemon:
    """Plans, starts, settles, reminds and reports, until it is told to stop."""

    def __init__(self, parts: Parts, *, alarm: AlarmClock, draining: threading.Event, outage: Outage) -> None:
        self._parts = parts
        self._outage = outage
        self._books = parts.books
        self._alarm = alarm
        self._passes = Passes(
            clock=parts.clock,
            planning=parts.planning,
            workers=parts.workers,
            alarm=alarm,
            draining=draining,
        )
        self._draining = draining
        self._last: dict[str, datetime] = {}
        self._reload_every = RELOAD_EVERY
        self._version = -1
        self._is_current = False
        self._has_news_of_windows = False
        self._has_begun = False

    def begin(self) -> None:
        """Recover from the last end, and put the site in force; with a clock in doubt that waits until it is believed.

        Called once, with the lock held.
        """
        now = self._time()
        if now is None:
            self._parts.recovery.end_processes()
        else:
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
                    self._passes.failed()
                    self._outage.failed(exc)
                    self._draining.wait(2)
                self._alarm.wait(POLL_SECONDS)
        finally:
            self._alarm.stop()

    def is_healthy(self) -> bool:
        """Tell whether planner passes succeed, a pass that hangs being no better than one that fails, and digests."""
        return self._passes.are_healthy() and self._parts.digests.are_healthy()

    def work_once(self) -> None:
        """Do every duty that is due now; none while the clock is in doubt."""
        now = self._time()
        if now is None:
            return
        if not self._has_begun:
            self._begin(now)
        self._has_news_of_windows |= self._parts.in_force.has_news_of_windows()
        if self._has_news_of_windows:  # what was moved is not to start at its old time
            self._reload(now)
        if self._passes.is_due(now):  # what was in force until now is accounted for before it changes
            if self._passes.run(now):
                return  # what was handed over is entered first, the other duties come with the next look
            now = max(now, self._parts.clock.now())
        if self._passes.is_close(now):
            return  # to be there when it is due
        if self._is_time("reload", self._reload_every, now):
            self._reload(now)
        if self._passes.is_called_for(now):
            self._passes.run(now)
        self._see_to_others(now)

    def _see_to_others(self, now: datetime) -> None:
        """Do what has no moment of its own: requests, people, digests, tidying."""
        version = self._books.ledger.version()
        if version != self._version or self._is_time("people", PEOPLE_EVERY, now):
            self._version = version
            self._requests(now)
            self._people(now)
            self._queued(now)
            self._orphans()
        if self._is_time("looks", LOOK_EVERY, now):
            self._parts.looks.begin_due(now)
        if self._is_time("digests", PEOPLE_EVERY, now):
            self._parts.digests.write_due(now)
        if self._is_time("prune", PRUNE_EVERY, now):
            self._parts.prune(now)

    def knows_the_time(self) -> bool:
        """Tell whether the clock can be believed now."""
        return self._parts.clock_guard.is_believed()

    def _time(self) -> datetime | None:
        """Return the present moment, or None while the clock is in doubt: then the daemon is not healthy."""
        now = self._parts.clock_guard.look()
        self._passes.see(now)
        return now

    def _is_time(self, duty: str, every: timedelta, now: datetime) -> bool:
        """Tell whether a duty was last done `every` ago, or the clock was set back since; note it as done."""
        last = self._last.get(duty)
        if last is not None and last <= now < last + every:
            return False
        self._last[duty] = now
        return True

    def _reload(self, now: datetime) -> None:
        began = self._parts.clock.monotonic()
        try:
            changed = self._parts.in_force.refresh()
        except ConfigurationError as exc:
            LOGGER.error("the site stays as it was: %s", exc, extra={"action": "reload_refused"})  # noqa: TRY400 (a sentence is enough)
            return
        took = timedelta(seconds=self._parts.clock.monotonic() - began)
        self._reload_every = max(RELOAD_EVERY, min(took / LOOKS_SHARE, RELOAD_AT_LEAST_EVERY))
        self._is_current = self._is_current and not changed
        if not self._is_current:  # also where it could not be written the last time
            self._put_in_force(now)

    def _put_in_force(self, now: datetime) -> None:
        force, site = self._parts.in_force, self._parts.in_force.site
        count = plural(len(site.routines), "routine")

        def beside() -> None:
            self._parts.looks.put_in_force()
            self._books.service.keep_site_file(force.loaded.site_text)
            self._books.service.keep_inventory(force.loaded.inventory_text)
            self._books.service.keep_maintenance_file(force.loaded.maintenance_text)
            self._books.audit.add("reload", "site", actor="opsrunner", at=now, detail=count, address="")

        get_ready(site.routines.values())
        world = world_of(site, force.almanac)
        put_in_force = self._parts.planning.put_in_force
        without = put_in_force(site.routines, world=world, at=now, broken=site.broken, beside=beside)
        self._is_current, self._has_news_of_windows = True, False
        self._passes.call_for_one()
        for problem in force.loaded.problems:
            LOGGER.error("%s", problem, extra={"action": "broken_file"})
        for routine in without:
            LOGGER.warning(
                WITHOUT_HISTORY, routine.id, routine.renamed_from, routine.id, extra={"action": "no_history"}
            )
        LOGGER.info("%s in force", count, extra={"action": "in_force", "routines": len(force.site.routines)})

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
        force, frozen = self._parts.in_force, request.detail.get("frozen")
        routine = thawed_question(frozen) if frozen else force.site.routines.get(request.routine or "")
        if routine is None:
            raise NotFound(f"there is no routine {request.routine}")
        said = request.detail.get("occasion")
        return claim_by_hand(
            self._books,
            routine,
            actor=request.actor,
            at=now,
            rerun_of=request.detail.get("rerun_of"),
            occasion=KeyedRow(key=said["key"], row=said["row"]) if said else None,
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
        """Start the runs whose turn has come."""
        site, almanac = self._parts.in_force.site, self._parts.in_force.almanac
        most = max(1, site.limits.workers // ROWS_SHARE)
        for run_id in start_next(self._books, site, world_of(site, almanac), most_for_rows=most, now=now):
            self._parts.workers.start(run_id)

    def _orphans(self) -> None:
        """Take up runs that no thread works on: a fault or a full disk threw their thread out."""
        busy = set(self._parts.workers.busy())
        for run in self._books.runs.active(status=RunStatus.RUNNING):
            if run.id not in busy and self._parts.recovery.take_up(run.id):
                self._parts.workers.start(run.id)
