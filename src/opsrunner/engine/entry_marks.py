"""Which steps were really entered: what tells, after a crash, a step in flight from one that had not begun.

The ledger says that a step starts before it starts, and steps that are due together are written together; a killed
daemon would leave all of them in doubt. So each is marked in a file at the moment it is entered. The mark is not
synced, since a write survives the death of the process; it does not survive that of the machine, and then every
started step counts as entered.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from pathlib import Path

from opsrunner.errors import StateError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
KEPT_BYTES = 1_000_000


class EntryMarks:
    """The file `entered` of a state folder. Written by who holds the state's lock, from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._is_torn = False
        """Half a line stands at the end: the disk was full."""

    def begin(self) -> None:
        """Start anew: what was running before has been accounted for. Raises StateError."""
        self._write_all([])

    def enter(self, run_id: int, position: int) -> None:
        """Mark a step as entered. Raises StateError, and then it must not be."""
        with self._lock:
            line = b"%s%d %d\n" % (b"\n" if self._is_torn else b"", run_id, position)
            try:
                if self._descriptor is None:
                    self._open()
                written = os.write(self._descriptor or -1, line)
            except OSError as exc:
                raise StateError(f"{self._path}: {exc.strerror}; the step was not begun") from exc
            self._is_torn = written != len(line)
        if self._is_torn:
            raise StateError(f"{self._path}: the disk is full; the step was not begun")

    def entered(self) -> set[tuple[int, int]] | None:
        """Return the (run, position) that were entered since `begin`; None where nobody can know it."""
        try:
            head, *lines = self._path.read_bytes().split(b"\n")
            if not head or head != _boot_id():
                return None
            pairs = (line.split() for line in lines)
            return {(int(pair[0]), int(pair[1])) for pair in pairs if len(pair) == 2}
        except (OSError, ValueError):
            return None

    def forget(self, *, but: Collection[int]) -> None:
        """Drop the marks of all runs `but` these, once the file has grown. Raises StateError."""
        try:
            if self._path.stat().st_size < KEPT_BYTES:
                return
        except OSError:
            return
        with self._lock:
            kept = [pair for pair in self.entered() or () if pair[0] in but]
            self._write_all(sorted(kept))

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write_all(self, pairs: list[tuple[int, int]]) -> None:
        lines = [_boot_id(), *(b"%d %d" % pair for pair in pairs)]
        beside = self._path.with_suffix(".new")
        try:
            beside.write_bytes(b"\n".join(lines) + b"\n")
            beside.chmod(0o600)
            beside.replace(self._path)
        except OSError as exc:
            raise StateError(f"{self._path}: {exc.strerror}") from exc
        self.close()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags)


def _boot_id() -> bytes:
    """Return what names this boot of the machine; b'' where the kernel does not tell."""
    try:
        return BOOT_ID.read_bytes().strip()
    except OSError:
        return b""
