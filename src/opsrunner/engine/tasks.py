"""Opens the tasks of a run, and ticks those that the machine can see done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from opsrunner.engine.desk import Desk
from opsrunner.engine.expiry import BY_PROGRAM, miss_earlier
from opsrunner.engine.task_texts import Opening, RowTurn, new_task, state_words, turns_of
from opsrunner.engine.whole_steps import goes_through_all, with_what_is_known
from opsrunner.errors import ExpressionError
from opsrunner.mail.headers import clean_line
from opsrunner.model.outcome import Row
from opsrunner.model.routine import Routine, StepPlan, TaskPlan
from opsrunner.model.run import Run
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus
from opsrunner.templates.expressions import evaluate_flag, step_references

BY_CHECK = "check"
"""Who closed a task whose `done_when` came true."""
BY_SOURCE = "source"
"""Who closed a keyed task whose row no longer comes."""
OUTCOME_LENGTH = 500


class TaskOpener:
    """Turns a human step into open tasks."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def open(
        self, run: Run, routine: Routine, plan: StepPlan, context: Mapping[str, Any], *, at: datetime
    ) -> list[Task]:
        """Open the tasks of a human step, all or none, and return those that this run opened.

        Doing a step again opens nothing twice. A key that has an open task finds it: the newest row is
        kept with it and it counts one more. What earlier runs left unticked becomes missed now, and with
        `closes_when_gone` what the source no longer names is closed. Raises ExpressionError.
        """
        opened = [task for task in self._desk.books.tasks.of_run(run.id) if _is_of(task, plan)]
        if opened:
            return opened
        opening = Opening(
            run=run,
            routine=routine,
            plan=plan,
            context=context,
            at=at,
            zone=self._desk.site().timezone,
            almanac=self._desk.almanac(),
        )
        turns = turns_of(opening)
        planned = [(item, new_task(item, turn, opening)) for turn in turns for item in plan.tasks]
        with self._desk.books.transaction():
            miss_earlier(self._desk.books, run, at=at)
            too_soon = self._too_soon(planned, at=at)
            fresh = [new for _, new in planned if (new.item, new.key) not in too_soon]
            tasks = [task for new in fresh if (task := self._open_one(new)) is not None]
            if context.get("row") is None:  # a run for one row knows nothing of the others: the looks close those
                self._close_gone(opening, turns)
        return tasks

    def tick_by_machine(self, run: Run, routine: Routine, context: Mapping[str, Any], *, at: datetime) -> list[Task]:
        """Tick what `done_when` says is done, and return it.

        It looks at this run's tasks and at keyed ones still open from earlier runs. An expression that
        cannot be answered (a step that has not run, or rows of one that did not tell all) ticks nothing.
        """
        ticked: list[Task] = []
        known: Mapping[str, Any] | None = None
        for task in self._desk.books.tasks.opened(routine=routine.id):
            if task.done_when is None or (task.run != run.id and not self._concerns(task, context)):
                continue
            known = known or with_what_is_known(routine, context)
            if not _is_true(task.done_when, {**known, "row": task.row or context.get("row")}):
                continue
            if self._close(task, BY_CHECK, _what_was_seen(task.done_when, context), at=at):
                ticked.append(self._desk.books.tasks.get(task.id))
        return ticked

    def _too_soon(self, planned: Sequence[tuple[TaskPlan, NewTask]], *, at: datetime) -> set[tuple[str, str | None]]:
        """Return the tasks, by item and key, whose key had one that ended too short a time ago (`again`)."""
        keys: dict[str, list[str]] = {}
        waits: dict[str, int | None] = {}
        for item, new in planned:
            if item.again_seconds != 0 and new.key is not None:
                keys.setdefault(item.id, []).append(new.key)
                waits[item.id] = item.again_seconds
        found: set[tuple[str, str | None]] = set()
        for item_id, own in keys.items():
            routine, seconds = planned[0][1].routine or "", waits[item_id]
            for key, closed_at in self._desk.books.tasks.last_closed(routine, item_id, own).items():
                if seconds is None or at < closed_at + timedelta(seconds=seconds):
                    found.add((item_id, key))
        return found

    def _concerns(self, task: Task, context: Mapping[str, Any]) -> bool:
        """Tell whether a run can speak of a task of another run: keyed ones live on, but each row has its own."""
        if task.key is None or task.run is None:
            return task.key is not None
        own = context.get("run", {}).get("key")
        return own is None or self._desk.books.known_rows.keys_of([task.run]).get(task.run) == own

    def _open_one(self, new: NewTask) -> Task | None:
        """Return the task if it is new; an approval of nothing closes itself."""
        tasks = self._desk.books.tasks
        task, is_new = tasks.open(new)
        if not is_new:
            tasks.repeat(task.id, message=task.message, run=None)
            return None
        if task.approve_by and not task.rows:
            nothing = Evidence(outcome="nothing to approve")
            tasks.close(task.id, status=TaskStatus.NOT_APPLICABLE, by=BY_PROGRAM, evidence=nothing, at=new.opened_at)
            return tasks.get(task.id)
        return task

    def _close_gone(self, opening: Opening, turns: Sequence[RowTurn]) -> None:
        """Close the tasks whose row no longer comes, if the rows are all there."""
        items = {item.id for item in opening.plan.tasks if item.closes_when_gone}
        if not items or not goes_through_all(opening.routine, opening.plan, opening.context):
            return
        keys = {turn.key for turn in turns}
        for task in self._desk.books.tasks.opened(routine=opening.routine.id):
            is_mine = task.kind is TaskKind.ROUTINE and task.item in items
            if is_mine and task.key is not None and task.key not in keys:
                self._close(task, BY_SOURCE, f"no longer listed; last seen: {state_words(task.row)}", at=opening.at)

    def _close(self, task: Task, by: str, outcome: str, *, at: datetime) -> bool:
        evidence = Evidence(outcome=clean_line(outcome, length=OUTCOME_LENGTH))
        return self._desk.books.tasks.close(task.id, status=TaskStatus.DONE, by=by, evidence=evidence, at=at)


def approved_rows(task: Task) -> tuple[Row, ...]:
    """Return the rows of an approval that later steps may use: none unless it was approved."""
    if task.status is not TaskStatus.DONE:
        return ()
    return tuple(row for position, row in enumerate(task.rows) if position not in task.struck)


def _is_of(task: Task, plan: StepPlan) -> bool:
    return task.kind is TaskKind.ROUTINE and task.step == plan.id


def _is_true(expression: str, context: Mapping[str, Any]) -> bool:
    try:
        return evaluate_flag(expression, context)
    except ExpressionError:
        return False


def _what_was_seen(expression: str, context: Mapping[str, Any]) -> str:
    """Return the ends of the steps that an expression names, else the expression itself."""
    steps = context.get("steps", {})
    seen = [
        f"{name} {steps[name]['status']}" + (f": {steps[name]['message']}" if steps[name]["message"] else "")
        for name in sorted(step_references(expression))
        if name in steps
    ]
    return "; ".join(seen) or expression
