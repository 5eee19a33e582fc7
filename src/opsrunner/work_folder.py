"""Removing what steps have left in a folder of ours, without following them out of it."""

from __future__ import annotations

import logging
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

LOGGER = logging.getLogger("opsrunner")
_MOUNTS = Path("/proc/self/mountinfo")


def remove_folder(folder: Path) -> None:
    """Remove a folder with all in it, also what its owner may not read; what cannot be removed stays.

    A folder that something is mounted in is left as it is, with a word in the log: what would be removed
    there lies elsewhere, and a step that was cut off could not unmount it.
    """
    with suppress(OSError):
        folder.rmdir()  # most are empty
        return
    mounted = mounts_in(folder)
    if mounted:
        LOGGER.error("%s stays: something is mounted at %s", folder, mounted[0], extra={"action": "mounted"})
        return
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _open_up(folder)
        shutil.rmtree(folder, ignore_errors=True)


def mounts_in(folder: Path) -> list[str]:
    """Return where something is mounted, at the folder or below it, as proc(5)'s `mountinfo` tells."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return []
    root = str(folder.resolve())
    points = [_unescaped(line.split()[4]) for line in lines]
    return [point for point in points if point == root or point.startswith(f"{root}/")]


def _unescaped(point: bytes) -> str:
    plain = re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), point)
    return plain.decode(errors="surrogateescape")


def _open_up(folder: Path) -> None:
    """Let ourselves into every folder whose rights keep us out."""
    with suppress(OSError):
        folder.chmod(0o700)
    for parent, names, _ in os.walk(folder):
        for path in (Path(parent, name) for name in names):
            with suppress(OSError):
                if not path.is_symlink():
                    path.chmod(0o700)
