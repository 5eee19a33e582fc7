"""The checklist of a run as Markdown, for people who like files."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk, RoutineNames
from opsrunner.engine.plain_markdown import plain_markdown
from opsrunner.engine.task_words import STATUS_WORDS, evidence_words
from opsrunner.errors import NotFound
from opsrunner.model.run import Run
from opsrunner.model.site import Site
from opsrunner.model.task import Task, TaskKind, TaskStatus
from opsrunner.schedules.day_names import day_words, moment_words

_log = logging.getLogger(__name__)


class Checklists:
    """The files of all runs; the ledger has the tasks whether or not a file can be written."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def write(self, runs: Iterable[int | None], *, at: datetime) -> None:
        """Bring the files of these runs up to date; a run without a list of its own has none. Never raises."""
        for run_id in sorted({run for run in runs if run is not None}):
            try:
                self._write(run_id, at)
            except (NotFound, OSError) as exc:
                _log.warning("the checklist of run %s was not written: %s", run_id, exc, extra={"action": "checklist"})

    def write_about(self, tasks: Iterable[Task], *, at: datetime) -> None:
        """Bring the files up to date that tell of these tasks."""
        self.write((task.run for task in tasks if task.kind is TaskKind.ROUTINE), at=at)

    def _write(self, run_id: int, at: datetime) -> None:
        tasks = [task for task in self._desk.books.tasks.of_run(run_id) if task.kind is TaskKind.ROUTINE]
        if not tasks:
            return
        run = self._desk.books.runs.get(run_id)
        name = RoutineNames(self._desk).of(run.routine)
        write_markdown(self._desk.state, run, name, tasks, self._desk.site(), at)


def write_markdown(  # noqa: PLR0917 (one line of facts)
    state: Path, run: Run, name: str, tasks: Sequence[Task], site: Site, now: datetime
) -> Path:
    """Write `checklists/<routine>/<date>-run<id>.md` below the state folder and return its path.

    `name` is the routine's, `tasks` are those of the run's list.

    The date is that of the run's due time in the site's zone. A reader sees the old file or the new
    one, never half of it. Raises OSError.
    """
    day = (run.nominal_at or run.created_at).astimezone(ZoneInfo(site.timezone)).date()
    folder = state / "checklists" / run.routine
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = "\n".join(_lines(run, name, tasks, site, now)) + "\n"
    path = folder / f"{day.isoformat()}-run{run.id}.md"
    descriptor, draft = tempfile.mkstemp(dir=folder, prefix=".draft-")  # 0600 by itself
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return path


def _lines(run: Run, name: str, tasks: Sequence[Task], site: Site, now: datetime) -> Iterator[str]:
    day = (run.nominal_at or run.created_at).astimezone(ZoneInfo(site.timezone)).date()
    closed = sum(not task.is_open for task in tasks)
    yield f"# {plain_markdown(name)}, {day_words(day)} {day.year}"
    yield ""
    yield f"Run {run.id}, {closed} of {len(tasks)} closed. Written {moment_words(now, zone=ZoneInfo(site.timezone))}."
    group = None
    for task in tasks:
        if task.group != group:
            group = task.group
            yield ""
            if group:
                yield f"## {plain_markdown(group)}"
                yield ""
        yield _item(task, site)


def _item(task: Task, site: Site) -> str:
    title = plain_markdown(task.title)
    if task.status is TaskStatus.NOT_APPLICABLE:
        title = f"~~{title}~~"
    is_ticked = task.status in (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE)
    return f"- [{'x' if is_ticked else ' '}] {title} ({_about(task, site)})"


def _about(task: Task, site: Site) -> str:
    if task.is_open:
        due = "" if task.due_at is None else f"due {moment_words(task.due_at, zone=ZoneInfo(site.timezone))}"
        words = [f"task {task.id}", _name(task.person or task.role, site), due]
        return ", ".join(plain_markdown(word) for word in words if word)
    when = "" if task.closed_at is None else moment_words(task.closed_at, zone=ZoneInfo(site.timezone))
    said = "" if task.status is TaskStatus.DONE else STATUS_WORDS[task.status]
    words = [said, _name(task.closed_by, site), when, evidence_words(task)]
    return ", ".join(plain_markdown(word) for word in words if word)


def _name(person: str, site: Site) -> str:
    known = site.people.get(person)
    return known.name if known else person
