"""Who may change the site's files. Configuration is code: whoever writes it decides what runs here."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from opsrunner.config.folder import FOLDERS, Folder
from opsrunner.config.report import Report
from opsrunner.config.secret_places import SecretPlace
from opsrunner.model.site import Problem


def problem_of_mode(mode: int, *, file: str, path: Path) -> Problem | None:
    """Return the problem of a file or folder that anybody may write to."""
    if not mode & stat.S_IWOTH:
        return None
    message = f"anybody on this machine may change it (mode {stat.S_IMODE(mode):04o})"
    return Problem(file=file, line=1, column=1, path="", message=message, hint=f"run: chmod o-w {path}")


def folder_problems(root: Path, seen: Folder) -> tuple[Problem, ...]:
    """Return the problems of the site's folders and all above, and of those that links lead to.

    A sticky folder is fine that is none of the site's own (/tmp).
    """
    own = {str(folder) for folder in (root, *(root / name for name in FOLDERS))}
    found = [
        Problem(file=name, line=1, column=1, path="", message=f"cannot be listed ({reason})")
        for name, reason in seen.closed
    ]
    for folder, mode in seen.modes:
        problem = problem_of_mode(mode, file=folder, path=Path(folder))
        if problem is not None and (folder in own or not mode & stat.S_ISVTX):
            found.append(problem)
    return tuple(found)


def note_open_secrets(places: Iterable[SecretPlace], *, root: Path, report: Report) -> None:
    """Note the secret files that exist and that others than their owner may read; nothing is opened."""
    for place in places:
        if place.secret.file is None:
            continue
        path = os.path.join(root, place.secret.file)  # noqa: PTH118 - one for each secret of a thousand files
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116 - as above
        except OSError:
            continue
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            message = f"others may read {place.secret.file} (mode {stat.S_IMODE(mode):04o})"
            report.add(place.path, message, f"run: chmod 600 {path}")
