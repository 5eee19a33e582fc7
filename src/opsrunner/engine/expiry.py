"""Silence is never consent: a task that nobody ticked in its time ends as `missed`."""

from __future__ import annotations

from datetime import datetime

from opsrunner.ledger.books import Books
from opsrunner.model.run import Run, Trigger
from opsrunner.model.task import Evidence, Task, TaskKind, TaskStatus

BY_PROGRAM = "opsrunner"
"""Who closed it, where no person did."""


def miss_earlier(books: Books, run: Run, *, at: datetime) -> list[Task]:
    """Close as missed what earlier runs of the routine left open, now that `run` opens its own list.

    Runs by hand and reruns, and runs for a row, are no next occurrence, and what a row's run opened waits for
    none. Keyed tasks and follow-ups never expire. Call it in the transaction that opens the list.
    """
    if run.trigger not in (Trigger.SCHEDULE, Trigger.CATCH_UP):
        return []
    left = [
        task
        for task in books.tasks.opened(routine=run.routine)
        if _can_expire(task) and task.expires == "next" and task.run is not None and task.run < run.id
    ]
    of_rows = books.known_rows.keys_of({task.run for task in left if task.run is not None}) if left else {}
    left = [task for task in left if task.run not in of_rows]
    return [task for task in left if _miss(books, task, f"not ticked before run {run.id} opened its list", at=at)]


def miss_overdue(books: Books, now: datetime) -> list[Task]:
    """Close as missed the open tasks that expire with their due time."""
    late = [task for task in books.tasks.overdue(now) if _can_expire(task) and task.expires == "due"]
    return [task for task in late if _miss(books, task, "not ticked by its due time", at=now)]


def _can_expire(task: Task) -> bool:
    return task.kind is TaskKind.ROUTINE and task.key is None


def _miss(books: Books, task: Task, why: str, *, at: datetime) -> bool:
    return books.tasks.close(task.id, status=TaskStatus.MISSED, by=BY_PROGRAM, evidence=Evidence(outcome=why), at=at)
