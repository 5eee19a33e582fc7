"""After a crash: end what the dead daemon left behind, and say of each run how it stands."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import field
from typing import Literal, TypeAlias

from opsrunner.clock import Clock
from opsrunner.engine.automated import run_token
from opsrunner.engine.entry_marks import EntryMarks
from opsrunner.engine.follow_ups import CUT_OFF, FollowUps
from opsrunner.engine.frozen import frozen_routine
from opsrunner.errors import OpsrunnerError
from opsrunner.fleet.processes import end_marked
from opsrunner.ledger.books import Books
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run, RunStatus, StepRecord
from opsrunner.records import dataclass
from opsrunner.work_folder import remove_folder

Reason: TypeAlias = Literal["crash", "fault"]
Entered: TypeAlias = Collection[tuple[int, int]] | None
"""The (run, position) of steps that were really entered; None where nobody can know it."""
LOGGER = logging.getLogger("opsrunner")
MOST_TRIES = 3
"""A run whose thread was thrown out more often than this is closed: it would be thrown out for ever."""
MOST_CRASHES = 10
"""A step in which opsrunner died this often is not done again: it may be what kills it."""
RESUME = "resume"
UNREADABLE = "its routine as it was then cannot be read any more; nobody knows how far it came"
_WHY = {
    "crash": CUT_OFF,
    "fault": "opsrunner itself could not go on with it, and its log says why; nobody knows how far it came",
}


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """Called with the lock held: once before anything is planned, then for runs that lost their thread.

    Killed in the middle it is begun again: each run is closed with its question in one transaction, and what
    nobody has closed yet is found as it was.
    """

    books: Books
    clock: Clock
    follow_ups: FollowUps
    marks: EntryMarks
    end_children: Callable[..., object] = end_marked
    tries: Counter[int] = field(default_factory=Counter)

    def recover(self) -> list[int]:
        """Close or keep each run that was `running`; return those to take up again."""
        running, entered = self.end_processes(), self.marks.entered()
        resumed = [run.id for run in running if self._keeps_running(run, entered, reason="crash")]
        self.marks.begin()
        return resumed

    def end_processes(self) -> list[Run]:
        """End what the dead daemon's steps left running, and return their runs. It needs no clock that is right."""
        running = [run for run in self.books.runs.active() if run.status is RunStatus.RUNNING]
        self.end_children(*(run_token(self.books.ledger.id, run.id) for run in running))
        return running

    def take_up(self, run_id: int) -> bool:
        """Tell whether a run that lost its thread can go on; otherwise it is closed as interrupted."""
        run = self.books.runs.get(run_id)
        if run.status is not RunStatus.RUNNING:
            return False
        self.tries[run_id] += 1
        self.end_children(run_token(self.books.ledger.id, run_id))
        return self._keeps_running(run, self.marks.entered(), reason="fault")

    def _keeps_running(self, run: Run, entered: Entered, *, reason: Reason) -> bool:
        """Tell whether a run resumes; otherwise close it as interrupted."""
        records = self.books.steps.of_run(run.id)
        try:
            routine = frozen_routine(self.books, run)
        except OpsrunnerError as exc:
            LOGGER.error("run %s cannot go on: %s", run.id, exc, extra={"action": "not_resumed", "run": run.id})  # noqa: TRY400 (a sentence is enough)
            self._interrupt(run, _as_far_as_known(run, records), records, message=UNREADABLE, reason=reason)
            return False
        cut_off = _cut_off_in(run, routine, records, entered)
        if not all(_may_be_done_again(plan) for plan in cut_off) or self.tries[run.id] > MOST_TRIES:
            self._interrupt(run, routine, records, message=_WHY[reason], reason=reason)
            return False
        if reason == "crash" and cut_off and not self._may_resume(run, cut_off):
            message = f"opsrunner or the machine stopped {MOST_CRASHES} times while it ran: it may be what stops them"
            self._interrupt(run, routine, records, message=message, reason=reason)
            return False
        return True

    def _may_resume(self, run: Run, cut_off: Sequence[StepPlan]) -> bool:
        """Note that steps are done again, unless that was so too often."""
        subject, steps = f"run {run.id}", " ".join(plan.id for plan in cut_off)
        before = [record for record in self.books.audit.about(subject) if record.action == RESUME]
        if sum(record.detail == steps for record in before) >= MOST_CRASHES - 1:
            return False
        self.books.audit.add(RESUME, subject, actor="opsrunner", at=self.clock.now(), detail=steps, address="")
        return True

    def _interrupt(
        self, run: Run, routine: Routine, records: Sequence[StepRecord], *, message: str, reason: Reason
    ) -> None:
        """Close a run at the step that it had come to, and ask a person about that step."""
        now = self.clock.now()
        ended = {record.id for record in records if record.finished_at is not None}
        at_step = next((plan for plan in routine.steps if plan.id not in ended), routine.steps[-1])
        with self.books.transaction():
            self._end_steps(run, routine, at_step, ended=ended, message=message, reason=reason)
            self.follow_ups.interrupted(run, routine, at_step, message=message, at=now)
            self.books.runs.finish(run.id, status=RunStatus.INTERRUPTED, reason=reason, at=now)
        remove_folder(self.books.ledger.path.parent / "runs" / str(run.id) / "work")  # what was restored, or dumped

    def _end_steps(
        self, run: Run, routine: Routine, at_step: StepPlan, *, ended: Collection[str], message: str, reason: Reason
    ) -> None:
        cut_off = Outcome(status=StepStatus.INTERRUPTED, reason=reason, message=message)
        not_reached = Outcome(status=StepStatus.SKIPPED, reason="not_reached", message="not reached")
        for position, step in enumerate(routine.steps):
            if step.id not in ended:
                outcome = cut_off if step.id == at_step.id else not_reached
                self.books.steps.finish(run.id, position, step, outcome=outcome, at=self.clock.now())


def _cut_off_in(run: Run, routine: Routine, records: Sequence[StepRecord], entered: Entered) -> list[StepPlan]:
    """Return the automated steps that were entered and have no end."""
    begun = {record.id for record in records if record.finished_at is None}
    return [
        plan
        for position, plan in enumerate(routine.steps)
        if plan.id in begun and not plan.is_human and (entered is None or (run.id, position) in entered)
    ]


def _may_be_done_again(plan: StepPlan) -> bool:
    """Tell whether a step that was cut off is simply begun again.

    An act that is `once` is not: it would be skipped as done before, and nobody would hear that it was cut off.
    A mail is: it is queued together with the end of its step, or not at all.
    """
    return plan.after_crash == "rerun" and (plan.once is None or plan.kind == "email")


def _as_far_as_known(run: Run, records: Sequence[StepRecord]) -> Routine:
    """Return a stand-in for a routine that cannot be read: the steps that the ledger knows, answered for by the owner.

    Where no step was begun, one that is called `run` stands for all of it.
    """
    steps = tuple(StepPlan(id=record.id, kind=record.kind) for record in records) or (StepPlan(id="run", kind="run"),)
    return Routine(id=run.routine, name=run.routine, accountable="owner", steps=steps)
