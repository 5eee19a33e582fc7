"""Moments, spans and marks of tasks, as people say them."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsrunner.model.routine import FormField
from opsrunner.model.spans import span_words
from opsrunner.model.task import Task, TaskStatus

MOST_MARKS = 10
STATUS_WORDS = {
    TaskStatus.OPEN: "open",
    TaskStatus.DONE: "done",
    TaskStatus.NOT_APPLICABLE: "not applicable",
    TaskStatus.COULD_NOT: "could not be done",
    TaskStatus.MISSED: "missed",
}


def due_words(task: Task, *, at: datetime) -> str:
    """Return how a task stands to its due time: `Due in 1 h`, `Due now`, `2 h overdue`, or nothing."""
    if task.due_at is None:
        return ""
    left = task.due_at - at
    if abs(left) < timedelta(minutes=1):
        return "Due now"
    return f"Due in {span_words(left)}" if left > timedelta() else f"{span_words(left)} overdue"


def evidence_words(task: Task) -> str:
    """Return what a tick carries, in one line: `42 GB free; note: disk replaced`."""
    evidence, spec = task.evidence, task.evidence_spec
    unit = f"{spec.number_name} " if spec is not None and spec.number_name else ""
    words = (
        f"{unit}{evidence.number:g}" if evidence.number is not None else "",
        evidence.choice,
        ", ".join(f"{name.replace('_', ' ')} {_plain(answer)}" for name, answer in evidence.form.items()),
        evidence.note,
        f"file {evidence.file}" if evidence.file else "",
        evidence.outcome,
        f"{len(task.struck)} of {len(task.rows)} rows struck" if task.struck else "",
    )
    return "; ".join(word for word in words if word)


def field_words(field: FormField) -> str:
    """Return what a field of a form asks for: `knowledge (from 1 to 5)`, `verdict (keep or end)`."""
    name = field.name.replace("_", " ")
    if field.kind == "choice":
        return f"{name} ({' or '.join(field.choice)})"
    if field.kind == "text" or field.minimum is None or field.maximum is None:
        return name
    return f"{name} (from {field.minimum:g} to {field.maximum:g})"


def marks_of(field: FormField) -> tuple[str, ...]:
    """Return all answers that a field may have, where they are few: its choices, or the whole numbers in its bounds."""
    if field.kind != "number" or field.minimum is None or field.maximum is None:
        return field.choice
    low, high = float(field.minimum), float(field.maximum)
    is_scale = low.is_integer() and high.is_integer() and high - low <= MOST_MARKS
    return tuple(str(mark) for mark in range(int(low), int(high) + 1)) if is_scale else ()


def _plain(answer: float | str) -> str:
    return answer if isinstance(answer, str) else f"{answer:g}"
