"""What one reads of a run beside its rows: how long it took, what it waits for, what has not begun."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opsrunner.engine.frozen import frozen_routine
from opsrunner.errors import OpsrunnerError
from opsrunner.ledger.books import Books
from opsrunner.model.run import Run, StepRecord
from opsrunner.model.task import Task


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from one moment to the other, None where one is missing."""
    return None if start is None or end is None else round((end - start).total_seconds(), 3)


def waits_for(record: StepRecord, tasks: Sequence[Task]) -> list[int]:
    """Return the open tasks that have to end before a step does."""
    if record.finished_at is not None:
        return []
    return [task.id for task in tasks if task.step == record.id and task.holds_run and task.wait and task.is_open]


def not_begun(books: Books, run: Run, records: Sequence[StepRecord]) -> list[str]:
    """Return the ids of the steps that have not begun; nothing where the frozen copy cannot be read."""
    if run.frozen is None:
        return []
    try:
        plans = frozen_routine(books, run).steps
    except OpsrunnerError:
        return []
    begun = {record.id for record in records}
    return [plan.id for plan in plans if plan.id not in begun]
