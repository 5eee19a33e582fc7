"""The checklist of a run as Markdown, for people who like files."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from opsrunner.engine.digest_words import day_words
from opsrunner.engine.task_words import STATUS_WORDS, due_words, evidence_words, moment_words
from opsrunner.mail.headers import clean_line
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run
from opsrunner.model.site import Site
from opsrunner.model.task import Task, TaskKind, TaskStatus

LINE_LENGTH = 1_000
_SIGNS = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def write_markdown(  # noqa: PLR0917 (one line of facts)
    state: Path, run: Run, routine: Routine, tasks: Sequence[Task], site: Site, now: datetime
) -> Path:
    """Write `checklists/<routine>/<date>-run<id>.md` below the state folder and return its path.

    The date is that of the run's due time in the site's zone. A reader sees the old file or the new
    one, never half of it. Raises OSError.
    """
    day = (run.nominal_at or run.created_at).astimezone(ZoneInfo(site.timezone)).date()
    folder = state / "checklists" / routine.id
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mine = [task for task in tasks if task.kind is TaskKind.ROUTINE]
    text = "\n".join(_lines(run, routine, mine, site, now)) + "\n"
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


def _lines(run: Run, routine: Routine, tasks: Sequence[Task], site: Site, now: datetime) -> Iterator[str]:
    day = (run.nominal_at or run.created_at).astimezone(ZoneInfo(site.timezone)).date()
    closed = sum(not task.is_open for task in tasks)
    yield f"# {_plain(routine.name)}, {day_words(day)} {day.year}"
    yield ""
    yield f"Run {run.id}, {closed} of {len(tasks)} closed. Written {moment_words(now, zone=site.timezone)}."
    group = None
    for task in tasks:
        if task.group != group:
            group = task.group
            yield ""
            if group:
                yield f"## {_plain(group)}"
                yield ""
        yield _item(task, site, now)


def _item(task: Task, site: Site, now: datetime) -> str:
    title = _plain(task.title)
    if task.status is TaskStatus.NOT_APPLICABLE:
        title = f"~~{title}~~"
    is_ticked = task.status in (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE)
    return f"- [{'x' if is_ticked else ' '}] {title} ({_about(task, site, now)})"


def _about(task: Task, site: Site, now: datetime) -> str:
    if task.is_open:
        words = [f"task {task.id}", _name(task.person or task.role, site), due_words(task, at=now).lower()]
        return ", ".join(_plain(word) for word in words if word)
    when = "" if task.closed_at is None else moment_words(task.closed_at, zone=site.timezone)
    said = "" if task.status is TaskStatus.DONE else STATUS_WORDS[task.status]
    words = [said, _name(task.closed_by, site), when, evidence_words(task)]
    return ", ".join(_plain(word) for word in words if word)


def _name(person: str, site: Site) -> str:
    known = site.people.get(person)
    return known.name if known else person


def _plain(text: str) -> str:
    """Return data as one line in which no sign is Markdown."""
    return _SIGNS.sub(r"\\\1", clean_line(text, length=LINE_LENGTH))
