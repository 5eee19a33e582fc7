"""`try`: the whole site once, in a state of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsrunner.cli.options import json_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import StateError, StateLocked

if TYPE_CHECKING:
    from opsrunner.app import App
    from opsrunner.engine.trial import TryResult
    from opsrunner.model.run import Run

EXAMPLE = """
opsrunner try
opsrunner try --site /srv/ops
"""
TRY = "try"


@verb(EXAMPLE, name="try")
@json_option
@site_options
@click.pass_obj
def try_site(session: Session) -> int:
    """Run every routine of the site once, for real, with a state of its own in var/try.

    Checklists open there and the digest is written as HTML and as a mail into a folder; the real state
    is not touched, and each try begins afresh. What a routine finds does not count as an error.
    """
    folder = session.state_folder / TRY
    empty(folder)
    session.state = folder
    from opsrunner.cli.lookup import actor_name  # noqa: PLC0415

    with session.opened() as app:
        if session.as_json:
            _print_json(session, app.try_all(actor=actor_name(session, app)))
        else:
            _try(session, app)
    return 0


def empty(folder: Path) -> None:
    """Remove what an earlier try left. Raises StateError where that is not a folder of ours, or in use."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise StateError(f"{folder} is not a folder: a try would replace it, so nothing was done")
    if not folder.exists():
        return
    from opsrunner.engine.state import StateLock  # noqa: PLC0415

    if StateLock(folder).is_held():
        raise StateLocked(f"another try is working in {folder}")
    if any(folder.iterdir()) and not (folder / "ledger.db").exists():
        raise StateError(f"{folder} holds something that no try made, so nothing was removed")
    try:
        shutil.rmtree(folder)
    except OSError as exc:
        raise StateError(f"{exc.filename or folder}: {exc.strerror}") from exc


def _try(session: Session, app: App) -> None:
    from opsrunner.cli.lookup import actor_name  # noqa: PLC0415
    from opsrunner.cli.progress import Progress  # noqa: PLC0415
    from opsrunner.cli.words import count_words  # noqa: PLC0415

    screen = session.screen
    screen.heading(app.site.name, f"trying {count_words(len(app.site.routines), 'routine')}")
    with Progress(screen, each_step=False) as progress:
        result = app.try_all(actor=actor_name(session, app), on_event=progress)
    _tell_broken(session, app)
    if result.tasks:
        screen.line()
        screen.heading("For people", count_words(len(result.tasks), "open task"))
        _print_tasks(session, app, result)
    screen.line()
    screen.heading("Today's digest", result.digest_subject)
    screen.line()
    screen.block(result.digest_text)
    screen.line()
    for number, line in enumerate(_next_lines(session, result), start=1):
        screen.line(f"{number}. {line}")


def _tell_broken(session: Session, app: App) -> None:
    """Name the routines whose file does not check: they did not run."""
    for routine, problems in sorted(app.loaded.broken.items()):
        session.screen.line(f"{routine}: did not run, its file does not check: {problems[0]}", tone="failed", sign=True)


def _print_tasks(session: Session, app: App, result: TryResult, most: int = 20) -> None:
    from opsrunner.cli.lookup import routine_name  # noqa: PLC0415
    from opsrunner.cli.screen import Cell, Column  # noqa: PLC0415

    now = app.clock.now()
    rows = []
    for task in result.tasks[:most]:
        person = app.people.of_task(task, at=now)
        whose = person.name if person else task.role
        rows.append((task.title, whose, Cell(text=routine_name(app, task.routine), dim=True)))
    session.screen.table([Column(grows=True), Column(), Column()], rows, indent=2)
    if len(result.tasks) > most:
        session.screen.line(f"  and {len(result.tasks) - most} more", dim=True)


def _next_lines(session: Session, result: TryResult) -> Sequence[str]:
    """Return the three lines that say what to do next."""
    site = "" if session.site == Path() else f" --site {session.site}"
    return (
        f"opsrunner tasks{site} --state {shown(session.state_folder)}    shows every task; tick one there, it is a try",
        f"open {shown(result.html)}    is the digest as the owner reads it; its mail lies in {shown(result.maildir)}",
        f"opsrunner serve{site}    keeps these routines for real; opsrunner init DIR writes a site of your own",
    )


def shown(path: Path) -> str:
    """Return a path as one would type it: relative where it lies below the working folder."""
    try:
        return str(path.resolve().relative_to(Path(os.getcwd()).resolve()))  # noqa: PTH109 (may be gone)
    except (ValueError, OSError):
        return str(path)


def _print_json(session: Session, result: TryResult) -> None:
    session.print_json(
        {
            "runs": [_run_view(run) for run in result.runs],
            "tasks": [{"id": task.id, "title": task.title, "routine": task.routine} for task in result.tasks],
            "digest": {"subject": result.digest_subject, "text": result.digest_text, "html": result.html},
            "maildir": result.maildir,
        }
    )


def _run_view(run: Run) -> dict[str, object]:
    return {"id": run.id, "routine": run.routine, "status": run.status, "reason": run.reason}
