"""However many are started at once on a state folder, one lives; the others leave at once and name it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("opsrunner")
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
mail: {from: ops@example.com}
limits: {grace: 1s}
"""
HAND = """\
name: By hand
accountable: owner
steps:
  - {id: count, run: 'echo "$OPS_RUN_ID" >> "$OPS_SITE/done"; sleep 0.2'}
"""
Starter = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path]) -> Path:
    return make_site({"opsrunner.yaml": SITE, "routines/hand.yaml": HAND})


@pytest.fixture
def start(site: Path, tmp_path: Path) -> Iterator[Starter]:
    """Start `opsrunner` with some words; whatever still runs is ended."""
    started: list[subprocess.Popen[str]] = []
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "C.UTF-8"}

    def begin(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [str(SCRIPT), *words],
            cwd=site,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def decided(started: list[subprocess.Popen[str]], *, seconds: float) -> subprocess.Popen[str]:
    """Wait until one is left, and return it; the others must have ended as they should."""
    deadline = time.monotonic() + seconds
    while sum(process.poll() is None for process in started) > 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    (alive,) = [process for process in started if process.poll() is None]
    for process in started:
        if process is not alive:
            said = process.communicate()[1]
            assert process.returncode == 1, said
            assert re.fullmatch(rf"opsrunner: \S+ is in use by opsrunner process {alive.pid}\n", said), (
                said,
                alive.pid,
            )
    return alive


def together(start: Starter, *, times: int) -> float:
    """Start two daemons at once (three every fifth time), again and again; return the longest time to a decision.

    Every other time the one that lives is killed, so that the next ones find the name of a dead process.
    """
    longest = 0.0
    for number in range(times):
        began = time.monotonic()
        started = [start("serve", "--no-page") for _ in range(3 if number % 5 == 0 else 2)]
        alive = decided(started, seconds=20)
        longest = max(longest, time.monotonic() - began)
        alive.send_signal(signal.SIGKILL if number % 2 else signal.SIGTERM)
        said = alive.communicate()[1]
        assert alive.returncode in (0, -signal.SIGTERM, -signal.SIGKILL), said
    return longest


def test_of_two_or_three_that_are_started_together_one_lives(start: Starter) -> None:
    """B25; the first ones make the ledger together, too."""
    together(start, times=6)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_of_two_that_are_started_together_one_lives_50_times(start: Starter) -> None:
    longest = together(start, times=50)
    print(f"50 times two or three daemons: one lived each time; decided within {longest:.2f} s")


def test_on_a_new_state_folder_too(start: Starter, site: Path) -> None:
    """Who comes second may find the ledger half made."""
    for number in range(3):
        started = [start("serve", "--no-page", "--state", str(site / f"var{number}")) for _ in range(3)]
        alive = decided(started, seconds=20)
        alive.kill()
        alive.wait()


def test_a_run_by_hand_beside_a_starting_daemon_is_done_once(start: Starter, site: Path) -> None:
    """Who is first holds the folder: the daemon takes the run, or the run is done here and the daemon is told who."""
    for done, delay in enumerate((0.0, 0.2, 0.3, 0.5), start=1):
        daemon = start("serve", "--no-page")
        time.sleep(delay)
        by_hand = start("run", "hand")
        said = by_hand.communicate(timeout=30)[1]
        assert by_hand.returncode == 0, said
        assert len((site / "done").read_text().splitlines()) == done
        if daemon.poll() is None:
            daemon.terminate()
        said = daemon.communicate()[1]
        assert daemon.returncode in (0, -signal.SIGTERM) or f"process {by_hand.pid}\n" in said, said
