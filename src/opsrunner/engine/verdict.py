"""The final status of a run, from its steps and its tasks: the worst part wins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsrunner.model.outcome import StepStatus
from opsrunner.model.run import RunStatus, StepRecord
from opsrunner.model.task import Task, TaskStatus

_ORDER = (RunStatus.WARNING, RunStatus.FAILED, RunStatus.INTERRUPTED)


def final_status(records: Sequence[StepRecord], tasks: Sequence[Task]) -> tuple[RunStatus, str]:
    """Return how a run ended and the reason: the step or task that decided it, '' for a success.

    An interruption wins, since it says that nobody knows; of two equals the first one is named.
    """
    worst_of_all = (RunStatus.SUCCEEDED, "")
    rank = -1
    for status, reason in (*_from_steps(records), *_from_tasks(tasks)):
        if _ORDER.index(status) > rank:
            rank, worst_of_all = _ORDER.index(status), (status, reason)
    return worst_of_all


def _from_steps(records: Sequence[StepRecord]) -> Iterator[tuple[RunStatus, str]]:
    for record in records:
        reason = record.outcome.reason if record.outcome else ""
        if record.status is StepStatus.INTERRUPTED:
            yield RunStatus.INTERRUPTED, reason or "crash"
        elif record.status.is_bad or (record.status is StepStatus.SKIPPED and reason == "not_reached"):
            yield RunStatus.FAILED, f"step {record.id}"
        elif record.status is StepStatus.WARNING:
            yield RunStatus.WARNING, f"step {record.id}"


def _from_tasks(tasks: Sequence[Task]) -> Iterator[tuple[RunStatus, str]]:
    for task in tasks:
        if task.holds_run and task.status in (TaskStatus.MISSED, TaskStatus.COULD_NOT):
            yield (RunStatus.FAILED if task.wait else RunStatus.WARNING), f"task {task.item}"
