"""One run on its way through its steps, each end committed before the next begins.

A run is resumed by walking it again: steps that have ended are passed over, so a restart, a tick and a crash all go
the same way. Nothing here waits for people; a run that has to is left `waiting`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

from opsrunner.clock import Clock
from opsrunner.engine.automated import Automated
from opsrunner.engine.context import is_ok, run_context
from opsrunner.engine.entry_marks import EntryMarks
from opsrunner.engine.events import RunEvent, ignore
from opsrunner.engine.human import Human
from opsrunner.engine.outage import Outage
from opsrunner.engine.stopping import StopWord
from opsrunner.engine.turns import Done
from opsrunner.engine.verdict import final_status
from opsrunner.errors import StateError
from opsrunner.ledger.books import Books
from opsrunner.ledger.failures import disk_advice
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run, RunStatus, StepRecord
from opsrunner.model.site import Site
from opsrunner.records import dataclass
from opsrunner.work_folder import remove_folder

_Result = TypeVar("_Result")


class Interruptions(Protocol):
    """Who is told that a run was cut off in the middle of a step (the follow-ups)."""

    def interrupted(self, run: Run, routine: Routine, plan: StepPlan, *, parts: Sequence[Part], at: datetime) -> object:
        """Ask a person to look."""


class Pause(Enum):
    """Where a walk may be left alone for a while."""

    READY = auto()
    """All is prepared and committed for the next step; going on enters it."""
    WORKED = auto()
    """A step has been worked; going on writes down its end."""


@dataclass(frozen=True, kw_only=True)
class CourseTools:
    """Everything a run needs; one for all runs."""

    books: Books
    clock: Clock
    site: Callable[[], Site]
    state: Path
    automated: Automated
    human: Human
    interruptions: Interruptions
    marks: EntryMarks
    outage: Outage
    is_draining: Callable[[], bool]
    """Tells that the daemon stops: no further step begins, and the run is taken up again at the next start."""


class Course:
    """The way of one run. Walked by one thread at a time."""

    def __init__(
        self,
        tools: CourseTools,
        run: Run,
        routine: Routine,
        *,
        records: Mapping[str, StepRecord],
        stop: StopWord,
        tell: Callable[[RunEvent], None] = ignore,
        patience_seconds: float | None = None,
    ) -> None:
        """`patience_seconds` is how long a write is tried again where the state does not take it; None: for ever."""
        self._patience_seconds = patience_seconds
        self._tools, self._run, self._routine, self._stop, self._tell = tools, run, routine, stop, tell
        self._books, self._records = tools.books, dict(records)
        self._is_settled = False
        self._occasion = self._books.known_rows.of_run(run.id) if routine.on_rows else None
        self._workdir = Path(f"{tools.state}/runs/{run.id}/work")

    def walk(self) -> Iterator[Pause]:
        """Go as far as the run goes: to its end, to people it waits for, or to where the daemon drains."""
        self._say("run_started", status=self._run.status.value)
        for position, plan in enumerate(self._routine.steps):
            if self._has_ended(plan):
                continue
            if self._is_left():
                return self._leave()
            if self._is_stopped():
                self._patiently(partial(self._pass_over, position, plan))
            elif plan.is_human:
                yield Pause.READY
                if not self._patiently(partial(self._ask_people, position, plan)):
                    return self._patiently(self._wait)
            else:
                yield from self._do(position, plan)
                if not self._has_ended(plan):
                    return self._leave()
        self._patiently(self._close)

    def _patiently(self, write: Callable[[], _Result]) -> _Result:
        """Write what may be written again; inside another's transaction only that one can be."""
        if self._books.ledger.is_in_transaction():
            return write()
        return self._tools.outage.patiently(write, seconds=self._patience_seconds)

    def _make_folders(self) -> None:
        """Make the run's folders. Raises StateError, and the step is not begun."""
        try:
            for folder in (self._workdir.parent, self._workdir):
                with suppress(FileExistsError):
                    os.mkdir(folder, 0o700)  # noqa: PTH102 (1,000 starts at once: a third of what pathlib costs)
        except OSError as exc:  # said once, however many runs wait: it names no single one
            raise StateError(f"{self._workdir.parent.parent}: {exc.strerror}; {disk_advice(self._workdir)}") from exc

    def _has_ended(self, plan: StepPlan) -> bool:
        record = self._records.get(plan.id)
        return record is not None and record.finished_at is not None

    def _is_left(self) -> bool:
        """Tell whether the daemon stops between two steps: nothing is cut off, so the next start takes the run up."""
        if not self._tools.is_draining() or self._stop.reason == "asked":
            return False
        return all(record.status is not StepStatus.INTERRUPTED for record in self._records.values())

    def _is_stopped(self) -> bool:
        """Tell whether a step before has stopped the run, or somebody did."""
        if self._stop.is_set():
            return True
        plans = {plan.id: plan for plan in self._routine.steps}
        return any(
            record.outcome is not None and not is_ok(record.outcome) and plans[record.id].on_failure == "stop"
            for record in self._records.values()
        )

    def _do(self, position: int, plan: StepPlan) -> Iterator[Pause]:
        """Prepare a step, enter it, and write down its end; without an end where the daemon drains before it."""
        if self._tools.automated.needs_folders(plan):
            self._patiently(self._make_folders)
        at = self._tools.clock.now()
        self._patiently(lambda: self._books.steps.start(self._run.id, position, plan, at=at))
        self._say("step_started", step=plan.id)
        work = self._tools.automated.prepare(
            self._run, self._routine, plan, context=self._context(), workdir=self._workdir, stop=self._stop
        )
        yield Pause.READY
        if self._is_left():
            return self._books.steps.unstart(self._run.id, position)
        if self._stop.is_set():
            return self._patiently(partial(self._pass_over, position, plan))
        self._patiently(partial(self._tools.marks.enter, self._run.id, position))
        started = self._tools.clock.monotonic()
        done = work()
        seconds = self._tools.clock.monotonic() - started
        yield Pause.WORKED
        done = self._tools.automated.capped(done)
        if done.outcome.status is StepStatus.INTERRUPTED:
            done = replace(done, outcome=replace(done.outcome, reason=self._stop.reason))
        tries = count()
        self._patiently(lambda: self._finish(position, plan, done, is_again=next(tries) > 0))
        self._say("step_finished", step=plan.id, outcome=done.outcome, seconds=seconds)

    def _finish(self, position: int, plan: StepPlan, done: Done, *, is_again: bool) -> None:
        """Write down the end of a step with all that follows from it, at once."""
        if is_again and self._is_written(position):
            return  # a commit that failed in its last act, the sync after it, was one
        with self._books.transaction():
            self._end(position, plan, done.outcome)
            self._tools.automated.report(self._run, self._routine, plan, done, at=self._tools.clock.now())
            ticked = self._tools.human.tick_by_machine(self._run, self._routine, self._context())
            if done.outcome.was_cut_off and self._stop.reason != "asked":
                at, parts = self._tools.clock.now(), done.outcome.parts
                self._tools.interruptions.interrupted(self._run, self._routine, plan, parts=parts, at=at)
        self._tools.human.write_lists(ticked)

    def _is_written(self, position: int) -> bool:
        of_run = self._books.steps.of_run(self._run.id)
        return any(record.position == position and record.finished_at is not None for record in of_run)

    def _ask_people(self, position: int, plan: StepPlan) -> bool:
        """Open a human step's tasks; return False where the run has to wait for them."""
        if plan.id not in self._records:
            self._books.steps.start(self._run.id, position, plan, at=self._tools.clock.now())
            self._say("step_started", step=plan.id)
        answer = self._tools.human.ask(self._run, self._routine, plan, context=self._context())
        for task in answer.opened:
            self._say("task_opened", step=plan.id, message=task.title, status="open")
        if answer.outcome is None:
            return False
        self._end(position, plan, answer.outcome)
        self._say("step_finished", step=plan.id, outcome=answer.outcome)
        return True

    def _pass_over(self, position: int, plan: StepPlan) -> None:
        self._end(position, plan, Outcome(status=StepStatus.SKIPPED, reason="not_reached", message="not reached"))

    def _end(self, position: int, plan: StepPlan, outcome: Outcome) -> None:
        at = self._tools.clock.now()
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

    def _close(self) -> None:
        """End the run after its last step, or leave it waiting for the tasks that hold it."""
        with self._books.transaction():
            ticked = self._tools.human.tick_by_machine(self._run, self._routine, self._context())
            kind = self._settle()
        self._tools.human.write_lists(ticked)
        self._leave_settled(kind)

    def _settle(self) -> str:
        """Write how the run is left now that its steps have ended; return the event that tells it."""
        self._is_settled = True
        if not self._stop.is_set() and self._tools.human.holds(self._run):
            self._books.runs.wait(self._run.id)
            return "run_waiting"
        status, reason = final_status(self._ended(), self._books.tasks.of_run(self._run.id))
        if self._stop.reason == "asked":
            status, reason = RunStatus.CANCELLED, "asked"
        self._books.runs.finish(self._run.id, status=status, reason=reason, at=self._tools.clock.now())
        return "run_finished"

    def _leave_settled(self, kind: str) -> None:
        if kind == "run_finished":
            self._tools.human.run_ended(self._run)
            remove_folder(self._workdir)  # a dump a night would fill the disk
        self._leave(kind)

    def _ended(self) -> list[StepRecord]:
        order = {plan.id: position for position, plan in enumerate(self._routine.steps)}
        return sorted(self._records.values(), key=lambda record: order.get(record.id, len(order)))

    def _wait(self) -> None:
        self._books.runs.wait(self._run.id)
        self._leave("run_waiting")

    def _leave(self, kind: str = "run_left") -> None:
        if self._tell is not ignore:
            run = self._books.runs.get(self._run.id)
            self._say(kind, status=run.status.value, message=run.reason)

    def _context(self) -> Mapping[str, Any]:
        return run_context(
            self._run,
            self._routine,
            self._tools.site(),
            records=self._records,
            workdir=self._workdir,
            now=self._tools.clock.now(),
            occasion=self._occasion,
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
        if self._tell is ignore:
            return
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
