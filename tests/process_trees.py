"""Processes with all that came of them, as proc(5) tells it."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def descendants(of: Iterable[int]) -> list[int]:
    """Return the children of processes, and theirs, as they are now: without the ones asked about."""
    children = defaultdict[int, list[int]](list)
    for pid in _everybody():
        fields = stat_fields(pid)
        if fields:
            children[int(fields[1])].append(pid)
    found: list[int] = []
    left = list(of)
    while left:
        below = children[left.pop()]
        found += below
        left += below
    return found


def processor_seconds(of: Iterable[int]) -> float:
    """Return what processes have had of the processors, with those of their children that have ended."""
    ticks = (sum(int(field) for field in stat_fields(pid)[11:15]) for pid in of)
    return sum(ticks) / TICKS


def stat_fields(pid: int) -> list[str]:
    """Return the fields of its stat from the third on, which is its state; none where it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def end_trees(roots: Iterable[int]) -> None:
    """Kill processes and all that came of them. Nothing of them begins meanwhile: the roots are stopped first."""
    roots = list(roots)
    signal_all(roots, signal.SIGSTOP)
    signal_all([*descendants(roots), *roots], signal.SIGKILL)


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes, those that have ended aside."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def marked(mark: str) -> list[int]:
    """Return the processes that began with the variable `mark` (as `NAME=value`), whoever their parent is now."""
    wanted = mark.encode()
    found = []
    for pid in _everybody():
        with suppress(OSError):  # it has ended, or is another's
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(pid)
    return found


def _everybody() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
