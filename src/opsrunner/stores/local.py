"""A folder of this machine as a store of copies."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO

from opsrunner.durable import sync_folder
from opsrunner.errors import NotStored, StoreFailed
from opsrunner.model.store import Stored
from opsrunner.stores.base import READ_BYTES, check_name, check_surveyed, is_name
from opsrunner.stores.local_errors import failed, followed
from opsrunner.stores.local_upload import PART, LocalUpload

BEGINNINGS = 3
"""How often `begin` makes the folders of an object anew, where somebody's `remove` takes an empty one away."""


class LocalFolder:
    """Objects are files of mode 0600 in folders of 0700; an upload is a hidden file beside its place.

    The folder itself may be a symbolic link; below it none is followed.
    """

    def __init__(self, folder: Path) -> None:
        """`folder` is made where only it is missing; what it stands in has to be there (a disk not mounted)."""
        self._folder = folder

    def begin(self, name: str) -> LocalUpload:
        """Begin a file. Raises StoreFailed where the folder cannot be written."""
        path = self._path(name)
        try:
            for _ in range(BEGINNINGS - 1):
                with suppress(FileNotFoundError):
                    return self._begin(name, path)
            return self._begin(name, path)
        except OSError as exc:
            raise self._failed(exc, path) from exc

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a file; see Store."""
        return self._read(self._path(name), offset=offset, length=length)

    def fetch(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of anybody's file."""
        return self._read(self._below(check_surveyed(name)), offset=0, length=None)

    def _read(self, path: Path, *, offset: int, length: int | None) -> Iterator[bytes]:
        left = length
        try:
            with self._open(path) as file:
                file.seek(offset)
                while piece := file.read(READ_BYTES if left is None else min(READ_BYTES, left)):
                    left = None if left is None else left - len(piece)
                    yield piece
        except OSError as exc:
            raise self._failed(exc, path) from exc

    def find(self, name: str) -> Stored | None:
        """Return what lies under a name."""
        path = self._path(name)
        try:
            found = path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            self._require_disk()
            return None
        except OSError as exc:
            raise self._failed(exc, path) from exc
        if not stat.S_ISREG(found.st_mode):
            return None
        return _stored(name, found)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Yield the files whose names begin with `prefix`."""
        names = (path.relative_to(self._folder).as_posix() for path in self._files(prefix))
        for name in sorted(name for name in names if name.startswith(prefix) and is_name(name)):
            stored = self.find(name)
            if stored is not None:
                yield stored

    def survey(self, prefix: str = "", *, may_hold: Callable[[str], bool]) -> Iterator[Stored]:
        """Yield the files of anybody whose names begin with `prefix`."""
        try:
            self._folder.stat()
        except FileNotFoundError as exc:
            raise NotStored(f"{self._folder} is not there; is its disk mounted?") from exc
        except OSError as exc:
            raise self._failed(exc, self._folder) from exc
        begin = os.path.dirname(prefix)  # noqa: PTH120  a name, and not a path of this machine
        self._below(f"{begin}/x" if begin else "x")
        folders = [begin]
        while folders:
            above = folders.pop()
            for entry in self._entries(self._folder / above):
                name = f"{above}/{entry.name}".lstrip("/")
                if entry.is_dir(follow_symlinks=False):
                    if may_hold(name):
                        folders.append(name)
                elif name.startswith(prefix) and entry.is_file(follow_symlinks=False):
                    yield from self._surveyed(name, entry)

    def remove(self, name: str) -> None:
        """Remove a file, and the folders that it leaves empty."""
        path = self._path(name)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._require_disk()
        except OSError as exc:
            raise self._failed(exc, path) from exc
        with suppress(OSError):  # the first that is not empty ends it
            for parent in path.relative_to(self._folder).parents[:-1]:
                (self._folder / parent).rmdir()

    def sweep(self, prefix: str, *, before: datetime) -> int:
        """Remove hidden files of uploads under `prefix` that were last written before that moment."""
        swept = 0
        for path in self._files(prefix):
            if not _is_under_way(path) or not self._name_to_be(path).startswith(prefix):
                continue
            with suppress(OSError):
                if path.lstat().st_mtime < before.timestamp():
                    path.unlink()
                    swept += 1
        return swept

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> LocalFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _path(self, name: str) -> Path:
        return self._below(check_name(name))

    def _below(self, name: str) -> Path:
        """Return where something lies. Raises StoreRefused where a symbolic link leads there."""
        path = self._folder / name
        for parent in path.relative_to(self._folder).parents[:-1]:
            if (self._folder / parent).is_symlink():
                raise followed(self._folder / parent)
        return path

    def _begin(self, name: str, path: Path) -> LocalUpload:
        _make_folder(self._folder)
        for parent in reversed(path.relative_to(self._folder).parents[:-1]):
            _make_folder(self._folder / parent)
        if path.is_dir() and not path.is_symlink():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return LocalUpload(name, path, folder=self._folder)

    def _open(self, path: Path) -> IO[bytes]:
        try:
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as exc:
            if path.is_symlink():
                raise followed(path) from exc
            raise
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise NotStored(f"{path} is no file")
        return os.fdopen(file, "rb", buffering=0)

    def _files(self, prefix: str) -> Iterator[Path]:
        """Yield the files, hidden ones too, of every folder that `prefix` lets expect some in."""

        def refuse(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):  # removed by others while we look
                raise self._failed(error, Path(error.filename or self._folder)) from error

        self._require_disk()
        begin = self._folder / os.path.dirname(prefix)  # noqa: PTH120  a name, and not a path of this machine
        if self._is_beyond_link(begin):
            return
        for folder, folders, files in os.walk(begin, onerror=refuse):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                yield Path(folder) / name

    def _is_beyond_link(self, folder: Path) -> bool:
        below = folder.relative_to(self._folder).parts
        return any(self._folder.joinpath(*below[:count]).is_symlink() for count in range(1, len(below) + 1))

    def _surveyed(self, name: str, entry: os.DirEntry[str]) -> Iterator[Stored]:
        try:
            yield _stored(name, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            return  # removed while we look
        except (OSError, ValueError, OverflowError) as exc:
            error = exc if isinstance(exc, OSError) else OSError(errno.EOVERFLOW, "its time cannot be")
            raise self._failed(error, Path(entry.path)) from exc

    def _entries(self, folder: Path) -> tuple[os.DirEntry[str], ...]:
        try:
            with os.scandir(folder) as entries:
                return tuple(entries)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as exc:
            raise self._failed(exc, folder) from exc

    def _require_disk(self) -> None:
        """Tell a store that nothing was put in yet from one whose disk is not there."""
        if not self._folder.parent.is_dir():
            raise StoreFailed(f"{self._folder.parent} is not there; is its disk mounted?", permanent=True)

    def _name_to_be(self, path: Path) -> str:
        return path.relative_to(self._folder).with_name(path.name[1:]).as_posix()

    def _failed(self, error: OSError, path: Path) -> StoreFailed:
        return failed(error, path, folder=self._folder)


def _stored(name: str, found: os.stat_result) -> Stored:
    return Stored(name=name, size_bytes=found.st_size, modified_at=datetime.fromtimestamp(found.st_mtime, UTC))


def _is_under_way(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(PART)


def _make_folder(folder: Path) -> None:
    """Make one folder where it is missing, for us alone whatever the umask, and make that durable. Raises OSError."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    folder.chmod(0o700)
    sync_folder(folder.parent)
