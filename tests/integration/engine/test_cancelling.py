"""Stopping a run where no daemon lives."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from opsrunner.engine.automated import run_token
from opsrunner.engine.cancelling import cancel_run
from opsrunner.engine.desk import Desk
from opsrunner.engine.state import StateLock
from opsrunner.model.run import Run, RunStatus
from opsrunner.testing import FakeClock


def test_the_processes_that_a_dead_daemon_left_behind_are_ended(
    desk: Desk, start: Callable[..., Run], tmp_path: Path, now: datetime
) -> None:
    run, other = start(), start("other")
    left, unharmed = (
        subprocess.Popen(["sleep", "60"], env={"OPS_RUN_TOKEN": run_token(desk.books.ledger.id, one.id)})
        for one in (run, other)
    )
    ended = cancel_run(run.id, books=desk.books, clock=FakeClock(now), lock=StateLock(tmp_path), actor="boss")
    assert (ended.status, ended.reason) == (RunStatus.CANCELLED, "asked")
    assert left.wait(timeout=5) < 0
    assert unharmed.poll() is None
    unharmed.kill()
    unharmed.wait()
