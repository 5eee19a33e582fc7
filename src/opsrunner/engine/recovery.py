"""After a crash: end what the dead daemon left behind, and say of each run how it stands."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from opsrunner.clock import Clock
from opsrunner.config.freezing import thaw
from opsrunner.engine.automated import run_token
from opsrunner.engine.entry_marks import EntryMarks
from opsrunner.engine.follow_ups import CUT_OFF, FollowUps
from opsrunner.errors import OpsrunnerError
from opsrunner.fleet.processes import end_marked
from opsrunner.ledger.books import Books
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run, RunStatus

Reason: TypeAlias = Literal["crash", "fault"]
LOGGER = logging.getLogger("opsrunner")
MOST_TRIES = 3
"""A run whose thread was thrown out more often than this is closed: it would be thrown out for ever."""
_WHY = {
    "crash": CUT_OFF,
    "fault": "opsrunner itself could not go on with it, and its log says why; nobody knows how far it came",
}


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Called with the lock held: once before anything is planned, then for runs that lost their thread."""

    books: Books
    clock: Clock
    follow_ups: FollowUps
    marks: EntryMarks
    end_children: Callable[[str], object] = end_marked
    tries: Counter[int] = field(default_factory=Counter)

    def recover(self) -> list[int]:
        """Close or keep each run that was `running`; return those to take up again."""
        resumed: list[int] = []
        for run in self.books.runs.active():
            if run.status is not RunStatus.RUNNING:
                continue
            self.end_children(run_token(self.books.ledger.id, run.id))
            if self._keeps_running(run, reason="crash"):
                resumed.append(run.id)
        self.marks.begin()
        return resumed

    def take_up(self, run_id: int) -> bool:
        """Tell whether a run that lost its thread can go on; otherwise it is closed as interrupted."""
        run = self.books.runs.get(run_id)
        if run.status is not RunStatus.RUNNING:
            return False
        self.tries[run_id] += 1
        self.end_children(run_token(self.books.ledger.id, run_id))
        return self._keeps_running(run, reason="fault")

    def _keeps_running(self, run: Run, *, reason: Reason) -> bool:
        """Tell whether a run resumes; otherwise close it as interrupted."""
        try:
            routine = thaw(self.books.runs.frozen_body(run.frozen or ""))
        except OpsrunnerError as exc:
            LOGGER.error("run %s cannot go on: %s", run.id, exc, extra={"action": "not_resumed", "run": run.id})  # noqa: TRY400
            self.books.runs.finish(run.id, status=RunStatus.INTERRUPTED, reason=reason, at=self.clock.now())
            return False
        records, entered = self.books.steps.of_run(run.id), self.marks.entered()
        ended = {record.id for record in records if record.finished_at is not None}
        begun = {record.id for record in records} - ended
        is_ambiguous = any(
            plan.id in begun
            and not plan.is_human
            and plan.after_crash != "rerun"
            and (entered is None or (run.id, position) in entered)
            for position, plan in enumerate(routine.steps)
        )
        if not is_ambiguous and self.tries[run.id] <= MOST_TRIES:
            return True
        at_step = next((plan for plan in routine.steps if plan.id not in ended), routine.steps[-1])
        self._interrupt(run, routine, at_step, ended=ended, reason=reason)
        return False

    def _interrupt(self, run: Run, routine: Routine, plan: StepPlan, *, ended: Collection[str], reason: Reason) -> None:
        """Close a run at a step, and ask a person about that step."""
        now = self.clock.now()
        cut_off = Outcome(status=StepStatus.INTERRUPTED, reason=reason, message=_WHY[reason])
        not_reached = Outcome(status=StepStatus.SKIPPED, reason="not_reached", message="not reached")
        with self.books.transaction():
            for position, step in enumerate(routine.steps):
                if step.id not in ended:
                    outcome = cut_off if step.id == plan.id else not_reached
                    self.books.steps.finish(run.id, position, step, outcome=outcome, at=now)
            self.follow_ups.interrupted(run, routine, plan, message=_WHY[reason], at=now)
            self.books.runs.finish(run.id, status=RunStatus.INTERRUPTED, reason=reason, at=now)
