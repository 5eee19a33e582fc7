"""Human steps of a run: ask, see whether they are answered, and let the run go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from opsrunner.clock import Clock
from opsrunner.engine.checklists import Checklists
from opsrunner.engine.digest_words import plural
from opsrunner.engine.tasks import TaskOpener, approved_rows
from opsrunner.errors import OpsrunnerError, StateError
from opsrunner.ledger.books import Books
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run
from opsrunner.model.task import Task, TaskKind, TaskStatus
from opsrunner.records import dataclass
from opsrunner.templates.expressions import evaluate

_GO_ON = (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The tasks that were opened; `outcome` None means that the run has to wait for them."""

    opened: Sequence[Task]
    outcome: Outcome | None


@dataclass(frozen=True, kw_only=True)
class Human:
    """What the runner and the daemon need of people's work."""

    books: Books
    clock: Clock
    opener: TaskOpener
    checklists: Checklists

    def ask(self, run: Run, routine: Routine, plan: StepPlan, *, context: Mapping[str, Any]) -> Answer:
        """Open a step's tasks (nothing twice) and tell how the step stands."""
        now = self.clock.now()
        try:
            if plan.when is not None and not self._has_opened(run, plan) and not evaluate(plan.when, context):
                skipped = Outcome(status=StepStatus.SKIPPED, reason="when", message=f"not now: {plan.when}")
                return Answer(opened=(), outcome=skipped)
            opened = self.opener.open(run, routine, plan, context, at=now)
        except StateError:  # the ledger does not take it: that says nothing about the tasks
            raise
        except OpsrunnerError as exc:
            failed = Outcome(status=StepStatus.FAILED, reason="expression", message=str(exc))
            return Answer(opened=(), outcome=failed)
        closed = [task for task in self.books.tasks.closed(since=now) if task.routine == routine.id]
        self.checklists.write([run.id, *(task.run for task in closed)], at=now)
        return Answer(opened=opened, outcome=self._outcome(run, plan, now=now))

    def tick_by_machine(self, run: Run, routine: Routine, context: Mapping[str, Any]) -> list[Task]:
        """Tick the tasks whose `done_when` has become true; `write_lists` of them after the commit."""
        return self.opener.tick_by_machine(run, routine, context, at=self.clock.now())

    def write_lists(self, tasks: Sequence[Task]) -> None:
        """Bring the checklists up to date that tell of these tasks."""
        if tasks:
            self.checklists.write_about(tasks, at=self.clock.now())

    def holds(self, run: Run) -> bool:
        """Tell whether a task still holds the run open, an undo that may come included."""
        return any(task.holds_run and not _settled(task, self.clock.now()) for task in self._tasks(run))

    def run_ended(self, run: Run) -> None:
        """Write a last checklist; what is open of a cancelled run stays open for people to close."""
        self.checklists.write([run.id], at=self.clock.now())

    def ready(self, now: datetime) -> list[int]:
        """Return the waiting runs that can go on: their next `wait` is over, or nothing holds them."""
        return self.books.active_runs.ready(now)

    def _outcome(self, run: Run, plan: StepPlan, *, now: datetime) -> Outcome | None:
        """Return the end of a human step, or None while a `wait` is not over."""
        mine = [task for task in self._tasks(run) if task.step == plan.id and task.kind is TaskKind.ROUTINE]
        held = [task for task in mine if task.wait]
        if any(not _settled(task, now) for task in held):
            return None
        rows = tuple(row for task in mine for row in approved_rows(task))
        facts = {"count": len(mine)}
        blocked = [task for task in held if task.status not in _GO_ON]
        if blocked:
            message = f"{blocked[0].title}: {blocked[0].status.value.replace('_', ' ')}"
            return Outcome(status=StepStatus.FAILED, reason="task", message=message, facts=facts)
        return Outcome(status=StepStatus.SUCCEEDED, message=self._opened_words(run, plan, mine), rows=rows, facts=facts)

    def _opened_words(self, run: Run, plan: StepPlan, mine: Sequence[Task]) -> str:
        """Return how many tasks a step opened, or where it opened none, how many it found open."""
        known = [
            task
            for task in self.books.tasks.opened(routine=run.routine)
            if task.step == plan.id and task.kind is TaskKind.ROUTINE and task.key is not None
        ]
        return f"{len(known)} open already" if known and not mine else plural(len(mine), "task")

    def _has_opened(self, run: Run, plan: StepPlan) -> bool:
        """Tell whether the step was begun before: what was true then (`today`) may be over when people answer."""
        return any(task.step == plan.id and task.kind is TaskKind.ROUTINE for task in self._tasks(run))

    def _tasks(self, run: Run) -> list[Task]:
        return self.books.tasks.of_run(run.id)


def _settled(task: Task, now: datetime) -> bool:
    """Tell whether a task is closed for good: its undo is over."""
    return not task.is_open and (task.settles_at is None or task.settles_at <= now)
