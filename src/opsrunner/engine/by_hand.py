"""Runs that people ask for."""

from __future__ import annotations

import difflib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from opsrunner.clock import Clock
from opsrunner.config.freezing import freeze
from opsrunner.engine.asking import is_asked
from opsrunner.engine.events import RunEvent, ignore
from opsrunner.engine.in_force import SiteInForce
from opsrunner.engine.recovery import Recovery
from opsrunner.engine.row_choice import RowChoice, needs_row, no_row_words
from opsrunner.engine.runner import Runner
from opsrunner.engine.state import StateLock
from opsrunner.engine.stopping import StopWord
from opsrunner.errors import NotFound, Refused, StateLocked
from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.model.routine import Routine
from opsrunner.model.rows import KeyedRow
from opsrunner.model.run import QUEUED, Run, RunStatus, Trigger
from opsrunner.model.site import Site
from opsrunner.records import dataclass
from opsrunner.steps.ready import get_ready

FOLLOW_SECONDS = 0.2
TAKEN_WITHIN_SECONDS = 30.0
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def claim_by_hand(
    books: Books,
    routine: Routine,
    *,
    actor: str,
    at: datetime,
    rerun_of: int | None = None,
    occasion: KeyedRow | None = None,
) -> Run:
    """Write a run by hand of `routine` under its overlap policy.

    The answer is `running`, or `waiting` (queued) behind the run that is under way. Raises Refused where the policy
    is `skip` and one runs, or one is queued already. A run for a row (`occasion`, or that of the run that it is
    another try of) waits for no other, and there is one at a time.
    """
    if rerun_of is not None and books.runs.get(rerun_of).routine != routine.id:
        raise NotFound(f"run {rerun_of} is not a run of {routine.id}")
    occasion = occasion or (books.known_rows.of_run(rerun_of) if rerun_of is not None else None)
    if occasion is None and needs_row(routine):
        raise Refused(no_row_words(routine))
    with books.transaction():
        active = _in_its_way(books, routine, occasion)
        running = [run for run in active if run.status is RunStatus.RUNNING]
        queued = [run for run in active if run.reason == QUEUED]
        if running and (routine.overlap == "skip" or queued):
            why = "one more is queued already" if queued else "its overlap policy is `skip`"
            raise Refused(f"{routine.id} runs already (run {running[0].id}), and {why}")
        run = books.runs.claim(
            NewRun(
                routine=routine.id,
                trigger=Trigger.MANUAL if rerun_of is None else Trigger.RERUN,
                status=RunStatus.WAITING if running else RunStatus.RUNNING,
                reason=QUEUED if running else "",
                actor=actor,
                rerun_of=rerun_of,
                row_key=_new_key(books, routine, occasion, at=at),
                frozen=books.runs.freeze(freeze(routine)),
            ),
            at=at,
        )
        if run is None:
            raise Refused(f"{routine.id} cannot be run now")
        if occasion is not None:
            books.known_rows.give(run.id, occasion)
        if is_asked(routine):
            books.routines.note_asked(routine.id, routine.name, at=at)
        detail = f"{routine.id}, {routine.name}" if is_asked(routine) else routine.id
        books.audit.add("run", f"run {run.id}", actor=actor, at=at, detail=detail)
        return run


def _in_its_way(books: Books, routine: Routine, occasion: KeyedRow | None) -> list[Run]:
    """Return the runs of a routine that have not ended and that a run by hand has to respect.

    Raises Refused where one for the same row is under way.
    """
    active = books.runs.active(routine.id)
    if routine.on_rows is None:
        return active
    keys = books.known_rows.keys_of([run.id for run in active])
    if occasion is None:
        return [run for run in active if run.id not in keys]
    same = next((run for run in active if keys.get(run.id) == occasion.key), None)
    if same is not None:
        raise Refused(f"{routine.id} has a run for {occasion.key} that has not ended: run {same.id}")
    return []


def _new_key(books: Books, routine: Routine, occasion: KeyedRow | None, *, at: datetime) -> str | None:
    """Return the key under which a run by hand accounts for its row, where that is new; then it is known.

    None where the row is known already, and before there is a baseline: it is only run for once more.
    """
    if occasion is None or not books.known_rows.unknown(routine.id, [occasion.key]):
        return None
    standing = books.known_rows.standing(routine.id)
    if standing is None or standing.baseline_at is None:
        return None
    books.known_rows.learn(routine.id, [occasion.key], at=at)
    return occasion.key


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """What somebody wants to have run: a routine in force, or a question that stands in no file."""

    routine: str
    question: Routine | None = None
    actor: str
    rerun_of: int | None = None
    occasion: KeyedRow | None = None


@dataclass(frozen=True, kw_only=True)
class ByHand:
    """Runs a routine for a person: through the daemon where one lives, else here, with the lock held."""

    books: Books
    clock: Clock
    in_force: SiteInForce
    runner: Runner
    recovery: Recovery
    lock: StateLock
    deliver: Callable[[], int]
    row_choice: RowChoice

    def run(
        self,
        routine: str,
        *,
        actor: str,
        rerun_of: int | None,
        row: str | None = None,
        on_event: Callable[[RunEvent], None],
    ) -> Run:
        """Run a routine, for the row with the key `row` where one is named, and return the run as it ended or waits.

        Raises NotFound or Refused.
        """
        found = find_routine(self.in_force.site, routine)
        occasion = None if row is None else self.row_choice.named(found, row)
        return self._do(_Wish(routine=routine, actor=actor, rerun_of=rerun_of, occasion=occasion), on_event)

    def ask(self, question: Routine, *, actor: str, on_event: Callable[[RunEvent], None]) -> Run:
        """Ask hosts what stands in no file, and return the run as `run` does. Raises Refused."""
        return self._do(_Wish(routine=question.id, question=question, actor=actor), on_event)

    def _do(self, wish: _Wish, on_event: Callable[[RunEvent], None]) -> Run:
        try:
            self.lock.take()
        except StateLocked:
            return self._through_the_daemon(wish, on_event)
        try:
            return self._here(wish, on_event)
        finally:
            self.lock.release()

    def _here(self, wish: _Wish, on_event: Callable[[RunEvent], None]) -> Run:
        for left in self.recovery.recover():  # begun by a daemon that is no more: they come first, as at its next start
            self.runner.execute(left, StopWord(), ignore)
        found = wish.question or self.in_force.site.routines[wish.routine]
        get_ready([found])
        now = self.clock.now()
        run = claim_by_hand(self.books, found, actor=wish.actor, at=now, rerun_of=wish.rerun_of, occasion=wish.occasion)
        stop = StopWord()
        with _stopped_by_signals(stop):
            ended = self.runner.execute(run.id, stop, on_event)
        self.deliver()
        return ended

    def _through_the_daemon(self, wish: _Wish, on_event: Callable[[RunEvent], None]) -> Run:
        if doubt := self.books.service.clock_doubt():
            raise Refused(f"the daemon holds everything: {doubt}")
        frozen = freeze(wish.question) if wish.question else ""
        asked = self.books.requests.ask_for_run(
            wish.routine,
            actor=wish.actor,
            at=self.clock.now(),
            rerun_of=wish.rerun_of,
            frozen=frozen,
            occasion=wish.occasion,
        )
        run_id = self._taken(asked)
        told: set[tuple[str, str]] = set()
        while True:
            lives = self.lock.is_held()  # asked before the run: the last thing that a daemon writes is seen
            run = self.books.runs.get(run_id)
            self._tell(run, told, on_event)
            if run.status is not RunStatus.RUNNING and run.reason != QUEUED:
                return run
            if not lives:
                raise Refused(
                    f"the daemon ended, and run {run_id} did not; it is looked after when opsrunner serve works"
                )
            time.sleep(FOLLOW_SECONDS)

    def _taken(self, asked: int) -> int:
        """Wait until the daemon has taken the request. Raises Refused with its answer."""
        deadline = self.clock.monotonic() + TAKEN_WITHIN_SECONDS
        while self.clock.monotonic() < deadline:
            request = self.books.requests.get(asked)
            if request is not None and request.taken_at is not None:
                if request.run is None:
                    raise Refused(request.answer or "the daemon refused")
                return request.run
            time.sleep(FOLLOW_SECONDS)
        self.books.requests.take(asked, at=self.clock.now(), run=None, answer="withdrawn")
        raise Refused("the daemon does not answer, so the request was withdrawn; its log tells why")

    def _tell(self, run: Run, told: set[tuple[str, str]], on_event: Callable[[RunEvent], None]) -> None:
        """Tell what is new in the ledger since the last look."""
        for record in self.books.steps.of_run(run.id):
            for kind, is_so in (("step_started", True), ("step_finished", record.finished_at is not None)):
                if not is_so or (record.id, kind) in told:
                    continue
                told.add((record.id, kind))
                seconds = 0.0
                if record.started_at and record.finished_at:
                    seconds = (record.finished_at - record.started_at).total_seconds()
                on_event(
                    RunEvent(
                        kind=kind,
                        run=run.id,
                        routine=run.routine,
                        name=run.routine,
                        step=record.id,
                        status=record.status.value,
                        message=record.outcome.message if record.outcome else "",
                        seconds=seconds,
                    )
                )


@contextmanager
def _stopped_by_signals(stop: StopWord) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run under way as cancelled, instead of leaving its processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop.say("asked")) for number in ENDING_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def find_routine(site: Site, name: str) -> Routine:
    """Return a routine in force. Raises NotFound with the closest name."""
    found = site.routines.get(name)
    if found is not None:
        return found
    close = difflib.get_close_matches(name, list(site.routines), n=1)
    hint = f", did you mean '{close[0]}'?" if close else ""
    raise NotFound(f"there is no routine '{name}'{hint}")
