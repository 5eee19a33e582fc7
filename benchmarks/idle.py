"""What the daemon costs while nothing is due: memory, time of a core, wake-ups, and how soon it is there."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.made_site import write_site
from benchmarks.measure import Figure
from benchmarks.proc import TICKS, megabytes, ticks, wakes

PROGRAM = Path(sys.executable).parent / "opsrunner"
ROUTINES = 1_000
SEED = 11
SETTLING_SECONDS = 20.0
MEASURED_SECONDS = 60.0
MOST_MEGABYTES = 85
MOST_PERCENT = 0.5


def figures() -> Iterator[Figure]:
    """Serve a site of ROUTINES files of which none is due for hours, and look at the process."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "site"
        write_site(root, count=ROUTINES, seed=SEED)
        put_off(root)
        yield from _of_starts(root)
        daemon = _serve(root)
        try:
            _wait_for(daemon, "in force")
            yield from _of_idling(daemon.pid)
        finally:
            _stop(daemon)


def put_off(root: Path) -> None:
    """Make every routine due once a day, six to eighteen hours from now."""
    dice, now = random.Random(SEED), datetime.now(ZoneInfo("Europe/Oslo"))
    for path in sorted((root / "routines").iterdir()):
        due = now + timedelta(minutes=dice.randint(360, 1080))
        text = path.read_text(encoding="utf-8")
        changed, count = re.subn(r"(?m)^schedule: .*$", f'schedule: {{every: day, at: "{due:%H:%M}"}}', text)
        assert count == 1, path
        path.write_text(changed, encoding="utf-8")


def _of_starts(root: Path) -> Iterator[Figure]:
    """Yield how long a first start takes until the routines are in force, and one over a ledger that knows them."""
    for name in ("new", "known"):
        began = time.perf_counter()
        daemon = _serve(root)
        try:
            _wait_for(daemon, "in force")
            seconds = time.perf_counter() - began
        finally:
            _stop(daemon)
        yield Figure(name=f"serve with {ROUTINES:,} {name} routines: until they are in force", ours=seconds, unit="s")


def _of_idling(pid: int) -> Iterator[Figure]:
    time.sleep(SETTLING_SECONDS)
    ticks_before, wakes_before, began = ticks(pid), wakes(pid), time.monotonic()
    time.sleep(MEASURED_SECONDS)
    seconds = time.monotonic() - began
    percent = (ticks(pid) - ticks_before) / TICKS / seconds * 100
    what = f"serve, idle with {ROUTINES:,} routines"
    yield Figure(name=f"{what}: memory", ours=megabytes(pid), unit="MB", most=MOST_MEGABYTES)
    yield Figure(name=f"{what}: share of one core", ours=percent, unit="%", most=MOST_PERCENT)
    yield Figure(name=f"{what}: wake-ups a second", ours=(wakes(pid) - wakes_before) / seconds, unit="")


def _serve(root: Path) -> subprocess.Popen[str]:
    command: list[str | Path] = [PROGRAM, "serve"]
    return subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def _wait_for(daemon: subprocess.Popen[str], words: str) -> None:
    assert daemon.stderr is not None
    for line in daemon.stderr:
        if words in line:
            return
    raise RuntimeError(f"the daemon ended with {daemon.wait()}")


def _stop(daemon: subprocess.Popen[str]) -> None:
    daemon.send_signal(signal.SIGTERM)
    daemon.communicate(timeout=60)
