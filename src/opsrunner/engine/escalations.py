"""The rungs of a task: what each is called in the ledger, and whom the escalations have reached."""

from __future__ import annotations

from opsrunner.ledger.books import Books
from opsrunner.model.routine import Escalation
from opsrunner.model.task import Task


def reminder_rung(offset_seconds: int) -> str:
    """Return the name of a reminder's rung."""
    return f"remind {offset_seconds}"


def escalation_rung(escalation: Escalation) -> str:
    """Return the name of an escalation's rung."""
    return f"escalate {escalation.after_seconds} {escalation.to}"


def escalated_to(books: Books, task: Task) -> tuple[str, ...]:
    """Return the names (role, roster or person) that an open task has been escalated to."""
    if not task.escalate or not task.is_open:
        return ()
    climbed = books.tasks.rungs(task.id)
    return tuple(step.to for step in task.escalate if escalation_rung(step) in climbed)
