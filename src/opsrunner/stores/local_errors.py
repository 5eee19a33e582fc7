"""What a person is told of an error of a folder: where, what, and what to do."""

from __future__ import annotations

import errno
from pathlib import Path

from opsrunner.errors import NotStored, StoreFailed, StoreRefused

_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_IN_THE_WAY = frozenset({errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY})
_LASTING = frozenset({errno.ENAMETOOLONG, errno.ELOOP})


def failed(error: OSError, path: Path, *, folder: Path) -> StoreFailed:
    """Return our error for one of the system's at `path`, an object of the store in `folder`."""
    number = error.errno or 0
    said = (error.strerror or str(error)).lower()
    if number == errno.ENOENT:
        return _absent(path, folder=folder)
    if number in _REFUSED:
        return StoreRefused(f"{path}: {said}; opsrunner has to be able to read and write {folder}")
    if number in _FULL:
        return StoreFailed(f"{path}: {said}; make room, or keep fewer copies", permanent=True)
    if number in _IN_THE_WAY:
        return StoreFailed(f"{path}: {said}; something else lies in its place, move it away", permanent=True)
    return StoreFailed(f"{path}: {said}", permanent=number in _LASTING)


def followed(path: Path) -> StoreRefused:
    """Return the error for a symbolic link where an object or a folder of ours has to be."""
    return StoreRefused(f"{path} is a symbolic link, which a store does not follow; put what it points at in its place")


def _absent(path: Path, *, folder: Path) -> StoreFailed:
    if not folder.parent.is_dir():
        return StoreFailed(f"{folder.parent} is not there; is its disk mounted?", permanent=True)
    if not folder.is_dir():
        return StoreFailed(f"{folder} is not there; is its disk mounted?", permanent=True)
    return NotStored(f"{path} is not there")
