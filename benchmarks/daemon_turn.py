"""One turn of the real daemon over many routines that are due in the same minute, in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsrunner.app import open_app

SITE = """\
site: Many
timezone: UTC
people: {{boss: {{name: Boss, email: boss@example.com, roles: [owner]}}}}
limits: {{workers: {workers}}}
"""


def next_minute(*, lead_seconds: float) -> datetime:
    """Return the first full minute that is at least `lead_seconds` away."""
    return (datetime.now(UTC) + timedelta(seconds=lead_seconds)).replace(second=0, microsecond=0) + timedelta(minutes=1)


def write_site(folder: Path, *, at: datetime, steps: list[str], workers: int = 16) -> Path:
    """Write a site with a routine for each of `steps`, all due at `at`."""
    folder.chmod(0o700)
    (folder / "routines").mkdir(mode=0o700)
    files = {"opsrunner.yaml": SITE.format(workers=workers)}
    for number, step in enumerate(steps):
        files[f"routines/routine-{number}.yaml"] = (
            f"name: Routine {number}\naccountable: owner\n"
            f'schedule: {{every: day, at: "{at:%H:%M}"}}\nsteps:\n  - {step}\n'
        )
    for name, text in files.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    return folder


def serve_until(folder: Path, is_over: Callable[[], bool], *, at: datetime, count: int) -> None:
    """Be the daemon until `is_over`, and see that `count` runs succeeded. Raises AssertionError."""
    app = open_app(folder)
    service = app.daemon_parts()
    service.daemon.begin()
    thread = threading.Thread(target=service.daemon.loop)
    thread.start()
    pause = threading.Event()
    until = at + timedelta(seconds=60)
    while datetime.now(UTC) < at or (not (is_over() and not service.workers.busy()) and datetime.now(UTC) < until):
        pause.wait(0.1)
    app.draining.set()
    thread.join()
    service.workers.close(grace_seconds=1, hurry=app.hurry)
    ended = [run.status.value for run in app.books.runs.listed(limit=count + 1)]
    app.close()
    assert ended == ["succeeded"] * count, f"{len(ended)} runs: {set(ended)}"
