"""Looks at sources for rows that were not there before: each one is an occasion, and gets a run.

A look reads its source in a thread of its own, and never in a transaction. What it found is written all at once: the
rows are known from then on, and each new one has its run, which waits for its turn. Killed before that commit, nothing
was looked at; killed after it, everything is accounted for.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, field, replace
from datetime import datetime, timedelta
from typing import Any

from opsrunner.clock import Clock
from opsrunner.config.freezing import freeze
from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import plural
from opsrunner.engine.held import held_because, world_of
from opsrunner.engine.look_problems import LookProblems
from opsrunner.engine.outage import Outage
from opsrunner.engine.row_keys import Keyed, keyed
from opsrunner.errors import StateError, StepFailed
from opsrunner.ledger.runs import NewRun
from opsrunner.model.outcome import Row
from opsrunner.model.routine import Routine
from opsrunner.model.rows import KeyedRow, LookStanding, OnRows
from opsrunner.model.run import QUEUED, RunStatus, Trigger
from opsrunner.model.schedule import Occurrence
from opsrunner.model.site import Source
from opsrunner.records import dataclass

LOGGER = logging.getLogger("opsrunner")
MOST_AT_ONCE = 4
"""Looks under way: a source that hangs holds up no more than its share."""
LOOK_TIMEOUT_SECONDS = 60.0
MOST_CLAIMED = 5_000
"""New rows of one look that get their runs in one transaction; more come with the next look."""
PATIENCE = timedelta(minutes=1)
"""Two looks missed and this much more: nobody looked in between."""

ReadSource = Callable[[Source, Mapping[str, Any]], tuple[Row, ...]]


@dataclass(kw_only=True)
class Looks:
    """All looks of a site. `begin_due` is called by the daemon's own thread, with the lock of the state held."""

    desk: Desk
    clock: Clock
    read_source: ReadSource
    outage: Outage
    draining: threading.Event
    _under_way: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self._problems = LookProblems(self.desk)

    def put_in_force(self) -> None:
        """Forget how the looks of routines stand that run for no rows any more."""
        self.desk.books.known_rows.keep_looks([routine.id for routine in self.desk.site().for_rows])

    def begin_due(self, now: datetime) -> int:
        """Begin the looks that are due, each in a thread; return how many."""
        due = self.due(now)
        for routine in due:
            self._under_way.add(routine.id)
            threading.Thread(target=self._look_by_itself, args=(routine,), name="look", daemon=True).start()
        return len(due)

    def busy(self) -> list[str]:
        """Return the routines whose looks are under way."""
        return sorted(self._under_way)

    def due(self, now: datetime) -> list[Routine]:
        """Return the routines whose rows are to be looked at now. While one is paused or frozen, its rows wait."""
        routines = self.desk.site().for_rows
        if not routines:
            return []
        standings = self.desk.books.known_rows.standings()
        due = [routine for routine in routines if _is_due(routine, standings.get(routine.id), now)]
        if not due:
            return []
        world, holds = world_of(self.desk.site(), self.desk.almanac()), self.desk.books.holds.live(now)
        at = Occurrence(planned_at=now, nominal_at=now)
        free = [
            routine
            for routine in due
            if routine.id not in self._under_way
            and not held_because(routine, at, [hold for hold in holds if hold.routine == routine.id], world)
        ]
        return free[: MOST_AT_ONCE - len(self._under_way)] if len(self._under_way) < MOST_AT_ONCE else []

    def look(self, routine: Routine) -> int:
        """Look once, and write down what came of it; return how many runs it made. Raises StateError."""
        wanted, at = routine.on_rows, self.clock.now()
        if wanted is None:
            return 0
        source = self.desk.site().sources.get(wanted.source)
        if source is None:
            self._failed(routine, f"there is no source '{wanted.source}'", at=at)
            return 0
        try:
            rows = self.read_source(source, {**wanted.query, "timeout_seconds": LOOK_TIMEOUT_SECONDS})
            found = keyed(rows, wanted.key, source=wanted.source)
        except StepFailed as exc:
            self._failed(routine, str(exc), at=at)
            return 0
        if self.draining.is_set():
            return 0
        return self._found(routine, found, meaning=meaning_of(wanted, source), at=at)

    def _look_by_itself(self, routine: Routine) -> None:
        try:
            self._look_or_say(routine)
        except StateError as exc:
            if not self.draining.is_set():
                self.outage.failed(exc)
        finally:
            self._under_way.discard(routine.id)

    def _look_or_say(self, routine: Routine) -> None:
        """Look; where that goes wrong by a fault of ours, it is a look that failed, and the log has all of it."""
        try:
            self.look(routine)
        except StateError:
            raise
        except Exception as exc:
            LOGGER.exception("the rows of %s cannot be looked at", routine.id, extra={"action": "fault"})
            self._failed(
                routine, f"a fault of opsrunner's own ({type(exc).__name__}); see its log", at=self.clock.now()
            )

    def _is_in_force(self, routine: Routine) -> bool:
        """Tell whether a routine is what it was when its look began."""
        return self.desk.site().routines.get(routine.id) is routine

    def _failed(self, routine: Routine, message: str, *, at: datetime) -> None:
        books = self.desk.books
        with books.transaction():
            if not self._is_in_force(routine):
                return
            before = books.known_rows.standing(routine.id) or LookStanding(routine=routine.id, meaning="", tried_at=at)
            since = before.failing_since or at
            books.known_rows.note_look(replace(before, tried_at=at, error=message, failing_since=since))
            self._problems.tell(routine, message, at=at)
        if not before.error:
            LOGGER.error("%s: its rows cannot be looked at: %s", routine.id, message, extra={"action": "look_failed"})

    def _found(self, routine: Routine, found: Keyed, *, meaning: str, at: datetime) -> int:
        """Write down a look that succeeded, and all that follows from it, at once."""
        books = self.desk.books
        keys = [occasion.key for occasion in found.occasions]
        with books.transaction(alone=True):
            if not self._is_in_force(routine):
                return 0
            before = books.known_rows.standing(routine.id)
            if before is None or before.baseline_at is None or before.meaning != meaning:
                self._begin_anew(routine, keys, before, meaning=meaning, at=at)
                made = 0
            else:
                made = self._account_for(routine, found.occasions, before, at=at)
            self._note(routine, found, at=at)
        return made

    def _begin_anew(
        self, routine: Routine, keys: Sequence[str], before: LookStanding | None, *, meaning: str, at: datetime
    ) -> None:
        """Take all that is there for known: nothing runs for it."""
        unseen = self.desk.books.known_rows.learn(routine.id, keys, at=at)
        base = before or LookStanding(routine=routine.id, meaning=meaning, tried_at=at)
        new = replace(base, meaning=meaning, baseline_at=at, baseline_rows=len(keys), looked_at=at)
        self.desk.books.known_rows.note_look(new)
        is_first = before is None or before.baseline_at is None
        more = "" if is_first else f", {unseen:,} of them never seen before: what is looked for has changed"
        said = f"{routine.id}: baseline of {plural(len(keys), 'row')}{more}; it runs for the rows that come from now on"
        LOGGER.info(said, extra={"action": "baseline", "routine": routine.id, "rows": len(keys)})

    def _account_for(
        self, routine: Routine, occasions: Sequence[KeyedRow], before: LookStanding, *, at: datetime
    ) -> int:
        """Write a run for each row that is new; return how many will start."""
        books, keys = self.desk.books, [occasion.key for occasion in occasions]
        new = set(books.known_rows.unknown(routine.id, keys)[:MOST_CLAIMED])
        if before.looked_at is None or before.looked_at.date() != at.date():
            books.known_rows.see_again(routine.id, keys, at=at)
        if not new:
            return 0
        reason = _too_late(routine, before, at)
        status = RunStatus.MISSED if reason else RunStatus.WAITING
        frozen = books.runs.freeze(freeze(routine))
        books.known_rows.learn(routine.id, sorted(new), at=at)
        made = 0
        for occasion in (one for one in occasions if one.key in new):
            run = books.runs.claim(
                NewRun(
                    routine=routine.id,
                    trigger=Trigger.ROWS,
                    status=status,
                    reason=reason or QUEUED,
                    row_key=occasion.key,
                    frozen=frozen,
                ),
                at=at,
            )
            if run is not None:
                books.known_rows.give(run.id, occasion)
                made += 1
        said = f"{routine.id}: {plural(made, 'new row')} of {routine.on_rows.source if routine.on_rows else ''}"
        LOGGER.info(f"{said}{f': missed ({reason})' if reason else ''}", extra={"action": "rows", "runs": made})  # noqa: G004 (one sentence)
        return 0 if reason else made

    def _note(self, routine: Routine, found: Keyed, *, at: datetime) -> None:
        """Note the look, close what it shows to be done, and tell of rows that nobody can tell apart."""
        books, doubt = self.desk.books, "; ".join(found.doubts)
        before = books.known_rows.standing(routine.id)
        if before is None:
            return
        since = (before.failing_since or at) if doubt else None
        rows = len(found.occasions)
        books.known_rows.note_look(
            replace(before, tried_at=at, looked_at=at, rows=rows, error=doubt, failing_since=since)
        )
        if doubt:
            self._problems.tell(routine, doubt, at=at)
            return
        self._problems.mended(routine, at=at)
        self._problems.close_gone(routine, {occasion.key for occasion in found.occasions}, at=at)


def meaning_of(wanted: OnRows, source: Source) -> str:
    """Return what is looked for and where, as text: where that changes, rows cannot be compared with those before."""
    said = {**asdict(replace(wanted, every_seconds=0)), "kind": source.kind, "lies": dict(source.where)}
    return json.dumps(said, sort_keys=True, default=str)


def _is_due(routine: Routine, standing: LookStanding | None, now: datetime) -> bool:
    if standing is None or routine.on_rows is None or standing.tried_at > now:
        return True
    return now - standing.tried_at >= timedelta(seconds=routine.on_rows.every_seconds)


def _too_late(routine: Routine, before: LookStanding, at: datetime) -> str:
    """Return why rows that came while nobody looked do not run (`policy`, `window`), or ''.

    A row is its own occasion, so none stands for another: all run, unless the routine says otherwise.
    """
    if routine.on_rows is None or before.looked_at is None:
        return ""
    unseen = at - before.looked_at
    if unseen <= 2 * timedelta(seconds=routine.on_rows.every_seconds) + PATIENCE:
        return ""
    within = routine.catch_up.within_seconds
    if routine.catch_up.policy == "skip":
        return "policy"
    return "window" if within is not None and unseen > timedelta(seconds=within) else ""
