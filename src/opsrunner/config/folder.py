"""The files of a site as they lie on the disk, and what tells that one has changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

SITE_FILE = "opsrunner.yaml"
FOLDERS = ("routines", "checklists", "reports")

Signature: TypeAlias = tuple[int, int, int, int]
"""Mode, inode, size and modification time in nanoseconds."""


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A look at a site's folder. `files` maps paths relative to the site to their signatures."""

    files: Mapping[str, Signature]
    modes: tuple[tuple[str, int], ...]
    """Modes of the folders themselves, those above the site included."""

    def of(self, folder: str, *endings: str) -> list[str]:
        """Return the files of one folder with one of `endings`, in the order of their names."""
        return [path for path in self.files if path.startswith(f"{folder}/") and path.endswith(endings)]

    def same(self, other: Folder, path: str) -> bool:
        """Tell whether one file is as it was in `other`."""
        return self.files.get(path) == other.files.get(path)


def look_at(root: Path) -> Folder:
    """Return what lies in the site's folder now; hidden files are not part of it."""
    files: dict[str, Signature] = {}
    _add(files, root / SITE_FILE, SITE_FILE)
    for name in FOLDERS:
        for entry in _entries(root / name):
            _add(files, root / name / entry, f"{name}/{entry}")
    folders = [*(root / name for name in FOLDERS), root, *root.parents]
    modes = tuple((str(folder), mode) for folder in folders if (mode := _mode(folder)) is not None)
    return Folder(files=files, modes=modes)


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names only
    except OSError:
        return []


def _add(files: dict[str, Signature], path: Path, name: str) -> None:
    try:
        state = os.stat(path)  # noqa: PTH116 - a thousand of these on every look
    except OSError:
        if path.is_symlink():
            files[name] = (0, 0, 0, 0)
        return
    if not stat.S_ISDIR(state.st_mode):
        files[name] = (state.st_mode, state.st_ino, state.st_size, state.st_mtime_ns)


def _mode(folder: Path) -> int | None:
    try:
        return folder.stat().st_mode
    except OSError:
        return None
