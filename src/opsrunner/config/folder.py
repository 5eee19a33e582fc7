"""The files of a site as they lie on the disk, and what tells that one has changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TypeAlias

from opsrunner.records import dataclass

SITE_FILE = "opsrunner.yaml"
MAINTENANCE_FILE = "maintenance.yaml"
TOP_FILES = (SITE_FILE, MAINTENANCE_FILE)
ROUTINES = "routines"
FOLDERS = (ROUTINES, "checklists", "reports")
ENDINGS = (".yaml", ".yml", ".md", ".j2")

Signature: TypeAlias = tuple[int, int, int, int]
"""Mode, inode, size and modification time in nanoseconds."""

LINKS_FOLLOWED = 40
"""As many as Linux follows (path_resolution(7))."""
_GONE: Signature = (0, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A look at a site's folder. `files` maps paths relative to the site to their signatures."""

    files: Mapping[str, Signature]
    modes: tuple[tuple[str, int], ...]
    """Modes of the folders themselves, of those above the site, and of those above what links lead to."""
    closed: tuple[tuple[str, str], ...] = ()
    """The folders that cannot be listed, and why not."""
    missing: tuple[str, ...] = ()
    """The folders that are not there."""
    beside: Mapping[Path, Signature] = field(default_factory=dict)
    """Files and folders elsewhere that the site's own file names; those that are not there, too."""

    def of(self, folder: str, *endings: str) -> list[str]:
        """Return the files of one folder with one of `endings`, in the order of their names."""
        return [path for path in self.files if path.startswith(f"{folder}/") and path.endswith(endings)]

    def same(self, other: Folder, path: str) -> bool:
        """Tell whether one file is as it was in `other`."""
        return self.files.get(path) == other.files.get(path)


def look_at(root: Path, *, beside: Iterable[Path] = ()) -> Folder:
    """Return what lies in the site's folder now, and `beside` it; hidden files are not part of it."""
    elsewhere = {path: signature_at(path) for path in beside}
    files: dict[str, Signature] = {}
    links = [root / name for name in (*FOLDERS, *TOP_FILES)] + list(elsewhere)
    closed: list[tuple[str, str]] = []
    missing: list[str] = []
    for name in FOLDERS:
        try:
            files.update(sorted(_files_in(root / name, name, links)))
        except FileNotFoundError:
            missing.append(name)
        except OSError as exc:
            closed.append((name, exc.strerror or type(exc).__name__))
    for name in TOP_FILES:
        with suppress(OSError):
            files[name] = _signature((root / name).stat())
    beneath = dict.fromkeys(Path(os.path.realpath(folder)) for folder in {path.parent: None for path in elsewhere})
    above = [folder for inner in beneath for folder in (inner, *inner.parents)]
    folders = dict.fromkeys([*(root / name for name in FOLDERS), root, *root.parents, *_above_targets(links), *above])
    modes = tuple((str(folder), mode) for folder in folders if (mode := _mode(folder)) is not None)
    return Folder(files=files, modes=modes, closed=tuple(closed), missing=tuple(missing), beside=elsewhere)


def _above_targets(links: Iterable[Path]) -> Iterator[Path]:
    """Yield the folders above all that links lead to, over further links too: who writes there changes the site."""
    for link in links:
        place = link
        for _ in range(LINKS_FOLLOWED):
            try:
                target = place.parent / place.readlink()
            except OSError:  # no link
                break
            place = Path(os.path.realpath(target.parent), target.name)
            yield from place.parents


def _files_in(folder: Path, name: str, links: list[Path]) -> Iterator[tuple[str, Signature]]:
    """Return the files of one folder, and what has a file's name but is none, to be reported. Raises OSError.

    Those that are links are added to `links`.
    """
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # the kernel then walks no path for each of the files
    try:
        with os.scandir(opened) as found:
            entries = list(found)
        for entry in entries:
            if not entry.name.startswith(".") and (entry.name.endswith(ENDINGS) or not _is_folder(entry)):
                if entry.is_symlink():
                    links.append(folder / entry.name)
                yield f"{name}/{entry.name}", _signature_of(entry)
    finally:
        os.close(opened)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a folder; a link that leads round in a circle is none."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def signature_at(path: Path) -> Signature:
    """Return what tells that a file or folder has changed, also of one that is not there."""
    try:
        return _signature(path.stat())
    except OSError:
        return _GONE


def _signature_of(entry: os.DirEntry[str]) -> Signature:
    try:
        return _signature(entry.stat())
    except OSError:
        return _GONE


def _signature(state: os.stat_result) -> Signature:
    return state.st_mode, state.st_ino, state.st_size, state.st_mtime_ns


def _mode(folder: Path) -> int | None:
    try:
        return folder.stat().st_mode
    except OSError:
        return None
