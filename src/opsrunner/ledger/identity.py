"""Whether the ledger is still the one that was opened: disks go away and copies come back under a program."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from opsrunner.errors import LedgerGone

_SAME = "SELECT (SELECT value FROM meta WHERE name = 'ledger'), (SELECT coalesce(sum(seq), 0) FROM sqlite_sequence)"
"""The ledger's name, and a number that every run, task, mail and act raises and that nothing lowers."""


class Identity:
    """The file that was opened, and what stood in it."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        self._text = str(path)
        found = path.stat()
        self._device, self._inode = found.st_dev, found.st_ino
        self._count = 0

    def require_place(self) -> None:
        """Raise LedgerGone where the file was removed, moved or replaced: what is written now would be lost."""
        try:
            found = os.stat(self._text)  # noqa: PTH116 (asked at each write: a third of what pathlib costs)
            if found.st_ino == self._inode and found.st_dev == self._device:
                return
        except OSError:
            pass
        raise LedgerGone(
            f"{self._path} was removed or replaced while opsrunner worked with it: see that its disk is mounted, "
            "then start opsrunner again"
        )

    def require_same(self, connection: sqlite3.Connection) -> None:
        """Raise LedgerGone where the file, or all that stands in it, is not what this process has worked with.

        Called with the write lock held and nothing written yet. An older copy counts fewer runs, tasks and mails
        than were there before; going on would give their numbers to others.
        """
        self.require_place()
        name, count = connection.execute(_SAME).fetchone()
        if name != self._name or count < self._count:
            raise LedgerGone(
                f"{self._path} was replaced by another ledger or an older copy while opsrunner worked with it: "
                "nothing was written; start opsrunner again"
            )
        self._count = count
