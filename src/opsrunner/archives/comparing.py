"""What lies on a disk, compared with what was copied."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from opsrunner.archives.hashing import HashName, begin_hash
from opsrunner.archives.members import Member, printable_path

READ_BYTES = 1 << 20


def find_difference(member: Member, folder: Path, *, hashed_by: HashName) -> str:
    """Return how what was restored differs from what was copied, '' where it does not."""
    path = folder / member.path
    try:
        return _difference(member, path, path.lstat(), hashed_by)
    except OSError as exc:
        return f"{printable_path(member.path)}: {(exc.strerror or str(exc)).lower()}"
    except ValueError:
        return f"{printable_path(member.path)} is no name of a file"


def _difference(member: Member, path: Path, found: os.stat_result, hashed_by: HashName) -> str:
    shown = printable_path(member.path)
    if member.kind == "link":
        return "" if path.is_symlink() and os.readlink(path) == member.target else f"{shown} leads elsewhere"  # noqa: PTH115 (as text)
    if member.kind == "folder":
        return "" if stat.S_ISDIR(found.st_mode) else f"{shown} is no folder"
    if member.is_file and not stat.S_ISREG(found.st_mode):
        return f"{shown} is no file"
    return _difference_of_files(member, path, found, hashed_by) if member.kind == "file" else ""


def _difference_of_files(member: Member, path: Path, found: os.stat_result, hashed_by: HashName) -> str:
    shown = printable_path(member.path)
    if found.st_size != member.size_bytes:
        return f"{shown} has {found.st_size} bytes, not {member.size_bytes}"
    if _hash(path, member, hashed_by) != member.hash:
        return f"{shown} holds something else than what was copied"
    # A second is what every filesystem keeps; the moments come by different ways, and differ in their last digits.
    return "" if abs(found.st_mtime - member.modified_at) < 1 else f"{shown} has another time"


def _hash(path: Path, member: Member, hashed_by: HashName) -> str:
    digest = begin_hash(hashed_by)
    with path.open("rb", buffering=0) as file:
        for offset, size in member.holes or ((0, member.size_bytes),):
            file.seek(offset)
            left = size
            while left and (piece := file.read(min(READ_BYTES, left))):
                digest.update(piece)
                left -= len(piece)
    return digest.hexdigest()
