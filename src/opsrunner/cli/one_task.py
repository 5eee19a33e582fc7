"""One task in full, for `task show`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from opsrunner.cli.lookup import person_name, routine_name
from opsrunner.cli.screen import Cell, CellLike, Column, Screen
from opsrunner.cli.views import task_view
from opsrunner.engine.finding_words import times_came
from opsrunner.engine.moment_words import due_words, when_words
from opsrunner.engine.status_words import status_word, tone_of
from opsrunner.engine.task_words import evidence_words, field_words
from opsrunner.model.routine import EvidenceSpec, FormField
from opsrunner.model.task import Task, TaskKind

if TYPE_CHECKING:
    from opsrunner.open_site import OpenSite


def task_as_json(app: OpenSite, task: Task) -> dict[str, Any]:
    """Return a task with what it asks for and what has happened to it."""
    now = app.clock.now()
    person = app.people.of_task(task, at=now)
    return {
        **task_view(task, now=now, person=person.id if person else None),
        "asks_for": task.evidence_spec,
        "escalates": task.escalate,
        "history": app.books.audit.about(f"task {task.id}"),
    }


def print_task(screen: Screen, app: OpenSite, task: Task) -> None:
    """Print a task: head, how, rows to approve, history, and how to tick it."""
    from opsrunner.templates.markdown import readable

    now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
    screen.heading(f"Task {task.id}  {task.title}")
    screen.line(status_word(task.status.value), tone=tone_of(task.status.value), sign=True)
    screen.line()
    screen.table([Column(), Column(grows=True)], _facts(app, task, now=now, zone=zone), indent=2)
    is_over = task.kind is TaskKind.FOLLOW_UP and not task.is_open  # what to do about a failure that is gone
    for text in (task.message, "" if is_over else readable(task.how)):
        if text.strip():
            screen.line()
            screen.prose(text, indent=2)
    if task.rows:
        screen.line()
        screen.heading("Rows", "struck ones are left out")
        screen.table(*_rows_table(task), indent=2)
    history = app.books.audit.about(f"task {task.id}")
    if history:
        screen.line()
        screen.heading("What happened")
        screen.table(
            [Column(), Column(), Column(), Column(grows=True)],
            [
                (when_words(one.at, now=now, zone=zone), person_name(app, one.actor), one.action, one.detail)
                for one in history
            ],
            indent=2,
        )
    if task.is_open:
        screen.line()
        screen.line(f"When it is done: opsrunner tick {task.id}{_options(task.evidence_spec)}", dim=True)


def _facts(app: OpenSite, task: Task, *, now: datetime, zone: ZoneInfo) -> list[Sequence[CellLike]]:
    person = app.people.of_task(task, at=now)
    facts = {
        "due": due_words(task.due_at, now=now, zone=zone) if task.is_open else "",
        "with": f"{person.name} ({task.role})" if person and person.id != task.role else task.role,
        "from": f"{routine_name(app, task.routine)}{f', run {task.run}' if task.run else ''}",
        "about": task.key or "",
        "group": task.group,
        "link": task.link,
        "opened": when_words(task.opened_at, now=now, zone=zone)
        + (f", by {person_name(app, task.opened_by)}" if task.opened_by else ""),
        "came": f"{times_came(task)} times" if times_came(task) > 1 else "",
        "asks for": _asks_for(task.evidence_spec),
        "closed": _closed(app, task, now=now, zone=zone),
        "said": evidence_words(task) if not task.is_open else "",
    }
    return [(Cell(text=name, dim=True), text) for name, text in facts.items() if text]


def _closed(app: OpenSite, task: Task, *, now: datetime, zone: ZoneInfo) -> str:
    if task.closed_at is None:
        return ""
    return f"{when_words(task.closed_at, now=now, zone=zone)}, by {person_name(app, task.closed_by)}"


def _asks_for(spec: EvidenceSpec | None) -> str:
    if spec is None:
        return ""
    number = spec.number_name or "a number"
    asked = (
        (spec.note, "a note"),
        (spec.number, number + _bounds(spec)),
        ("required" if spec.choice else None, f"one of {', '.join(spec.choice)}"),
        (spec.file, "a file"),
        *((field.need, field_words(field)) for field in spec.form),
    )
    return ", ".join(words if need == "required" else f"{words} if you like" for need, words in asked if need)


def _bounds(spec: EvidenceSpec) -> str:
    low = f"from {spec.minimum:g}" if spec.minimum is not None else ""
    high = f"to {spec.maximum:g}" if spec.maximum is not None else ""
    words = " ".join(part for part in (low, high) if part)
    return f" ({words})" if words else ""


def _options(spec: EvidenceSpec | None) -> str:
    if spec is None:
        return ""
    options = (
        " --note '…'" if spec.note == "required" else "",
        " --number N" if spec.number == "required" else "",
        f" --choice '{spec.choice[0]}'" if spec.choice else "",
        " --file PATH" if spec.file == "required" else "",
        *(f" --evidence {field.name}={_example(field)}" for field in spec.form if field.need == "required"),
    )
    return "".join(options)


def _example(field: FormField) -> str:
    if field.kind == "choice":
        return f"'{field.choice[0]}'"
    return "'…'" if field.kind == "text" or field.maximum is None else f"{field.maximum:g}"


def _rows_table(task: Task) -> tuple[list[Column], list[Sequence[CellLike]]]:
    names = list(dict.fromkeys(name for row in task.rows for name in row))
    columns = [Column(title="row", right=True), *(Column(title=name) for name in names), Column()]
    rows: list[Sequence[CellLike]] = []
    for position, row in enumerate(task.rows):
        is_struck = position in task.struck
        cells = ["" if row.get(name) is None else str(row[name]) for name in names]
        rows.append(
            (str(position + 1), *(Cell(text=cell, dim=is_struck) for cell in cells), "struck" if is_struck else "")
        )
    return columns, rows
