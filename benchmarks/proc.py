"""What a process has taken of the machine, as proc(5) tells it."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
QUIET_PERCENT = 2.0
LOOK_SECONDS = 2.0


def ticks(pid: int) -> int:
    """Return what the process has had of the processor, in clock ticks: fields 14 and 15 of its stat."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def wakes(pid: int) -> int:
    """Return how often its threads went to sleep of themselves."""
    states = (path.read_text(encoding="utf-8") for path in Path(f"/proc/{pid}/task").glob("*/status"))
    return sum(int(state.rpartition("\nvoluntary_ctxt_switches:")[2].split()[0]) for state in states)


def megabytes(pid: int) -> float:
    """Return what it holds in memory (VmRSS), in MB."""
    state = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(state.partition("VmRSS:")[2].split()[0]) / 1024


def proportional_megabytes(pid: int) -> float:
    """Return its share of memory in MB (Pss: what n processes have in common counts 1/n); 0 where it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0.0
    return int(rollup.partition("\nPss:")[2].split()[0]) / 1024


def cacheable_bytes() -> int:
    """Return how much of files the machine can keep in memory: what is free, and what is such already."""
    state = Path("/proc/meminfo").read_text(encoding="utf-8")
    return int(state.partition("MemAvailable:")[2].split()[0]) * 1024


def wait_until_settled(pid: int, *, most_seconds: float = 300) -> None:
    """Wait until what it does at its start is done: it takes less than QUIET_PERCENT of a core for LOOK_SECONDS.

    Raises RuntimeError where it is busy still after `most_seconds`.
    """
    until = time.monotonic() + most_seconds
    while time.monotonic() < until:
        before, began = ticks(pid), time.monotonic()
        time.sleep(LOOK_SECONDS)
        if (ticks(pid) - before) / TICKS / (time.monotonic() - began) * 100 < QUIET_PERCENT:
            return
    raise RuntimeError(f"process {pid} is busy still after {most_seconds:g} s")
