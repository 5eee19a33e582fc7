"""What a run would do, without doing it: `run --dry-run`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from opsrunner.engine.context import run_context
from opsrunner.errors import ExpressionError, StepFailed
from opsrunner.model.routine import Routine, StepPlan, TaskPlan
from opsrunner.model.rows import KeyedRow
from opsrunner.model.run import Run, RunStatus, Trigger
from opsrunner.model.site import Site
from opsrunner.records import dataclass
from opsrunner.schedules.words import duration_in_words
from opsrunner.steps.kinds import KINDS
from opsrunner.templates.environments import render_options, render_text


@dataclass(frozen=True, kw_only=True)
class StepPreview:
    """One step as it would be done. Texts that need what an earlier step yields stay as they stand in the file."""

    id: str
    kind: str
    lines: tuple[str, ...]
    """What would be done; a human step has a line a task."""
    notes: tuple[str, ...] = ()
    """Conditions, repetitions, limits: `for each of steps.unpaid.rows`, `at most 30 min`."""


def preview_run(
    routine: Routine, site: Site, *, state: Path, now: datetime, occasion: KeyedRow | None = None
) -> list[StepPreview]:
    """Return every step of a routine as it would be done now, for a row where one is given. No secret is read."""
    run = Run(
        id=0,
        routine=routine.id,
        nominal_at=None,
        planned_at=None,
        trigger=Trigger.MANUAL,
        status=RunStatus.RUNNING,
        created_at=now,
    )
    context = run_context(
        run, routine, site, records={}, workdir=state / "runs" / "0" / "work", now=now, occasion=occasion
    )
    return [_preview_step(plan, routine, context) for plan in routine.steps]


def _preview_step(plan: StepPlan, routine: Routine, context: Mapping[str, Any]) -> StepPreview:
    if plan.is_human:
        lines = tuple(_preview_task(task, routine, context) for task in plan.tasks)
    else:
        lines = tuple(_preview_work(plan, context).split("\n"))
    return StepPreview(id=plan.id, kind=plan.kind, lines=lines, notes=tuple(_notes(plan)))


def _preview_work(plan: StepPlan, context: Mapping[str, Any]) -> str:
    """Return the kind's own preview, of the rendered options where they can be rendered already."""
    kind = KINDS[plan.kind]
    for options in (_rendered(plan, context), plan.options):
        if options is None:
            continue
        try:
            return kind.preview(kind.parse(options))
        except StepFailed:
            continue
    return plan.name or plan.kind


def _rendered(plan: StepPlan, context: Mapping[str, Any]) -> Mapping[str, Any] | None:
    try:
        return render_options(plan.options, context, verbatim=KINDS[plan.kind].verbatim)
    except ExpressionError:
        return None


def _preview_task(task: TaskPlan, routine: Routine, context: Mapping[str, Any]) -> str:
    try:
        title = render_text(task.title, context)
    except ExpressionError:
        title = task.title
    return f"{title} (for {task.for_whom(routine.accountable)})"


def _notes(plan: StepPlan) -> list[str]:
    notes = (
        f"when {plan.when}" if plan.when else "",
        f"for each of {plan.for_each}" if plan.for_each else "",
        f"with {', '.join(f'{name}={value}' for name, value in plan.env.items())}" if plan.env else "",
        f"at most {duration_in_words(int(plan.timeout_seconds))}" if not plan.is_human else "",
        f"up to {plan.retry.times} more tries" if plan.retry.times else "",
        f"fails if {plan.fail_if}" if plan.fail_if else "",
        f"look if {plan.warn_if}" if plan.warn_if else "",
        "once for ever" if plan.once else "",
        "the run goes on after a failure" if plan.on_failure == "continue" else "",
        "the run waits for it" if any(task.wait for task in plan.tasks) else "",
    )
    return [note for note in notes if note]
