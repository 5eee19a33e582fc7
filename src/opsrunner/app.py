"""The composition root: builds mail, fleet and engine upon an open site. No logic lives here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from opsrunner.clock import Clock, SystemClock
from opsrunner.engine.alerts import Alerts
from opsrunner.engine.automated import Automated
from opsrunner.engine.by_hand import ByHand, find_routine
from opsrunner.engine.checklists import Checklists
from opsrunner.engine.clock_guard import ClockGuard
from opsrunner.engine.course import CourseTools
from opsrunner.engine.daemon import Daemon, Parts
from opsrunner.engine.entry_marks import EntryMarks
from opsrunner.engine.events import RunEvent, ignore
from opsrunner.engine.findings import FindingTasks
from opsrunner.engine.follow_ups import FollowUps
from opsrunner.engine.heartbeat import Pinger
from opsrunner.engine.human import Human
from opsrunner.engine.known_ledgers import KnownLedgers
from opsrunner.engine.looks import Looks
from opsrunner.engine.notices import NoticeHouse
from opsrunner.engine.outage import Outage
from opsrunner.engine.outbox import deliver_due, way_out
from opsrunner.engine.planning import Planning
from opsrunner.engine.recovery import Recovery
from opsrunner.engine.retention import Retention
from opsrunner.engine.row_choice import RowChoice
from opsrunner.engine.rungs import Rungs
from opsrunner.engine.runner import Runner
from opsrunner.engine.scheduler import AlarmClock
from opsrunner.engine.service import Face, Service
from opsrunner.engine.settling import Settling
from opsrunner.engine.state import ENTERED
from opsrunner.engine.tasks import TaskOpener
from opsrunner.engine.trial import Trial, TryResult
from opsrunner.engine.workers import Workers
from opsrunner.mail.transport import Transport
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run
from opsrunner.open_site import OpenSite, real_folders


def open_app(root: Path, state: Path | None = None, *, clock: Clock | None = None, mails_stay: bool = False) -> App:
    """Open a site and its state. Raises ConfigurationError or StateError.

    With `mails_stay` every mail goes into the state's Maildir, whatever the site says: a try reaches nobody.
    """
    return App(*real_folders(root, state), clock=clock or SystemClock(), mails_stay=mails_stay)


class App(OpenSite):
    """One opened site with all that runs. Parts are built when they are first needed."""

    def __init__(self, root: Path, state: Path, *, clock: Clock, mails_stay: bool) -> None:
        """Build for the site at `root`; `state` is made where it is missing."""
        super().__init__(root, state, clock=clock, is_trial=mails_stay)
        self._mails_stay = mails_stay
        self.draining, self.hurry = threading.Event(), threading.Event()

    @cached_property
    def alerts(self) -> Alerts:
        """The mails that go at once."""
        return Alerts(self.desk)

    @cached_property
    def follow_ups(self) -> FollowUps:
        """The tasks that stand for failing steps."""
        return FollowUps(self.desk)

    @cached_property
    def findings(self) -> FindingTasks:
        """The tasks about what audits find."""
        return FindingTasks(self.desk)

    @cached_property
    def notices(self) -> NoticeHouse:
        """What notices to customers are given."""
        return NoticeHouse(
            desk=self.desk,
            leave=self.leave,
            stream=self.sources.stream,
            read=self.sources.read,
            is_trial=self._mails_stay,
            now=self.clock.now,
        )

    def routine(self, name: str) -> Routine:
        """Return a routine in force. Raises NotFound with the closest name."""
        return find_routine(self.site, name)

    @cached_property
    def runner(self) -> Runner:
        """What takes runs through their steps."""
        return Runner(
            CourseTools(
                books=self.books,
                clock=self.clock,
                site=lambda: self.site,
                state=self.state,
                automated=self._automated,
                human=self.human,
                interruptions=self.follow_ups,
                marks=self._marks,
                outage=self.outage,
                is_draining=self.draining.is_set,
            )
        )

    @cached_property
    def outage(self) -> Outage:
        """What is known of a state that cannot be written."""
        return Outage(clock=self.clock, draining=self.draining)

    @cached_property
    def _marks(self) -> EntryMarks:
        return EntryMarks(self.state / ENTERED)

    @cached_property
    def _automated(self) -> Automated:
        return Automated(
            books=self.books,
            clock=self.clock,
            site=lambda: self.site,
            state=self.state,
            vault=self.vault,
            fleet=self.fleet,
            read_source=self.sources.read,
            stream_source=self.sources.stream,
            people=self.people,
            almanac=self.desk.almanac,
            follow_ups=self.follow_ups,
            findings=self.findings,
            notices=self.notices,
            alerts=self.alerts,
            open_store=self.open_store,
            history_of=self.in_force.history_of,
            is_trial=self.is_trial,
        )

    @cached_property
    def human(self) -> Human:
        """Human steps."""
        return Human(
            books=self.books,
            clock=self.clock,
            opener=TaskOpener(self.desk),
            checklists=Checklists(self.desk),
        )

    @cached_property
    def recovery(self) -> Recovery:
        """What sets things right after a crash."""
        return Recovery(books=self.books, clock=self.clock, follow_ups=self.follow_ups, marks=self._marks)

    @cached_property
    def looks(self) -> Looks:
        """What finds rows that are occasions."""
        read, draining = self.sources.read, self.draining
        return Looks(desk=self.desk, clock=self.clock, read_source=read, outage=self.outage, draining=draining)

    @cached_property
    def by_hand(self) -> ByHand:
        """Runs that people ask for."""
        return ByHand(
            books=self.books,
            clock=self.clock,
            in_force=self.in_force,
            runner=self.runner,
            recovery=self.recovery,
            lock=self.lock,
            deliver=self.deliver,
            row_choice=RowChoice(site=lambda: self.site, read_source=self.sources.read),
        )

    @cached_property
    def pinger(self) -> Pinger:
        """What tells the heartbeat's watcher that we live."""
        return Pinger(lambda: self.site.heartbeat, vault=self.vault, clock=self.clock)

    def deliver(self) -> int:
        """Hand over the mails that are due; return how many were tried."""
        return deliver_due(
            self.books.outbox,
            self.transport(),
            from_=self.site.mail.from_,
            clock=self.clock,
            complete=lambda mail: self.sign_in.with_link(mail, at=self.clock.now()),
            on_sent=self.pinger.mail_went,
            goes_on=lambda: not self.draining.is_set(),
        )

    def transport(self) -> Transport:
        """Return how mails leave this site now."""
        return way_out(self.site, state=self.state, vault=self.vault, stays=self._mails_stay)

    def run_by_hand(
        self,
        routine: str,
        *,
        actor: str,
        rerun_of: int | None = None,
        row: str | None = None,
        on_event: Callable[[RunEvent], None] = ignore,
    ) -> Run:
        """Run a routine for a person; see ByHand."""
        return self.by_hand.run(routine, actor=actor, rerun_of=rerun_of, row=row, on_event=on_event)

    def ask(self, question: Routine, *, actor: str, on_event: Callable[[RunEvent], None] = ignore) -> Run:
        """Ask hosts what stands in no file; see ByHand."""
        return self.by_hand.ask(question, actor=actor, on_event=on_event)

    def try_all(self, *, actor: str, on_event: Callable[[RunEvent], None] = ignore) -> TryResult:
        """Run every routine once; see Trial."""
        trial = Trial(
            books=self.books,
            clock=self.clock,
            state=self.state,
            in_force=self.in_force,
            by_hand=self.by_hand,
            digests=self.digests,
            deliver=self.deliver,
            announce=lambda: self.announcer.work(self.clock.now()),
        )
        return trial.run(actor=actor, on_event=on_event)

    def serve(self, face: Face | None = None) -> int:
        """Be the daemon until a signal, with `face` as its page; return the exit code.

        Raises StateLocked, LedgerDamaged or LedgerGone.
        """
        self.lock.take()
        parts = self.daemon_parts()
        try:
            self.books.ledger.require_intact()
            KnownLedgers(self.root).remember(self.state, self.books.ledger.id)
            return parts.run(face)
        finally:
            if not parts.workers.busy():  # else the end of the process gives it back, and not before
                self.lock.release()

    def daemon_parts(self) -> Service:
        """Build what `serve` keeps going."""
        alarm = AlarmClock()
        workers = Workers(self.runner, size=lambda: self.site.limits.workers)
        guard = ClockGuard(self.books, self.clock)
        parts = Parts(
            books=self.books,
            clock=self.clock,
            clock_guard=guard,
            in_force=self.in_force,
            planning=Planning(self.books, keep_time=guard.keep),
            workers=workers,
            human=self.human,
            settling=Settling(self.desk),
            rungs=Rungs(self.desk),
            digests=self.digests,
            looks=self.looks,
            recovery=self.recovery,
            prune=Retention(
                books=self.books,
                state=self.state,
                site=lambda: self.site,
                digests=self.digests,
                marks=self._marks,
                clock=self.clock,
            ).prune,
        )
        return Service(
            clock=self.clock,
            lock=self.lock,
            daemon=Daemon(parts, alarm=alarm, draining=self.draining, outage=self.outage),
            outage=self.outage,
            workers=workers,
            deliver=self.deliver,
            announce=lambda: self.announcer.work(self.clock.now()),
            pinger=self.pinger,
            grace_seconds=lambda: self.site.limits.grace_seconds,
            draining=self.draining,
            hurry=self.hurry,
        )
