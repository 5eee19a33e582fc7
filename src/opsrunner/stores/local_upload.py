"""A file on its way into a folder: hidden until the disk has given back what was written."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

from opsrunner.durable import sync_folder
from opsrunner.errors import StoreFailed
from opsrunner.model.store import Received
from opsrunner.stores.base import READ_BYTES
from opsrunner.stores.local_errors import failed

PART = ".part"
"""What the name of a file under way ends with; it begins with a dot."""


class LocalUpload:
    """One file of mode 0600, whatever the umask."""

    def __init__(self, name: str, path: Path, *, folder: Path) -> None:
        """Make the hidden file beside `path`, in the store `folder`. Raises OSError."""
        self._name, self._path, self._folder = name, path, folder
        self._hidden = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART}")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file: int | None = os.open(self._hidden, flags, 0o600)
        os.fchmod(self._file, 0o600)
        self._digest, self._size = hashlib.sha256(), 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write the next bytes."""
        file = self._opened()
        left = memoryview(data).cast("B")
        self._digest.update(left)
        self._size += len(left)
        try:
            while left:
                left = left[os.write(file, left) :]
        except OSError as exc:
            raise failed(exc, self._path, folder=self._folder) from exc

    def finish(self) -> Received:
        """Sync it, read it back, and give it its name."""
        file = self._opened()
        try:
            os.fsync(file)
            self._require_whole(file)
            self._close()
            self._hidden.replace(self._path)
            sync_folder(self._path.parent)
        except FileNotFoundError as exc:
            raise self._lost() from exc
        except OSError as exc:
            raise failed(exc, self._path, folder=self._folder) from exc
        return Received(name=self._name, size_bytes=self._size, checked_by="SHA-256, read back")

    def abort(self) -> None:
        """Remove the hidden file."""
        self._close()
        with suppress(OSError):
            self._hidden.unlink(missing_ok=True)

    def _opened(self) -> int:
        if self._file is None:
            raise StoreFailed(f"{self._path}: this upload has ended", permanent=True)
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            os.close(file)

    def _lost(self) -> StoreFailed:
        return StoreFailed(f"{self._path}: what was written is gone; did somebody clear {self._path.parent} away?")

    def _require_whole(self, file: int) -> None:
        """Raise StoreFailed where the disk has not what we wrote."""
        size, sha256 = _read_back(file)
        if size != self._size:
            raise StoreFailed(f"{self._path}: the disk has {size} bytes of the {self._size} written; it may be failing")
        if sha256 != self._digest.digest():
            raise StoreFailed(f"{self._path}: the disk gives back other bytes than were written; it may be failing")


def _read_back(file: int) -> tuple[int, bytes]:
    """Return size and SHA-256 of what the disk has, not of what lies in memory, as far as the system lets us."""
    with suppress(OSError):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)  # after fsync: only what is written can be let go of
    digest, size = hashlib.sha256(), 0
    while piece := os.pread(file, READ_BYTES, size):
        digest.update(piece)
        size += len(piece)
    return size, digest.digest()
