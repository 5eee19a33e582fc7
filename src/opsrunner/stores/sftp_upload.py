"""One file on its way to a host, and how it is compared with what was sent."""

from __future__ import annotations

import hashlib
from contextlib import suppress

from opsrunner.errors import StoreFailed
from opsrunner.fleet.sftp import SftpSession
from opsrunner.fleet.sftp_file import RemoteFile
from opsrunner.model.store import Received
from opsrunner.stores.sftp_sessions import Sessions


class SftpUpload:
    """One file on its way."""

    def __init__(
        self,
        name: str,
        *,
        path: str,
        file: RemoteFile,
        session: SftpSession,
        sessions: Sessions,
    ) -> None:
        """It has `session` to itself, and gives it back to `sessions` in the end."""
        self._name, self._path, self._file = name, path, file
        self._session, self._sessions = session, sessions
        self._digest = hashlib.sha256()
        self._is_over = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send the next bytes."""
        self._require_open()
        self._file.write(data)
        self._digest.update(data)

    def finish(self) -> Received:
        """Have it synced and summed on the host, and give it its name."""
        self._require_open()
        self._file.sync()
        self._file.close()
        checked_by = self._compare()
        self._session.rename(self._file.path, self._path)
        self._end()
        return Received(name=self._name, size_bytes=self._file.size_bytes, checked_by=checked_by)

    def abort(self) -> None:
        """Remove the hidden file."""
        if self._is_over:
            return
        if self._session.is_open:
            with suppress(StoreFailed):
                self._file.close()
            with suppress(StoreFailed):
                self._session.remove(self._file.path)
        self._end()

    def _compare(self) -> str:
        """Return how what lies there was compared with what we sent. Raises StoreFailed where it is not the same."""
        host, size_bytes = self._session.host_name, self._file.size_bytes
        found = self._session.find(self._file.path)
        if found is None or found.size_bytes != size_bytes:
            has = "nothing" if found is None else f"{found.size_bytes} bytes"
            raise self._differs(f"{host}: {self._path}: the host has {has} of {size_bytes}")
        told = self._session.sha256(self._file.path, size_bytes=size_bytes)
        checked_by = "SHA-256, read back" if told is None else f"SHA-256 by {host}"
        if (told or self._read_back()) != self._digest.hexdigest():
            raise self._differs(f"{host}: {self._path}: what the host has is not what was sent: its SHA-256 differs")
        return checked_by

    def _require_open(self) -> None:
        if self._is_over:
            raise StoreFailed(f"{self._session.host_name}: {self._path}: this upload has ended already", permanent=True)

    def _differs(self, message: str) -> StoreFailed:
        self.abort()
        return StoreFailed(message)

    def _read_back(self) -> str:
        digest = hashlib.sha256()
        for piece in self._session.read(self._file.path, offset=0, size_bytes=self._file.size_bytes):
            digest.update(piece)
        return digest.hexdigest()

    def _end(self) -> None:
        self._is_over = True
        self._sessions.give_back(self._session)
