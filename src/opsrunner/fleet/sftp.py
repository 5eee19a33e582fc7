"""Files of a host over SFTP: what a store of copies needs of them."""

from __future__ import annotations

import posixpath
import re
import shlex
import stat
import threading
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from paramiko import Channel
from paramiko.ssh_exception import SSHException

from opsrunner.clock import Clock
from opsrunner.errors import NotStored, StepFailed, StoreFailed
from opsrunner.fleet.environment import remote_script
from opsrunner.fleet.session import RemoteCommand
from opsrunner.fleet.sftp_file import FSYNC, RemoteFile, let_go, sync
from opsrunner.fleet.sftp_talk import Talk
from opsrunner.fleet.sftp_wire import Attributes, Kind, long, number, permissions, string
from opsrunner.fleet.transport import LeanTransport, hang_up
from opsrunner.records import dataclass
from opsrunner.secrets import Vault

OPEN_SECONDS = 15
WINDOW_BYTES = 4 << 20
MOST_PIECE_BYTES = 1 << 18
"""What one request carries at the most, where the server says that it takes as much."""
SAFE_PIECE_BYTES = 1 << 15
"""What every server takes."""
READ_AHEAD_BYTES = 2 << 20
LIMITS, POSIX_RENAME = "limits@openssh.com", "posix-rename@openssh.com"
SUM_SECONDS = 60
SUM_BYTES_PER_SECOND = 10_000_000
"""How slow a disk may be that a checksum is waited for, beside SUM_SECONDS."""
_SUM_OUTPUT_BYTES = 10_000
_SUM = re.compile(rb"\\?([0-9a-f]{64}) ")  # sha256sum writes the backslash where it had to escape the path
_TO_READ, _TO_WRITE_NEW = 0x1, 0x2 | 0x8 | 0x20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What lies under a path; symbolic links are not followed."""

    path: str
    size_bytes: int
    modified_at: datetime
    is_file: bool
    is_folder: bool


class SftpSession:
    """One SFTP session on a connection of its own. For one thread at a time.

    Every method raises StoreFailed with the host and the path: StoreRefused where we have no right, NotStored where
    there is no such file. After a silence or a break `is_open` is False, and nothing works any more.
    """

    def __init__(self, transport: LeanTransport, *, host_name: str, clock: Clock) -> None:
        """Take over a connection that is signed in. Raises StoreFailed where the host offers no SFTP."""
        self.host_name = host_name
        self._transport = transport
        self._clock = clock
        try:
            self._talk = Talk(self._open_channel(), host_name=host_name)
            self._read_bytes, self._write_bytes = self._piece_sizes()
        except BaseException:
            self.close()
            raise

    @property
    def is_open(self) -> bool:
        """Tell whether it can still be used, as far as is known."""
        return self._talk.is_open and self._transport.is_active()

    def close(self) -> None:
        """Hang up."""
        hang_up(self._transport)

    def find(self, path: str) -> Entry | None:
        """Return what lies there, None where nothing does."""
        try:
            return _entry(path, self._talk.ask(path, Kind.LSTAT, string(path)).attributes())
        except NotStored:
            return None

    def is_folder(self, path: str) -> bool:
        """Tell whether a folder, or a link to one, is there."""
        try:
            return stat.S_ISDIR(self._talk.ask(path, Kind.STAT, string(path)).attributes().mode)
        except NotStored:
            return False

    def entries(self, folder: str) -> list[Entry]:
        """Return what lies in a folder, but `.` and `..`."""
        handle = self._talk.ask(folder, Kind.OPENDIR, string(folder)).string()
        found: list[Entry] = []
        try:
            while batch := self._next_entries(folder, handle):
                found += batch
        finally:
            let_go(self._talk, folder, handle)
        return [entry for entry in found if posixpath.basename(entry.path) not in (".", "..")]

    def make_folder(self, path: str) -> None:
        """Make a folder that only we may enter, durably; the one above it has to be there."""
        self._talk.ask(path, Kind.MKDIR, string(path), permissions(0o700))
        self._sync_folder(posixpath.dirname(path))

    def remove_folder(self, path: str) -> None:
        """Remove an empty folder."""
        self._talk.ask(path, Kind.RMDIR, string(path))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._talk.ask(path, Kind.REMOVE, string(path))

    def rename(self, path: str, to: str) -> None:
        """Give a file another name, durably. What has that name already is replaced, in the same step.

        A server that does not know `posix-rename@openssh.com` replaces nothing: there it fails.
        """
        if self._talk.knows(POSIX_RENAME):
            self._talk.ask(to, Kind.EXTENDED, string(POSIX_RENAME), string(path), string(to))
        else:
            self._talk.ask(to, Kind.RENAME, string(path), string(to))
        self._sync_folder(posixpath.dirname(to))

    def create(self, path: str) -> RemoteFile:
        """Make a file that is not there yet, and that only we may read, and open it for writing."""
        fields = (string(path), number(_TO_WRITE_NEW), permissions(0o600))
        handle = self._talk.ask(path, Kind.OPEN, *fields).string()
        return RemoteFile(self._talk, path=path, handle=handle, piece_bytes=self._write_bytes)

    def read(self, path: str, *, offset: int, size_bytes: int) -> Iterator[bytes]:
        """Yield the bytes from `offset` on, `size_bytes` of them, MOST_PIECE_BYTES at the most at once.

        READ_AHEAD_BYTES are asked for before they are needed. Raises StoreFailed where the file ends too early.
        """
        handle = self._talk.ask(path, Kind.OPEN, string(path), number(_TO_READ), number(0)).string()
        reading = _Reading(self._talk, path=path, handle=handle, piece_bytes=self._read_bytes)
        try:
            yield from reading.pieces(offset, offset + size_bytes)
        finally:
            reading.forget()
            let_go(self._talk, path, handle)

    def sha256(self, path: str, *, size_bytes: int) -> str | None:
        """Return the SHA-256 of a file as the host itself computes it, in hexadecimal; None where it does not.

        A host that lets us run no commands, or has no `sha256sum`, does not.
        """
        try:
            channel = self._transport.open_session(timeout=OPEN_SECONDS)
        except (SSHException, EOFError, OSError):
            return None
        seconds = SUM_SECONDS + size_bytes / SUM_BYTES_PER_SECOND
        script = remote_script(f"sha256sum -- {shlex.quote(path)}", environment={}, timeout_seconds=seconds)
        remote = RemoteCommand(
            self._transport,
            channel,
            host_name=self.host_name,
            clock=self._clock,
            timeout_seconds=seconds,
            limit_bytes=_SUM_OUTPUT_BYTES,
            vault=Vault(Path()),  # a checksum is no secret, and must not be masked
        )
        try:
            answer = remote.run(script, stopping=threading.Event())
        except StepFailed:
            return None
        last_line = answer.stdout.rstrip().rpartition(b"\n")[2]
        found = _SUM.match(last_line) if answer.exit_code == 0 else None
        return found[1].decode() if found else None

    def _open_channel(self) -> Channel:
        try:
            channel = self._transport.open_session(window_size=WINDOW_BYTES, timeout=OPEN_SECONDS)
            channel.invoke_subsystem("sftp")
        except (SSHException, EOFError, OSError) as exc:
            raise StoreFailed(f"{self.host_name}: the host offers no SFTP: {exc}") from exc
        return channel

    def _piece_sizes(self) -> tuple[int, int]:
        """Return how many bytes one request may read, and write."""
        if not self._talk.knows(LIMITS):
            return SAFE_PIECE_BYTES, SAFE_PIECE_BYTES
        told = self._talk.ask("limits", Kind.EXTENDED, string(LIMITS))
        _, to_read, to_write = told.long(), told.long(), told.long()
        return min(to_read or SAFE_PIECE_BYTES, MOST_PIECE_BYTES), min(to_write or SAFE_PIECE_BYTES, MOST_PIECE_BYTES)

    def _next_entries(self, folder: str, handle: bytes) -> list[Entry]:
        told = self._talk.answer_or_end(folder, self._talk.send(folder, Kind.READDIR, string(handle)))
        if told is None:
            return []
        found = []
        for _ in range(told.number()):
            name = told.string().decode("utf-8", "surrogateescape")
            told.string()  # a line as of `ls -l`
            found.append(_entry(posixpath.join(folder, name), told.attributes()))
        return found

    def _sync_folder(self, path: str) -> None:
        """Bring the names in a folder to disk, where the server can."""
        if not self._talk.knows(FSYNC):
            return
        try:
            handle = self._talk.ask(path, Kind.OPEN, string(path or "."), number(_TO_READ), number(0)).string()
            sync(self._talk, path, handle)
            let_go(self._talk, path, handle)
        except StoreFailed:
            if not self._talk.is_open:  # not every system opens folders; a broken link is another matter
                raise


class _Reading:
    """Asks for one range of a file, some of it ahead."""

    def __init__(self, talk: Talk, *, path: str, handle: bytes, piece_bytes: int) -> None:
        self._talk, self._path, self._handle, self._piece_bytes = talk, path, handle, piece_bytes
        self._asked: deque[tuple[int, int, int]] = deque()

    def pieces(self, begin: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `begin` to `end`."""
        position = begin
        while position < end or self._asked:
            while position < end and len(self._asked) * self._piece_bytes < READ_AHEAD_BYTES:
                size = min(self._piece_bytes, end - position)
                self._asked.append((self._ask(position, size), position, size))
                position += size
            yield from self._piece(*self._asked.popleft())

    def forget(self) -> None:
        """Let go of what was asked for and not fetched."""
        while self._asked:
            self._talk.forget(self._asked.popleft()[0])

    def _ask(self, position: int, size: int) -> int:
        return self._talk.send(self._path, Kind.READ, string(self._handle), long(position), number(size))

    def _piece(self, asked: int, position: int, size: int) -> Iterator[bytes]:
        """Yield what was asked for; a server may give less at once, and is asked for the rest."""
        while True:
            told = self._talk.answer_or_end(self._path, asked)
            data = b"" if told is None else told.string()
            if not data or len(data) > size:
                raise self._talk.failed(self._path, f"the host gives no more than its first {position} bytes")
            yield data
            position, size = position + len(data), size - len(data)
            if size == 0:
                return
            asked = self._ask(position, size)


def _entry(path: str, told: Attributes) -> Entry:
    return Entry(
        path=path,
        size_bytes=told.size_bytes,
        modified_at=datetime.fromtimestamp(told.modified_at, UTC),
        is_file=stat.S_ISREG(told.mode),
        is_folder=stat.S_ISDIR(told.mode),
    )
