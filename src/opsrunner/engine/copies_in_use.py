"""Who reads a copy holds it: meanwhile nobody removes it."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsrunner.errors import Refused, StateError
from opsrunner.model.backup import Copy

LOCKS = "copies.lock"
IN_USE = "somebody is restoring, verifying or removing it"


class CopiesInUse:
    """Locks on the copies of a site: many may read one at once, and who removes it has it alone.

    A copy's lock is the byte of its number in one empty file of the state folder, by fcntl(2)'s open file description
    locks: two threads of one process are told apart as two processes are, nothing piles up, and it goes with its
    holder, however that ends.
    """

    def __init__(self, state: Path) -> None:
        self._path = state / LOCKS

    @contextmanager
    def reading(self, copy: Copy) -> Iterator[None]:
        """Hold a copy that is read. Raises Refused while it is being removed, and StateError."""
        with self._held(copy.id, fcntl.F_RDLCK, f"{copy.name} is being removed from {copy.store} just now"):
            yield

    @contextmanager
    def removing(self, copy: Copy) -> Iterator[None]:
        """Hold a copy that is removed. Raises Refused while somebody else has it, and StateError."""
        with self._held(copy.id, fcntl.F_WRLCK, IN_USE):
            yield

    @contextmanager
    def _held(self, number: int, how: int, refusal: str) -> Iterator[None]:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise StateError(f"{self._path}: {exc.strerror}; who reads a copy cannot be told") from exc
        try:
            self._lock(descriptor, number, how, refusal)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int, number: int, how: int, refusal: str) -> None:
        """Lock one byte, without waiting. Raises Refused and StateError."""
        wanted = struct.pack("hhqqi0q", how, os.SEEK_SET, number, 1, 0)  # struct flock of 64-bit offsets
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
        except (BlockingIOError, PermissionError) as exc:
            raise Refused(refusal) from exc
        except OSError as exc:
            raise StateError(f"{self._path} cannot be locked: {exc.strerror}; put it on a local disk") from exc
