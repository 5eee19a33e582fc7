"""Runs one run: its steps in order, each end committed before the next begins.

A run is resumed by running it again: steps that have ended are passed over, so a restart, a tick and a
crash all go the same way. Nothing here waits for people; a run that has to is left `waiting`.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from opsrunner.clock import Clock
from opsrunner.config.freezing import thaw
from opsrunner.engine.automated import Automated
from opsrunner.engine.context import is_ok, run_context
from opsrunner.engine.events import RunEvent
from opsrunner.engine.human import Human
from opsrunner.engine.stopping import StopWord
from opsrunner.engine.verdict import final_status
from opsrunner.ledger.books import Books
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run, RunStatus, StepRecord
from opsrunner.model.site import Site


class Interruptions(Protocol):
    """Who is told that a run was cut off in the middle of a step (the follow-ups)."""

    def interrupted(self, run: Run, routine: Routine, plan: StepPlan, *, at: datetime) -> object:
        """Ask a person to look."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Everything a run needs; one for all runs."""

    books: Books
    clock: Clock
    site: Callable[[], Site]
    state: Path
    automated: Automated
    human: Human
    interruptions: Interruptions
    draining: threading.Event
    """Set when the daemon stops: no further step begins, and the run is taken up again at the next start."""

    def execute(self, run_id: int, stop: StopWord, tell: Callable[[RunEvent], None]) -> Run:
        """Take a run that is `running` as far as it goes, and return it as it then stands."""
        return _Course(self, self.books.runs.get(run_id), stop, tell).go()


class _Course:
    """One run on its way through its steps."""

    def __init__(self, runner: Runner, run: Run, stop: StopWord, tell: Callable[[RunEvent], None]) -> None:
        self._runner, self._run, self._stop, self._tell = runner, run, stop, tell
        self._books = runner.books
        self._routine = thaw(self._books.runs.frozen_body(run.frozen or ""))
        self._records: dict[str, StepRecord] = {record.id: record for record in self._books.steps.of_run(run.id)}
        self._workdir = runner.state / "runs" / str(run.id) / "work"

    def go(self) -> Run:
        """Walk the steps; leave where the daemon drains or people are waited for."""
        self._workdir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._say("run_started", status=self._run.status.value)
        for position, plan in enumerate(self._routine.steps):
            if self._has_ended(plan):
                continue
            if self._is_left():
                return self._again()
            if self._is_stopped():
                self._pass_over(position, plan)
            elif plan.is_human:
                if not self._ask_people(position, plan):
                    return self._wait()
            else:
                self._do(position, plan)
        return self._close()

    def _has_ended(self, plan: StepPlan) -> bool:
        record = self._records.get(plan.id)
        return record is not None and record.finished_at is not None

    def _is_left(self) -> bool:
        """Tell whether the daemon stops between two steps: nothing is cut off, so the next start takes the run up."""
        cut_off = any(record.status is StepStatus.INTERRUPTED for record in self._records.values())
        return self._runner.draining.is_set() and self._stop.reason != "asked" and not cut_off

    def _is_stopped(self) -> bool:
        """Tell whether a step before has stopped the run, or somebody did."""
        if self._stop.is_set():
            return True
        plans = {plan.id: plan for plan in self._routine.steps}
        return any(
            record.outcome is not None and not is_ok(record.outcome) and plans[record.id].on_failure == "stop"
            for record in self._records.values()
        )

    def _do(self, position: int, plan: StepPlan) -> None:
        started = self._runner.clock.monotonic()
        self._books.steps.start(self._run.id, position, plan, at=self._runner.clock.now())
        self._say("step_started", step=plan.id)
        done = self._runner.automated.work(
            self._run, self._routine, plan, context=self._context(), workdir=self._workdir, stop=self._stop
        )
        if done.outcome.status is StepStatus.INTERRUPTED:
            done = replace(done, outcome=replace(done.outcome, reason=self._stop.reason))
        with self._books.transaction():
            self._end(position, plan, done.outcome)
            self._runner.automated.report(self._run, self._routine, plan, done, at=self._runner.clock.now())
            self._runner.human.tick_by_machine(self._run, self._routine, self._context())
            if done.outcome.status is StepStatus.INTERRUPTED and self._stop.reason != "asked":
                self._runner.interruptions.interrupted(self._run, self._routine, plan, at=self._runner.clock.now())
        seconds = self._runner.clock.monotonic() - started
        self._say("step_finished", step=plan.id, outcome=done.outcome, seconds=seconds)

    def _ask_people(self, position: int, plan: StepPlan) -> bool:
        """Open a human step's tasks; return False where the run has to wait for them."""
        if plan.id not in self._records:
            self._books.steps.start(self._run.id, position, plan, at=self._runner.clock.now())
            self._say("step_started", step=plan.id)
        answer = self._runner.human.ask(self._run, self._routine, plan, context=self._context())
        for task in answer.opened:
            self._say("task_opened", step=plan.id, message=task.title, status="open")
        if answer.outcome is None:
            return False
        self._end(position, plan, answer.outcome)
        self._say("step_finished", step=plan.id, outcome=answer.outcome)
        return True

    def _pass_over(self, position: int, plan: StepPlan) -> None:
        reason = "not_reached"
        self._end(position, plan, Outcome(status=StepStatus.SKIPPED, reason=reason, message="not reached"))

    def _end(self, position: int, plan: StepPlan, outcome: Outcome) -> None:
        at = self._runner.clock.now()
        self._books.steps.finish(self._run.id, position, plan, outcome=outcome, at=at)
        self._records[plan.id] = StepRecord(
            run=self._run.id,
            position=position,
            id=plan.id,
            kind=plan.kind,
            status=outcome.status,
            finished_at=at,
            outcome=outcome,
        )

    def _close(self) -> Run:
        """End the run, or leave it waiting for the tasks that hold it."""
        self._runner.human.tick_by_machine(self._run, self._routine, self._context())
        if not self._stop.is_set() and self._runner.human.holds(self._run):
            return self._wait()
        status, reason = final_status(self._ended(), self._books.tasks.of_run(self._run.id))
        if self._stop.reason == "asked":
            status, reason = RunStatus.CANCELLED, "asked"
        with self._books.transaction():
            self._runner.human.run_ended(self._run)
            self._books.runs.finish(self._run.id, status=status, reason=reason, at=self._runner.clock.now())
        shutil.rmtree(self._workdir, ignore_errors=True)  # a dump a night would fill the disk
        return self._again("run_finished")

    def _ended(self) -> list[StepRecord]:
        order = {plan.id: position for position, plan in enumerate(self._routine.steps)}
        return sorted(self._records.values(), key=lambda record: order.get(record.id, len(order)))

    def _wait(self) -> Run:
        self._books.runs.wait(self._run.id)
        return self._again("run_waiting")

    def _again(self, kind: str = "run_left") -> Run:
        run = self._books.runs.get(self._run.id)
        self._say(kind, status=run.status.value, message=run.reason)
        return run

    def _context(self) -> Mapping[str, Any]:
        return run_context(
            self._run,
            self._routine,
            self._runner.site(),
            records=self._records,
            workdir=self._workdir,
            now=self._runner.clock.now(),
        )

    def _say(
        self,
        kind: str,
        *,
        step: str = "",
        status: str = "",
        message: str = "",
        outcome: Outcome | None = None,
        seconds: float = 0.0,
    ) -> None:
        self._tell(
            RunEvent(
                kind=kind,
                run=self._run.id,
                routine=self._routine.id,
                name=self._routine.name,
                step=step,
                status=outcome.status.value if outcome else status,
                message=outcome.message if outcome else message,
                seconds=seconds,
            )
        )
