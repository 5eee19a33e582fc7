"""What was handed over and does not stand in the ledger yet: a small file beside it, written mail by mail.

A commit of the ledger for each mail costs more than handing it over. So each hand-over is one record here, in a
file of fixed size that is overwritten in place: no disk is too full for it. Many records become one commit of the
ledger. Who opens the file next, after whatever end of the one before, finds them here. A record that the ledger knows
already changes nothing, so that none has ever to be removed.

What is written outlives its process at once, and the machine once it is synced. A thread syncs all the while, and
nobody waits for it unless MOST_UNSYNCED hand-overs have come together.
"""

from __future__ import annotations

import fcntl
import os
import re
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import TracebackType

from opsrunner.durable import sync_folder
from opsrunner.errors import StateError
from opsrunner.ledger.codec import to_moment, to_text
from opsrunner.ledger.failures import disk_advice
from opsrunner.records import dataclass

MOST_RECORDS = 256
"""So many hand-overs at most lie here before they are put into the ledger."""
MOST_UNSYNCED = 8
"""So many mails at most are handed over again after the end of the machine itself."""
RECORD_BYTES = 128
"""A disk writes a sector of 512 bytes whole or not at all: no record lies in two."""
_RECORD = re.compile(rb"([0-9a-zA-Z.]{1,80}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)")
_BLANK = b" " * (RECORD_BYTES - 1) + b"\n"
_EMPTY = _BLANK * (MOST_RECORDS + 1)


@dataclass(frozen=True, kw_only=True)
class LeftBehind:
    """What the last sender wrote."""

    sent: dict[str, datetime]
    """Message-ID → when it was handed over; most of them stand in the ledger."""
    tried: str | None
    """The Message-ID of the mail whose hand-over was cut off, where one was."""


class SentJournal:
    """The open file, which one sender holds at a time. Use it in a `with` block.

    Before each hand-over `begin`, after it `note`, MOST_RECORDS times at most; then the ledger takes all that was
    noted, and `settled` begins anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._next = 0
        self._synced = self._covered = 0
        """How many records are on the disk, and how many will be when the sync under way has ended."""
        self._syncing: Future[None] | None = None
        self._syncer: ThreadPoolExecutor | None = None

    def __enter__(self) -> SentJournal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._syncer is not None:
            self._syncer.shutdown()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def take(self) -> bool:
        """Open the file, made where it is missing; False where another sender holds it. Raises StateError."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            self._descriptor = descriptor
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if os.fstat(descriptor).st_size < len(_EMPTY):
                self._make(descriptor)
        except OSError as exc:
            raise self._failed(exc) from exc
        return True

    def _make(self, descriptor: int) -> None:
        written = 0
        while written < len(_EMPTY):
            written += os.pwrite(descriptor, _EMPTY[written:], written)
        os.fsync(descriptor)
        sync_folder(self._path.parent)

    def left_behind(self) -> LeftBehind:
        """Return what the last sender wrote. Raises StateError."""
        try:
            content = os.pread(self._open(), len(_EMPTY), 0)
        except OSError as exc:
            raise self._failed(exc) from exc
        places = range(0, len(content), RECORD_BYTES)
        first, *others = (_RECORD.match(content[place : place + RECORD_BYTES]) for place in places)
        sent = {match[1].decode("ascii"): _moment(match[2]) for match in others if match}
        tried = first[1].decode("ascii") if first else None
        return LeftBehind(
            sent={message_id: at for message_id, at in sent.items() if at is not None},
            tried=None if tried in sent else tried,
        )

    def begin(self, message_id: str, at: datetime) -> None:
        """Write which mail is handed over next. Raises StateError, also where what was noted before cannot be synced.

        The word itself is not synced: it tells of a process that ended, not of a machine.
        """
        self._see_to_sync(wait=self._next - self._synced >= MOST_UNSYNCED)
        self._write(0, message_id, at)

    def note(self, message_id: str, at: datetime) -> None:
        """Write that a mail was handed over. Raises StateError."""
        self._next += 1
        self._write(self._next, message_id, at)
        self._see_to_sync(wait=False)

    def settled(self) -> None:
        """Begin anew: the ledger has all that was noted, and no hand-over is under way. Raises StateError."""
        self._see_to_sync(wait=True)
        self._next = self._synced = self._covered = 0
        try:
            os.pwrite(self._open(), _BLANK, 0)
        except OSError as exc:
            raise self._failed(exc) from exc

    def _see_to_sync(self, *, wait: bool) -> None:
        """Take note of a sync that has ended (or wait for its end), and begin one for what was written since."""
        if self._syncing is not None and (wait or self._syncing.done()):
            syncing, self._syncing = self._syncing, None
            try:
                syncing.result()
            except OSError as exc:
                raise self._failed(exc) from exc
            self._synced = self._covered
        if self._syncing is None and self._covered < self._next:
            if self._syncer is None:
                self._syncer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail-sync")
            self._covered = self._next
            self._syncing = self._syncer.submit(os.fdatasync, self._open())

    def _write(self, place: int, message_id: str, at: datetime) -> None:
        record = f"{message_id} {to_text(at)}".encode("ascii")
        try:
            os.pwrite(self._open(), record.ljust(RECORD_BYTES - 1) + b"\n", place * RECORD_BYTES)
        except OSError as exc:
            raise self._failed(exc) from exc

    def _open(self) -> int:
        if self._descriptor is None:
            raise StateError(f"{self._path}: it is closed, nothing was written")
        return self._descriptor

    def _failed(self, error: OSError) -> StateError:
        return StateError(f"{self._path}: {error.strerror or error}; {disk_advice(self._path)}")


def _moment(text: bytes) -> datetime | None:
    try:
        return to_moment(text.decode("ascii"))
    except ValueError:
        return None
