"""Asking an SFTP server of one host, where every error comes as one of a store: host, path, what, what to do."""

from __future__ import annotations

import posixpath

from paramiko import Channel

from opsrunner.errors import NotStored, StoreFailed, StoreRefused
from opsrunner.fleet.sftp_wire import Broken, Code, Fields, Kind, Refusal, Wire, string
from opsrunner.records import dataclass

SILENT_SECONDS = 45.0
"""How long the server may let us wait for one answer."""
STATVFS = "statvfs@openssh.com"
NO_ROOM_BYTES = 1 << 20
"""A file system that has no more than this is full, where it refuses a write without a reason."""
_READ_ONLY = 0x1


@dataclass(frozen=True, kw_only=True)
class Room:
    """What a server tells of the file system that something lies in."""

    free_bytes: int
    is_read_only: bool
    takes_files: bool


class Talk:
    """Questions to one server. Each raises StoreFailed, StoreRefused or NotStored; see `is_open` after that."""

    def __init__(self, channel: Channel, *, host_name: str) -> None:
        """Greet the server on a channel that has the subsystem. Raises StoreFailed."""
        self._channel = channel
        self._host = host_name
        self.is_open = True
        """Whether more can be asked: not after a silence or a break."""
        channel.settimeout(SILENT_SECONDS)
        try:
            self._wire = Wire(channel)
        except Broken as exc:
            self.is_open = False
            raise StoreFailed(f"{host_name}: SFTP: {exc}") from exc

    def ask(self, path: str, kind: Kind, *fields: bytes, seconds: float | None = None) -> Fields:
        """Ask about `path`, and return what is answered, within `seconds` or SILENT_SECONDS."""
        return self.answer(path, self.send(path, kind, *fields), seconds=seconds)

    def send(self, path: str, kind: Kind, *fields: bytes | memoryview) -> int:
        """Ask about `path`, and return the number of the question."""
        try:
            return self._wire.send(kind, *fields)
        except Broken as exc:
            raise self._broken(path, exc) from exc

    def answer(self, path: str, asked: int, *, seconds: float | None = None) -> Fields:
        """Return the answer to a question, within `seconds` or SILENT_SECONDS."""
        self._channel.settimeout(seconds or SILENT_SECONDS)
        try:
            told = self.answer_or_end(path, asked)
        finally:
            self._channel.settimeout(SILENT_SECONDS)
        if told is None:
            raise self.failed(path, "the host says that it ends before it begins")
        return told

    def answer_or_end(self, path: str, asked: int) -> Fields | None:
        """Return the answer to a question for more, None where there is no more."""
        try:
            return self._wire.answer(asked)
        except Broken as exc:
            raise self._broken(path, exc) from exc
        except Refusal as exc:
            if exc.code == Code.END:
                return None
            raise self._refused(path, exc) from exc

    def forget(self, asked: int) -> None:
        """Let go of an answer that nobody needs any more."""
        self._wire.forget(asked)

    def knows(self, extension: str) -> bool:
        """Tell whether the server offers an extension of the protocol."""
        return extension in self._wire.extensions

    def failed(self, path: str, why: str) -> StoreFailed:
        """Return the error that says of `path` on this host what is wrong, where another try may help."""
        return StoreFailed(f"{self._host}: {path}: {why}")

    def _broken(self, path: str, error: Broken) -> StoreFailed:
        self.is_open = False
        return self.failed(path, str(error))

    def _refused(self, path: str, refusal: Refusal) -> StoreFailed:
        where = f"{self._host}: {path}"
        if refusal.code == Code.NO_SUCH_FILE:
            return NotStored(f"{where}: there is no such file or folder")
        if refusal.code == Code.PERMISSION_DENIED:
            return StoreRefused(f"{where}: permission denied; may the user that opsrunner signs in as do that there?")
        if refusal.code == Code.FAILURE:
            return self._failed_without_reason(path)
        return StoreFailed(f"{where}: the host says: {_printable(str(refusal))}", permanent=True)

    def _failed_without_reason(self, path: str) -> StoreFailed:
        """Find out why something failed: the protocol has no code for a full or read-only disk."""
        where = f"{self._host}: {path}"
        room = self._room(posixpath.dirname(path) or ".")
        if room is not None and room.is_read_only:
            return StoreRefused(f"{where}: the file system there is read-only")
        if room is not None and (room.free_bytes <= NO_ROOM_BYTES or not room.takes_files):
            return StoreFailed(f"{where}: no room left there; make room, or keep fewer copies", permanent=True)
        return StoreFailed(
            f"{where}: the host could not do that and does not say why; is there a quota, or a bad disk?"
        )

    def _room(self, folder: str) -> Room | None:
        """Return how much room there is; None where the server does not tell."""
        if not self.knows(STATVFS):
            return None
        try:
            told = self._wire.ask(Kind.EXTENDED, string(STATVFS), string(folder))
            _, block, _, _, free, files, _, free_files, _, flags = (told.long() for _ in range(10))
        except Refusal:
            return None
        except Broken:
            self.is_open = False
            return None
        takes_files = files == 0 or free_files > 0  # some file systems count none
        return Room(free_bytes=block * free, is_read_only=bool(flags & _READ_ONLY), takes_files=takes_files)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:200] or "no"
