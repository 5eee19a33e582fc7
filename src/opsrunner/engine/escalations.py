"""The rungs of a task: what each is called in the ledger, and whom the escalations have reached."""

from __future__ import annotations

from collections.abc import Container

from opsrunner.model.routine import Escalation
from opsrunner.model.task import Task


def reminder_rung(offset_seconds: int) -> str:
    """Return the name of a reminder's rung."""
    return f"remind {offset_seconds}"


def escalation_rung(escalation: Escalation) -> str:
    """Return the name of an escalation's rung."""
    return f"escalate {escalation.after_seconds} {escalation.to}"


def escalated_to(task: Task, climbed: Container[str]) -> tuple[str, ...]:
    """Return the names (role, roster or person) that an open task was escalated to, by its rungs that went."""
    return heard_of(task, climbed) if task.is_open else ()


def heard_of(task: Task, climbed: Container[str]) -> tuple[str, ...]:
    """Return the names that a task was escalated to, whether it is open or closed since."""
    return tuple(step.to for step in task.escalate if escalation_rung(step) in climbed)
