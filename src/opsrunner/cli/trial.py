"""`try`: the whole site once, in a state of its own."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsrunner.cli.options import json_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import StateError, StateLocked, UsageError

if TYPE_CHECKING:
    from opsrunner.app import App
    from opsrunner.cli.screen import CellLike
    from opsrunner.engine.service import Face
    from opsrunner.engine.trial import TryResult
    from opsrunner.model.run import Run
    from opsrunner.model.task import Task

EXAMPLE = """
opsrunner try
opsrunner try --serve
opsrunner try --site /srv/ops
"""
TRY = "try"


@verb(EXAMPLE, name="try")
@click.option("--serve", is_flag=True, help="Serve the page over what the try left, until Ctrl-C.")
@json_option
@site_options
@click.pass_obj
def try_site(session: Session, serve: bool) -> int:
    """Run every routine of the site once, for real, with a state of its own in var/try.

    Checklists open there and the digest is written as HTML and as a mail into a folder; the real state
    is not touched, and each try begins afresh. Copies go into the site's stores, under _try/, and nothing else
    there is touched. What a routine finds does not count as an error. With --serve
    the page follows, its routines kept as `opsrunner serve` keeps them; mails still reach nobody.
    """
    if serve and session.as_json:
        raise UsageError("--serve goes on until it is ended, so it goes without --json")
    folder = session.state_folder / TRY
    empty(folder)
    _keep_trust(session.state_folder, folder)
    _keep_real_copies(session.state_folder, folder)
    session.state = folder
    from opsrunner.cli.lookup import actor_name

    with session.at_work(mails_stay=True) as app:
        if session.as_json:
            _print_json(session, app.try_all(actor=actor_name(session, app)))
        else:
            _try(session, app)
        if serve:
            return _serve(session, app)
    return 0


def _keep_trust(real: Path, folder: Path) -> None:
    """Let the try speak to the hosts that people trust: of the real state it has their pinned keys, and no more."""
    from opsrunner.open_site import KNOWN_HOSTS

    pinned = real / KNOWN_HOSTS
    if pinned.is_file():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(pinned, folder / KNOWN_HOSTS)
        (folder / KNOWN_HOSTS).chmod(0o600)


def _keep_real_copies(real: Path, folder: Path) -> None:
    """Let the try know a store whose disk is not mounted by the real copies that are not there."""
    from opsrunner.engine.real_copies import keep_real_copies

    keep_real_copies(real, folder)


def _serve(session: Session, app: App) -> int:
    """Serve the page over the try's state. Raises StateError where it cannot listen."""
    from opsrunner.cli.log_lines import log_to_stderr
    from opsrunner.cli.serve import page_of

    log_to_stderr(session, level=logging.WARNING)
    page = page_of(app)
    session.screen.line()
    page.start()
    session.screen.line(f"The page is at {app.site.web.address}; Ctrl-C ends it.")
    sys.stdout.flush()  # who reads it through a pipe waits for this line
    return app.serve(_Begun(page))


class _Begun:
    """A page that is there already: a try without one would be no try."""

    def __init__(self, page: Face) -> None:
        self._page = page

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """End the page."""
        self._page.stop()


def empty(folder: Path) -> None:
    """Remove what an earlier try left. Raises StateError where that is not a folder of ours, or in use."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise StateError(f"{folder} is not a folder: a try would replace it, so nothing was done")
    if not folder.exists():
        return
    from opsrunner.engine.state import LEDGER, StateLock

    if StateLock(folder).is_held():
        raise StateLocked(f"another try is working in {folder}")
    if any(folder.iterdir()) and not (folder / LEDGER).exists():
        raise StateError(f"{folder} holds something that no try made, so nothing was removed")
    try:
        shutil.rmtree(folder)
    except OSError as exc:
        raise StateError(f"{exc.filename or folder}: {exc.strerror}") from exc


def _try(session: Session, app: App) -> None:
    from opsrunner.cli.lookup import actor_name
    from opsrunner.cli.progress import Progress
    from opsrunner.cli.screen import Column
    from opsrunner.engine.moment_words import count_words

    screen = session.screen
    screen.heading(app.site.name, f"trying {count_words(len(app.site.routines), 'routine')}")
    with Progress(screen, each_step=False) as progress:
        result = app.try_all(actor=actor_name(session, app), on_event=progress)
    _tell_broken(session, app, result)
    if result.tasks:
        screen.line()
        screen.heading("For people", count_words(len(result.tasks), "open task"))
        screen.table([Column(), Column(right=True), Column(grows=True)], _task_rows(app, result), indent=2)
    _show_copies(session, app)
    screen.line()
    screen.heading("Today's digest", result.digest_subject)
    screen.line()
    screen.block(result.digest_text)
    screen.line()
    screen.line(f"The digest also lies in {shown(result.html)}, and as a mail in {shown(result.maildir)}")
    screen.line()
    for number, line in enumerate(_next_lines(session, app, result), start=1):
        screen.line(f"{number}. {line}")


def _tell_broken(session: Session, app: App, result: TryResult) -> None:
    """Name the routines that did not run: their file does not check, or they were refused."""
    for routine, problems in sorted(app.loaded.broken.items()):
        session.screen.line(f"{routine}: did not run, its file does not check: {problems[0]}", tone="failed", sign=True)
    for routine, message in sorted(result.refused.items()):
        session.screen.line(f"{routine}: did not run: {message}", tone="failed", sign=True)


def _show_copies(session: Session, app: App) -> None:
    """List the copies that the try made, and how each was proven."""
    from opsrunner.cli.backups_views import show_copies
    from opsrunner.engine.moment_words import count_words

    copies = app.books.copies.lying()
    if copies:
        session.screen.line()
        session.screen.heading("Backups", count_words(len(copies), "copy", "copies"))
        show_copies(session, copies, indent=2)


def _task_rows(app: App, result: TryResult) -> list[Sequence[CellLike]]:
    """Return a row a routine: how many tasks, who has them, and the first ones."""
    from opsrunner.cli.lookup import routine_name
    from opsrunner.cli.screen import Cell

    now = app.clock.now()
    by_routine: dict[str, list[Task]] = {}
    for task in result.tasks:
        by_routine.setdefault(routine_name(app, task.routine), []).append(task)
    rows: list[Sequence[CellLike]] = []
    for name, tasks in by_routine.items():
        holders = [app.people.of_task(task, at=now) for task in tasks]
        whose = [person.name if person else task.role for person, task in zip(holders, tasks, strict=True)]
        titles = tasks[0].title + (f", and {len(tasks) - 1} more" if len(tasks) > 1 else "")
        rows.append((name, str(len(tasks)), Cell(text=f"for {', '.join(dict.fromkeys(whose))}: {titles}", dim=True)))
    return rows


def _next_lines(session: Session, app: App, result: TryResult) -> Sequence[str]:
    """Return the three lines that say what to do next."""
    program = program_name()
    site = "" if session.site == Path() else f" --site {session.site}"
    is_sample = app.site.sample_seed is not None
    commands = {
        f"{program} tasks{site} --state {shown(session.state_folder)}": "the tasks; tick one there, it is only a try",
        f"open {shown(result.html)}": "the digest as the owner reads it",
        f"{program} init DIR" if is_sample else f"{program} serve{site}": "writes a site of your own"
        if is_sample
        else "keeps these routines for real",
    }
    width = max(map(len, commands))
    return [f"{command.ljust(width)}  {what}" for command, what in commands.items()]


def program_name() -> str:
    """Return how this program is called here: its name where the shell finds it, else its path."""
    called = Path(sys.argv[0])
    found = shutil.which("opsrunner")
    return "opsrunner" if found is not None and Path(found).resolve() == called.resolve() else shown(called)


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
