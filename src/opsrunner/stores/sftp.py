"""A folder of a host in the inventory as a store of copies, over SFTP."""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from types import TracebackType

from opsrunner.errors import NotStored, StoreFailed
from opsrunner.fleet.sftp import Entry, SftpSession
from opsrunner.fleet.sftp_file import RemoteFile
from opsrunner.model.store import Stored
from opsrunner.stores.base import check_name, check_surveyed
from opsrunner.stores.sftp_sessions import Connect, Sessions
from opsrunner.stores.sftp_upload import SftpUpload

PART = ".part"


class SftpFolder:
    """Objects are files of mode 0600 in folders of 0700; an upload is a hidden file beside its place.

    Whoever works with it has a connection to himself. Links are not followed, but where the folder itself is one.
    """

    def __init__(self, folder: str, *, connect: Connect) -> None:
        """`folder` is on the host, relative to where it puts who signs in. It is made where only it is missing."""
        self._folder = posixpath.normpath(folder)
        self._sessions = Sessions(connect)

    def begin(self, name: str) -> SftpUpload:
        """Begin a file. Raises StoreFailed where the folder cannot be written."""
        path = self._path(name)
        hidden = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.{secrets.token_hex(4)}{PART}")
        session = self._sessions.take()
        try:
            file = self._create(session, hidden, name)
        except BaseException:
            self._sessions.give_back(session)
            raise
        return SftpUpload(name, path=path, file=file, session=session, sessions=self._sessions)

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a file; see Store."""
        return self._read(self._path(name), offset=offset, length=length)

    def fetch(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of anybody's file."""
        path = posixpath.join(self._folder, check_surveyed(name))
        with self._sessions.lent() as session:
            self._follow(session, posixpath.dirname(name))
        return self._read(path, offset=0, length=None)

    def _read(self, path: str, *, offset: int, length: int | None) -> Iterator[bytes]:
        with self._sessions.lent() as session:
            found = session.find(path)
            if found is None or not found.is_file:
                self._require_folder(session)
                raise NotStored(f"{session.host_name}: {path} is not there")
            left = max(0, found.size_bytes - offset)
            size_bytes = left if length is None else min(left, length)
            yield from session.read(path, offset=offset, size_bytes=size_bytes)

    def find(self, name: str) -> Stored | None:
        """Return what lies under a name."""
        path = self._path(name)
        with self._sessions.lent() as session:
            found = session.find(path)
            if found is None:
                self._require_disk(session)
        return None if found is None or not found.is_file else self._stored(found)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Yield the files whose names begin with `prefix`."""
        with self._sessions.lent() as session:
            found = [self._stored(entry) for entry in self._files(session, prefix) if not _is_hidden(entry)]
        wanted = (stored for stored in found if stored.name.startswith(prefix))
        return iter(sorted(wanted, key=lambda stored: stored.name))

    def survey(self, prefix: str = "", *, may_hold: Callable[[str], bool]) -> Iterator[Stored]:
        """Yield the files of anybody whose names begin with `prefix`."""
        with self._sessions.lent() as session:
            if not session.is_folder(self._folder):
                raise NotStored(f"{session.host_name}: {self._folder} is not there; is its disk mounted?")
            yield from self._surveyed(session, prefix, may_hold)

    def remove(self, name: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
        path = self._path(name)
        with self._sessions.lent() as session:
            found = session.find(path)
            if found is None:
                self._require_disk(session)
            if found is None or not found.is_file:
                return
            with suppress(NotStored):
                session.remove(path)
            with suppress(StoreFailed):  # the copy is gone; folders are only tidied up
                self._remove_empty(session, posixpath.dirname(path))

    def sweep(self, prefix: str, *, before: datetime) -> int:
        """Remove hidden files of uploads under `prefix` that were last written before that moment."""
        swept = 0
        with self._sessions.lent() as session:
            for entry in self._files(session, prefix):
                folder, hidden = posixpath.split(self._name(entry.path))
                is_meant = posixpath.join(folder, hidden[1:]).startswith(prefix) and entry.modified_at < before
                if is_meant and _is_hidden(entry):
                    swept += _is_removed(session, entry.path)
        return swept

    def close(self) -> None:
        """Hang up."""
        self._sessions.close()

    def __enter__(self) -> SftpFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _create(self, session: SftpSession, hidden: str, name: str) -> RemoteFile:
        try:
            return session.create(hidden)
        except NotStored:
            self._make_base(session)
            folder = self._folder
            for word in name.split("/")[:-1]:
                folder = posixpath.join(folder, word)
                _make(session, folder)
            return session.create(hidden)

    def _make_base(self, session: SftpSession) -> None:
        """Make the store's own folder, but no more than that: what it stands in may be a disk not mounted."""
        if session.is_folder(self._folder):
            return
        self._require_disk(session)
        _make(session, self._folder)

    def _require_disk(self, session: SftpSession) -> None:
        """Tell a store that nothing was put in yet from one whose disk is not there."""
        above = posixpath.dirname(self._folder) or "."
        if not session.is_folder(above):
            raise _not_mounted(session, above)

    def _require_folder(self, session: SftpSession) -> None:
        """Tell an object that is not there from a store that is not."""
        self._require_disk(session)
        if not session.is_folder(self._folder):
            raise _not_mounted(session, self._folder)

    def _remove_empty(self, session: SftpSession, folder: str) -> None:
        while folder != self._folder and not session.entries(folder):
            session.remove_folder(folder)
            folder = posixpath.dirname(folder)

    def _files(self, session: SftpSession, prefix: str) -> Iterator[Entry]:
        """Yield the files, hidden ones too, of every folder that `prefix` lets expect some in."""
        folders = [posixpath.join(self._folder, posixpath.dirname(prefix)).rstrip("/") or "/"]
        while folders:
            try:
                entries = session.entries(folders.pop())
            except NotStored:
                self._require_disk(session)
                continue  # nothing was stored there yet, or the last of it was just removed
            for entry in entries:
                if entry.is_file and (_is_hidden(entry) or self._is_ours(entry)):
                    yield entry
                elif entry.is_folder and self._is_ours(entry):
                    folders.append(entry.path)

    def _surveyed(self, session: SftpSession, prefix: str, may_hold: Callable[[str], bool]) -> Iterator[Stored]:
        folders = [self._follow(session, posixpath.dirname(prefix))]
        while folders:
            with suppress(NotStored):  # removed while we look
                for entry in session.entries(folders.pop()):
                    if entry.is_file and self._name(entry.path).startswith(prefix):
                        yield self._stored(entry)
                    elif entry.is_folder and may_hold(self._name(entry.path)):
                        folders.append(entry.path)

    def _follow(self, session: SftpSession, folder: str) -> str:
        """Return where a folder of the store lies, if it is there. Raises StoreFailed where a link leads there."""
        path = self._folder
        for word in folder.split("/") if folder else ():
            path = posixpath.join(path, word)
            found = session.find(path)
            if found is not None and not found.is_folder:
                raise StoreFailed(f"{session.host_name}: {path} is no folder, or a link: links are not followed")
        return path

    def _is_ours(self, entry: Entry) -> bool:
        """Tell whether a file or folder can bear its name in a store; what else lies there is not our business."""
        try:
            return bool(check_name(self._name(entry.path)))
        except ValueError:
            return False

    def _stored(self, entry: Entry) -> Stored:
        return Stored(name=self._name(entry.path), size_bytes=entry.size_bytes, modified_at=entry.modified_at)

    def _path(self, name: str) -> str:
        return posixpath.join(self._folder, check_name(name))

    def _name(self, path: str) -> str:
        return posixpath.relpath(path, self._folder)


def _not_mounted(session: SftpSession, folder: str) -> StoreFailed:
    return StoreFailed(f"{session.host_name}: {folder} is not there; is its disk mounted?", permanent=True)


def _make(session: SftpSession, folder: str) -> None:
    """Make a folder, unless somebody else just did."""
    try:
        session.make_folder(folder)
    except StoreFailed:
        if not (session.is_open and session.is_folder(folder)):
            raise


def _is_hidden(entry: Entry) -> bool:
    """Tell whether that is an upload under way, or left half-way."""
    name = posixpath.basename(entry.path)
    return name.startswith(".") and name.endswith(PART)


def _is_removed(session: SftpSession, path: str) -> bool:
    try:
        session.remove(path)
    except StoreFailed:
        if not session.is_open:
            raise
        return False
    return True
