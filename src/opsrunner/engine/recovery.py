"""After a crash: end what the dead daemon left behind, and say of each run how it stands."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from opsrunner.clock import Clock
from opsrunner.config.freezing import thaw
from opsrunner.engine.automated import run_token
from opsrunner.engine.follow_ups import FollowUps
from opsrunner.errors import OpsrunnerError
from opsrunner.ledger.books import Books
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run, RunStatus, StepRecord
from opsrunner.steps.processes import end_marked

LOGGER = logging.getLogger("opsrunner")
MOST_TRIES = 3
"""A run whose thread was thrown out more often than this is closed: it would be thrown out for ever."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Called with the lock held: once before anything is planned, then for runs that lost their thread."""

    books: Books
    clock: Clock
    follow_ups: FollowUps
    end_children: Callable[[str], object] = end_marked
    tries: Counter[int] = field(default_factory=Counter)

    def recover(self) -> list[int]:
        """Close or keep each run that was `running`; return those to take up again."""
        resumed: list[int] = []
        for run in self.books.runs.active():
            if run.status is not RunStatus.RUNNING:
                continue
            self.end_children(run_token(self.books.ledger.id, run.id))
            if self._keeps_running(run):
                resumed.append(run.id)
        return resumed

    def take_up(self, run_id: int) -> bool:
        """Tell whether a run that lost its thread can go on; otherwise it is closed as interrupted."""
        run = self.books.runs.get(run_id)
        self.tries[run_id] += 1
        if self.tries[run_id] > MOST_TRIES:
            self._close(run, reason="fault")
            return False
        return run.status is RunStatus.RUNNING and self._keeps_running(run)

    def _keeps_running(self, run: Run) -> bool:
        """Tell whether a run resumes; otherwise close it as interrupted."""
        try:
            routine = thaw(self.books.runs.frozen_body(run.frozen or ""))
        except OpsrunnerError as exc:
            LOGGER.error("run %s cannot go on: %s", run.id, exc, extra={"action": "not_resumed", "run": run.id})  # noqa: TRY400
            self._close(run, reason="crash")
            return False
        records = self.books.steps.of_run(run.id)
        plans = {plan.id: plan for plan in routine.steps}
        in_flight = [plans[record.id] for record in records if record.status is StepStatus.RUNNING]
        ambiguous = [plan for plan in in_flight if not plan.is_human and plan.after_crash != "rerun"]
        if not ambiguous:
            return True
        self._interrupt(run, routine, ambiguous[0], records)
        return False

    def _close(self, run: Run, *, reason: str) -> None:
        """Close a run that nobody can take up, without knowing its steps."""
        self.books.runs.finish(run.id, status=RunStatus.INTERRUPTED, reason=reason, at=self.clock.now())

    def _interrupt(self, run: Run, routine: Routine, plan: StepPlan, records: list[StepRecord]) -> None:
        now = self.clock.now()
        begun = {record.id for record in records}
        message = "opsrunner died while this ran: nobody knows how far it came"
        cut_off = Outcome(status=StepStatus.INTERRUPTED, reason="crash", message=message)
        not_reached = Outcome(status=StepStatus.SKIPPED, reason="not_reached", message="not reached")
        with self.books.transaction():
            for position, step in enumerate(routine.steps):
                if step.id == plan.id:
                    self.books.steps.finish(run.id, position, step, outcome=cut_off, at=now)
                elif step.id not in begun:
                    self.books.steps.finish(run.id, position, step, outcome=not_reached, at=now)
            self.follow_ups.interrupted(run, routine, plan, at=now)
            self.books.runs.finish(run.id, status=RunStatus.INTERRUPTED, reason="crash", at=now)
