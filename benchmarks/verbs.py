"""How long a person waits for a verb, beside Python itself starting and ending.

Every verb is a process of the installed program; turn by turn with `python -c pass`, so that a busy
moment of the machine hits both.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Figure, paired_seconds

SITE = Path(__file__).parent.parent
"""The sample site, whole: what it grows by is part of what a verb takes."""
PROGRAM = Path(sys.executable).parent / "opsrunner"
TIMES = 15
BOUNDED: tuple[tuple[tuple[str, ...], float], ...] = (
    (("--help",), 5),
    (("next", "--cron", "30 2 * * 1-5", "--tz", "Europe/Oslo"), 10),
    (("check",), 40),
    (("next", "certificates"), 40),
    (("next", "monthly-review"), 40),  # needs the public holidays themselves
)
TOLD: tuple[tuple[str, ...], ...] = (("runs",), ("tasks",), ("show", "1"), ("digest",))
"""Verbs that open the ledger; no bound was promised for them."""


def figures() -> Iterator[Figure]:
    """Yield a figure a verb."""
    for arguments, most in BOUNDED:
        yield _figure(arguments, most=most)
    with tempfile.TemporaryDirectory() as state:
        _run("run", "certificates", "--as", "boss", "--state", state)
        for arguments in TOLD:
            yield _figure(arguments, "--state", state)


def _figure(arguments: tuple[str, ...], *more: str, most: float | None = None) -> Figure:
    ours, theirs = paired_seconds(lambda: _run(*arguments, *more), _python, times=TIMES)
    name = f"opsrunner {' '.join(word for word in arguments if ' ' not in word)}"
    return Figure(name=name, ours=ours * 1000, unit="ms", peer="python -c pass", theirs=theirs * 1000, most=most)


def _run(*arguments: str) -> None:
    done = subprocess.run([PROGRAM, *arguments], cwd=SITE, capture_output=True, check=False)
    if done.returncode == 2 or b"unexpected" in done.stderr:
        raise RuntimeError(f"opsrunner {' '.join(arguments)}: {done.stderr.decode()}")


def _python() -> None:
    subprocess.run([sys.executable, "-c", "pass"], check=True)
