"""The one place that reads the clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Protocol

EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""Before this program was written no clock can be right."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """What tells the time: `now` for moments, `monotonic` for durations, `boottime` to check the first by."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never steps, and stands while the machine sleeps."""

    def boottime(self) -> float:
        """Return seconds on a clock that never steps, and goes on while the machine sleeps (CLOCK_BOOTTIME)."""

    def boot_id(self) -> str:
        """Return the name of the machine's present start, within which `boottime` compares; '' if it has none."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        try:
            return _boot_id()
        except OSError:
            return ""


@cache
def _boot_id() -> str:
    """Return the id of the machine's start, which no process outlives: it is read once. Raises OSError."""
    return _BOOT_ID.read_text(encoding="ascii").strip()
