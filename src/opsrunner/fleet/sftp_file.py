"""One file of a host, open for writing over SFTP."""

from __future__ import annotations

from collections import deque
from contextlib import suppress

from opsrunner.errors import StoreFailed
from opsrunner.fleet.sftp_talk import Talk
from opsrunner.fleet.sftp_wire import Kind, long, number, string

FSYNC = "fsync@openssh.com"
SYNC_SECONDS = 300.0
"""How long the host may take to bring to disk what it has of a file."""
WRITES_UNDER_WAY = 32
"""How many pieces may be on their way before we wait for an answer."""


class RemoteFile:
    """Takes bytes from the first to the last. Every method raises StoreFailed; for one thread."""

    def __init__(self, talk: Talk, *, path: str, handle: bytes, piece_bytes: int) -> None:
        self.path = path
        self.size_bytes = 0
        """How many bytes were written so far."""
        self._talk = talk
        self._handle: bytes | None = handle
        self._piece_bytes = piece_bytes
        self._under_way: deque[int] = deque()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write the next bytes. Some are still under way then, so an error may belong to what came before them."""
        left = memoryview(data).cast("B")
        while left:
            if len(self._under_way) >= WRITES_UNDER_WAY:
                self._talk.answer(self.path, self._under_way.popleft())
            piece, left = left[: self._piece_bytes], left[self._piece_bytes :]
            fields = (string(self._opened()), long(self.size_bytes), number(len(piece)), piece)
            self._under_way.append(self._talk.send(self.path, Kind.WRITE, *fields))
            self.size_bytes += len(piece)

    def sync(self) -> None:
        """Wait until the host has everything, on its disk where it knows how to."""
        while self._under_way:
            self._talk.answer(self.path, self._under_way.popleft())
        sync(self._talk, self.path, self._opened())

    def close(self) -> None:
        """Close it; what is still under way is not waited for. Raises StoreFailed; a second time it does nothing."""
        handle, self._handle = self._handle, None
        if handle is None or not self._talk.is_open:
            return
        while self._under_way:
            self._talk.forget(self._under_way.popleft())
        self._talk.ask(self.path, Kind.CLOSE, string(handle))

    def _opened(self) -> bytes:
        assert self._handle is not None  # noqa: S101  whoever writes has not closed it
        return self._handle


def sync(talk: Talk, path: str, handle: bytes) -> None:
    """Bring what is open under `handle` to the host's disk, where its server knows how to. Raises StoreFailed."""
    if talk.knows(FSYNC):
        talk.ask(path, Kind.EXTENDED, string(FSYNC), string(handle), seconds=SYNC_SECONDS)


def let_go(talk: Talk, path: str, handle: bytes) -> None:
    """Close what was only read, whatever comes of that."""
    if talk.is_open:
        with suppress(StoreFailed):
            talk.ask(path, Kind.CLOSE, string(handle))
