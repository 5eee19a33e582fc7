"""Another program holds the ledger: verbs and the daemon wait for it, and nothing is lost or doubled."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HOLD = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
for statement in sys.argv[3:]:
    connection.execute(statement).fetchall()
print("held", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
connection.close()
"""
LOCKS = {
    "a writer that lets nobody in": ("BEGIN EXCLUSIVE",),
    "a writer that has not written yet": ("BEGIN IMMEDIATE",),
    "a reader that stays": ("BEGIN", "SELECT count(*) FROM meta"),
}
WORK = """\
name: Work
accountable: owner
schedule: {every: 1m}
overlap: queue
steps:
  - id: count
    run: echo "$OPS_RUN_ID" >> counter
"""
Rows = Callable[..., list[Any]]


def hold(site: Any, seconds: float, lock: str) -> subprocess.Popen[bytes]:
    """Take a lock in another process, for some seconds."""
    arguments = [sys.executable, "-c", HOLD, str(site.state / "ledger.db"), str(seconds), *LOCKS[lock]]
    holder = subprocess.Popen(arguments, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
    return holder


def work_through(site: Any, rows: Rows, lock: str, *, seconds: float) -> None:
    """Ask for this and that while a lock is held, with the daemon at work."""
    holder = hold(site, seconds, lock)
    started = time.monotonic()
    added = site.ask("task", "add", "Order disks", "--as", "boss")
    waited = time.monotonic() - started
    assert added.code == 0, added
    assert waited > seconds / 2, "it waited for the other"
    assert holder.wait(timeout=30) == 0
    assert site.ask("run", "work").code == 0
    assert site.process.poll() is None
    site.until(lambda: not rows(site.root, "SELECT 1 FROM runs WHERE finished_at IS NULL"), "all runs end")
    runs = rows(site.root, "SELECT id FROM runs WHERE status = 'succeeded' AND routine = 'work'")
    counted = (site.root / "counter").read_text().split()
    assert sorted(map(int, counted)) == sorted(run for (run,) in runs)
    assert " ERROR " not in site.log(), site.log()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_waited_for(served: Callable[..., Any], rows: Rows, lock: str) -> None:
    site = served(work=WORK)
    site.start()
    work_through(site, rows, lock, seconds=3)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_of_twenty_seconds_is_waited_for(served: Callable[..., Any], rows: Rows, lock: str) -> None:
    site = served(work=WORK)
    site.start()
    for _ in range(2):
        work_through(site, rows, lock, seconds=20)
    print(f"20 s of {lock}: waited for")


def test_who_holds_it_for_ever_is_named(served: Callable[..., Any], tmp_path: Path) -> None:
    """A verb gives up after half a minute; here the program is asked to be less patient."""
    site = served(work=WORK)
    assert site.ask("tasks").code == 0
    holder = hold(site, 30, "a writer that lets nobody in")
    script = (
        "import sys; import opsrunner.ledger.connecting as connecting; connecting.BUSY_SECONDS = 0.2\n"
        "from opsrunner.cli.main import call; sys.exit(call(['tasks']))"
    )
    asked = subprocess.run(
        [sys.executable, "-c", script], cwd=site.root, capture_output=True, text=True, timeout=30, check=False
    )
    holder.kill()
    holder.wait()
    assert asked.returncode == 1
    assert asked.stderr.count("\n") == 1
    assert f"another program holds it (process {holder.pid} (python" in asked.stderr
