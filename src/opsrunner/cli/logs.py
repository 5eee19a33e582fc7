"""`logs`: what the steps of a run wrote."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from opsrunner.cli.options import json_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import NotFound, UsageError

if TYPE_CHECKING:
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner logs 42
opsrunner logs 42 dump --follow
"""
STEP = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
FOLLOW_SECONDS = 0.3
CHUNK_BYTES = 65536


@verb(EXAMPLE)
@click.argument("run_id", metavar="RUN", type=click.IntRange(1))
@click.argument("step", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on as the run goes on, until it ends or waits.")
@json_option
@site_options
@click.pass_obj
def logs(session: Session, run_id: int, step: str | None, follow: bool) -> int:
    """Show what the steps of RUN wrote, or STEP alone. Control characters are written out."""
    if step is not None and not STEP.fullmatch(step):
        raise UsageError("a step's name has only letters, digits, '-', '_' and '.'")
    if follow and session.as_json:
        raise UsageError("--follow and --json do not go together")
    with session.opened() as app:
        app.books.runs.get(run_id)
        folder = app.state / "runs" / str(run_id)
        if follow:
            _follow(session, app, run_id, folder, step)
            return 0
        found = log_files(folder, step)
        if session.as_json:
            session.print_json([{"step": path.name.removesuffix(".log"), "text": _read(path)} for path in found])
        elif not found:
            raise NotFound(_nothing(app, run_id, step))
        for path in found if not session.as_json else ():
            _title(session, path, alone=len(found) == 1)
            for piece in _pieces(path):
                session.screen.write(piece)
            session.screen.end_line()
    return 0


def log_files(folder: Path, step: str | None) -> list[Path]:
    """Return the logs of a run, or of one step with its hosts and rows, oldest first; nothing from outside."""
    root = folder.resolve()
    found = [path for path in root.glob("*.log") if path.is_file() and path.resolve().parent == root]
    if step is not None:
        found = [path for path in found if path.name == f"{step}.log" or path.name.startswith(f"{step}.")]
    return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))


def _nothing(app: OpenSite, run_id: int, step: str | None) -> str:
    known = [record.id for record in app.books.steps.of_run(run_id)]
    if step is not None and step not in known:
        return f"run {run_id} has no step '{step}' that began (it has: {', '.join(known) or 'none'})"
    return f"nothing was written by {f'step {step} of ' if step else ''}run {run_id}"


def _title(session: Session, path: Path, *, alone: bool) -> None:
    if not alone:
        session.screen.heading(f"── {path.name.removesuffix('.log')}")


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def _pieces(path: Path) -> Iterator[str]:
    """Yield a file as text, a piece at a time, without cutting a character in two."""
    with path.open("r", encoding="utf-8", errors="replace", newline="") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece


def _follow(session: Session, app: OpenSite, run_id: int, folder: Path, step: str | None) -> None:
    """Print what is there, then what comes, until nothing works on the run any more."""
    files: dict[Path, BinaryIO] = {}
    last: Path | None = None
    try:
        while True:
            goes_on = app.books.runs.get(run_id).status.value == "running"
            for path in log_files(folder, step):
                if path not in files:
                    files[path] = path.open("rb")
                data = files[path].read()
                if data and path != last:
                    session.screen.end_line()
                    _title(session, path, alone=step is not None)
                    last = path
                session.screen.write(data.decode("utf-8", "replace"))
            if not goes_on:
                session.screen.end_line()
                return
            time.sleep(FOLLOW_SECONDS)
    finally:
        for file in files.values():
            file.close()
