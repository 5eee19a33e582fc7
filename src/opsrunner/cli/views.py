"""The shapes of the JSON answers: stable names, described in docs/commands.md."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from opsrunner.engine.run_facts import seconds_between
from opsrunner.model.outcome import Outcome
from opsrunner.model.run import Run, StepRecord
from opsrunner.model.task import Task


def run_view(run: Run, *, name: str) -> dict[str, Any]:
    """Return a run."""
    return {
        "id": run.id,
        "routine": run.routine,
        "name": name,
        "status": run.status,
        "reason": run.reason,
        "trigger": run.trigger,
        "actor": run.actor,
        "nominal_at": run.nominal_at,
        "planned_at": run.planned_at,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "seconds": seconds_between(run.started_at, run.finished_at),
        "late_seconds": run.late_seconds,
        "rerun_of": run.rerun_of,
        "row_key": run.row_key,
    }


def step_view(record: StepRecord) -> dict[str, Any]:
    """Return a step of a run."""
    outcome = record.outcome or Outcome(status=record.status)
    return {
        "id": record.id,
        "kind": record.kind,
        "status": record.status,
        "reason": outcome.reason,
        "message": outcome.message,
        "started_at": record.started_at,
        "finished_at": record.finished_at,
        "seconds": seconds_between(record.started_at, record.finished_at),
        "facts": outcome.facts,
        "rows": outcome.rows,
        "parts": outcome.parts,
        "attempts": outcome.attempts,
    }


def task_view(task: Task, *, now: datetime, person: str | None = None) -> dict[str, Any]:
    """Return a task; `person` is whose it is now, by claim, hand-over, roster or role."""
    return {
        "id": task.id,
        "title": task.title,
        "status": task.status,
        "kind": task.kind,
        "routine": task.routine,
        "run": task.run,
        "step": task.step,
        "item": task.item,
        "key": task.key,
        "group": task.group,
        "role": task.role,
        "person": person or task.person,
        "due_at": task.due_at,
        "late": task.is_late(now),
        "count": task.count,
        "message": task.message,
        "how": task.how,
        "link": task.link,
        "wait": task.wait,
        "approve_by": task.approve_by,
        "not_by": task.not_by,
        "rows": task.rows,
        "struck": task.struck,
        "opened_at": task.opened_at,
        "opened_by": task.opened_by,
        "closed_at": task.closed_at,
        "closed_by": task.closed_by,
        "settles_at": task.settles_at,
        "evidence": task.evidence if not task.is_open else None,
    }
