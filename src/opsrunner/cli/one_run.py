"""One run in full, for `show` and for the end of `run`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from opsrunner.cli.lookup import person_name, routine_name
from opsrunner.cli.screen import SIGNS, Cell, CellLike, Column, Screen
from opsrunner.cli.statuses import status_cell
from opsrunner.cli.views import run_view, step_view, task_view
from opsrunner.engine.moment_words import clock_words, due_words, duration_words, when_words
from opsrunner.engine.run_facts import not_begun, seconds_between, waits_for
from opsrunner.engine.status_words import reason_words, status_word, tone_of
from opsrunner.engine.task_texts import state_words
from opsrunner.model.outcome import StepStatus
from opsrunner.model.run import Run, StepRecord
from opsrunner.model.task import Task

if TYPE_CHECKING:
    from opsrunner.open_site import OpenSite

MOST_PARTS = 40


def run_as_json(app: OpenSite, run: Run) -> dict[str, Any]:
    """Return a run with its steps and tasks."""
    now, tasks = app.clock.now(), app.books.tasks.of_run(run.id)
    records, occasion = app.books.steps.of_run(run.id), app.books.known_rows.of_run(run.id)
    return {
        **run_view(run, name=routine_name(app, run.routine)),
        "row": dict(occasion.row) if occasion else None,
        "steps": [{**step_view(record), "waits_for": waits_for(record, tasks)} for record in records],
        "not_begun": not_begun(app.books, run, records),
        "tasks": [task_view(task, now=now) for task in tasks],
    }


def print_run(screen: Screen, app: OpenSite, run: Run) -> None:
    """Print a run: its head, its steps, its tasks."""
    now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
    records, tasks = app.books.steps.of_run(run.id), app.books.tasks.of_run(run.id)
    screen.heading(f"Run {run.id}  {routine_name(app, run.routine)}")
    tone = tone_of(run.status.value)
    why = f": {reason_words(run.reason)}" if run.reason else ""
    screen.line(f"{status_word(run.status.value)}{why}", tone=tone, sign=True)
    screen.line()
    screen.table([Column(), Column(grows=True)], _head(app, run, now=now, zone=zone), indent=2)
    if records or not run.status.is_final:
        screen.line()
        screen.heading("Steps")
        screen.table(*_steps_table(records, tasks, not_begun(app.books, run, records), zone=zone), indent=2)
    if tasks:
        screen.line()
        screen.heading("Tasks")
        screen.table(*_tasks_table(app, tasks, now=now, zone=zone), indent=2)


def _head(app: OpenSite, run: Run, *, now: datetime, zone: ZoneInfo) -> list[Sequence[CellLike]]:
    seconds = seconds_between(run.started_at, run.finished_at)
    trigger = {
        "schedule": "by its schedule",
        "catch_up": "caught up",
        "manual": "by hand",
        "rerun": f"again for run {run.rerun_of}",
        "rows": "by its row",
    }[run.trigger.value]
    occasion = app.books.known_rows.of_run(run.id)
    late = f", {duration_words(run.late_seconds)} late" if run.late_seconds >= 60 else ""
    facts = {
        "due": when_words(run.nominal_at, now=now, zone=zone) if run.nominal_at else "",
        "planned": when_words(run.planned_at, now=now, zone=zone)
        if run.planned_at and run.planned_at != run.nominal_at
        else "",
        "started": when_words(run.started_at, now=now, zone=zone) + late if run.started_at else "",
        "took": duration_words(seconds) if seconds is not None else "",
        "row": occasion.key if occasion else "",
        "with": state_words(occasion.row) if occasion else "",
        "came": trigger + (f", by {person_name(app, run.actor)}" if run.actor else ""),
    }
    return [(Cell(text=name, dim=True), text) for name, text in facts.items() if text]


def _steps_table(
    records: Sequence[StepRecord], tasks: Sequence[Task], pending: Sequence[str], *, zone: ZoneInfo
) -> tuple[list[Column], list[Sequence[CellLike]]]:
    rows: list[Sequence[CellLike]] = []
    for record in records:
        rows.append(_step_row(record, tasks, zone=zone))
        rows += _parts_and_tries(record)
    rows += [(step, status_cell(StepStatus.PENDING.value), "", "", "") for step in pending]
    columns = [
        Column(title="step"),
        Column(title="status"),
        Column(title="at"),
        Column(title="took", right=True),
        Column(title="what it said", grows=True),
    ]
    return columns, rows


def _step_row(record: StepRecord, tasks: Sequence[Task], *, zone: ZoneInfo) -> Sequence[CellLike]:
    outcome = record.outcome
    seconds = seconds_between(record.started_at, record.finished_at)
    said = outcome.message or reason_words(outcome.reason) if outcome else ""
    return (
        record.id,
        _step_cell(record, tasks),
        clock_words(record.started_at, zone=zone) if record.started_at else "",
        duration_words(seconds) if seconds is not None else "",
        said,
    )


def _step_cell(record: StepRecord, tasks: Sequence[Task]) -> Cell:
    held_by = waits_for(record, tasks)
    if not held_by:
        return status_cell(record.status.value)
    return Cell(text=f"{SIGNS['live']} waits for task {held_by[0]}", tone="live")


def _parts_and_tries(record: StepRecord) -> list[Sequence[CellLike]]:
    if record.outcome is None:
        return []
    parts = record.outcome.parts
    shown = sorted(parts, key=lambda part: not part.status.is_bad)[:MOST_PARTS]
    rows: list[Sequence[CellLike]] = [
        (f"  {part.key}", status_cell(part.status.value), "", "", part.message) for part in shown
    ]
    if len(parts) > len(shown):
        rows.append((f"  and {len(parts) - len(shown)} more", "", "", "", "all of them with --json"))
    rows += [
        (
            f"  try {attempt.number}",
            status_cell(attempt.status.value),
            "",
            duration_words(attempt.seconds),
            attempt.message,
        )
        for attempt in record.outcome.attempts
    ]
    return rows


def _tasks_table(
    app: OpenSite, tasks: Sequence[Task], *, now: datetime, zone: ZoneInfo
) -> tuple[list[Column], list[Sequence[CellLike]]]:
    rows: list[Sequence[CellLike]] = []
    for task in tasks:
        closed = f"{person_name(app, task.closed_by)}, " if task.closed_by else ""
        when = due_words(task.due_at, now=now, zone=zone) if task.is_open else ""
        if task.closed_at is not None:
            when = closed + when_words(task.closed_at, now=now, zone=zone)
        rows.append((str(task.id), status_cell(task.status.value), task.title, when))
    columns = [
        Column(title="task", right=True),
        Column(title="status"),
        Column(title="what", grows=True),
        Column(title="when"),
    ]
    return columns, rows
