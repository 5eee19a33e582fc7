"""The doctor's look at the scripts that routines start: who writes them decides what runs here."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from opsrunner.engine.doctor_patient import Finding, Patient
from opsrunner.engine.doctor_rights import trusted_users, us, user_of
from opsrunner.engine.mentioned import Script, scripts_in
from opsrunner.errors import StepFailed
from opsrunner.fleet.account import find_account


def check_rights_of_scripts(patient: Patient) -> Iterator[Finding]:
    """Say which scripts of commands others may change, or put theirs in the place of."""
    scripts = {(script.path, script.user): script for script in scripts_in(patient.site)}
    wrong = [finding for script in scripts.values() for finding in _wrong_with(script, patient)]
    yield from wrong
    if scripts and not wrong:
        count = "1 script" if len(scripts) == 1 else f"{len(scripts)} scripts"
        yield Finding(level="fine", what="only who runs them may change the scripts of routines", where=f"{count} seen")


def _wrong_with(script: Script, patient: Patient) -> Iterator[Finding]:
    path, trusted = script.path, trusted_users(patient) | _account(script.user)
    real = path.resolve()
    found = real.stat()
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        what = f"others may change a script that runs here ({script.named_by})"
        yield Finding(level="failed", what=what, where=str(path), advice=f"chmod go-w {path}")
    if found.st_uid not in trusted:
        what = f"a script that runs here belongs to {user_of(real)} ({script.named_by})"
        advice = f"if it is not meant so: chown {us()} {path}"
        yield Finding(level="look", what=what, where=str(path), advice=advice)
    folder = _open_folder(real)
    if folder is not None:
        what = f"others may put a script of theirs in the place of {path} ({script.named_by})"
        yield Finding(level="failed", what=what, where=str(folder), advice=f"chmod o-w {folder}")


def _account(user: str) -> frozenset[int]:
    """Return the user that a step runs as, by number; none where it could not run."""
    try:
        return frozenset((find_account(user).uid,))
    except StepFailed:
        return frozenset()


def _open_folder(path: Path) -> Path | None:
    """Return the nearest folder above a file in which anybody may put another in its place; /tmp is none."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return folder
    return None
