"""The doctor's look at rights: who may change what runs here, read its secrets, look into its state."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from opsrunner.engine.doctor_patient import Finding, Patient

SECRETS = "secrets"


def check_rights_of_the_site(patient: Patient) -> Iterator[Finding]:
    """What group members may write is as good as theirs; what all may write is refused at load."""
    open_to_group = [
        path for path in _site_files(patient.site.root) if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ]
    for path in open_to_group:
        advice = f"chmod go-w {path}"
        yield Finding(level="look", what="others may change what runs here", where=str(path), advice=advice)
    foreign = [path for path in _site_files(patient.site.root) if path.stat().st_uid not in (0, os.geteuid())]
    for path in foreign[:5]:
        what = f"it belongs to {_user(path)}, who decides by it what runs here as another user"
        yield Finding(level="look", what=what, where=str(path), advice=f"if it is not meant so: chown {_us()} {path}")
    if not open_to_group and not foreign:
        yield Finding(level="fine", what="only their owner may change the site's files")


def _user(path: Path) -> str:
    """Return the name of a file's owner, or the number where nobody bears it."""
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"


def _us() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _site_files(root: Path) -> Iterator[Path]:
    yield root
    for name in ("opsrunner.yaml", "routines", "checklists", "reports"):
        path = root / name
        if path.exists():
            yield path
        if path.is_dir():
            yield from (inner for inner in path.iterdir() if inner.is_file())


def check_rights_of_secrets(patient: Patient) -> Iterator[Finding]:
    """Say which secrets others may read or replace."""
    folder = patient.site.root / SECRETS
    if not folder.is_dir():
        return
    opened = [path for path in folder.iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    opened = [path for path in opened if path.suffix != ".pub"]
    for path in opened:
        yield Finding(level="failed", what="others may read a secret", where=str(path), advice=f"chmod 600 {path}")
    is_open = bool(folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
    if is_open:
        what = "others may put secrets of theirs in the place of ours"
        yield Finding(level="failed", what=what, where=str(folder), advice=f"chmod go-w {folder}")
    if not opened and not is_open:
        yield Finding(level="fine", what="secrets are for their owner alone", where=str(folder))


def check_rights_of_the_state(patient: Patient) -> Iterator[Finding]:
    """Say what of the state others may look into."""
    opened = [path for path in (patient.state, *_state_files(patient.state)) if path.stat().st_mode & 0o077]
    for path in opened[:5]:
        yield Finding(
            level="failed", what="others may look into the state", where=str(path), advice=f"chmod go= {path}"
        )
    if not opened:
        yield Finding(level="fine", what="the state folder is for its owner alone", where=str(patient.state))


def _state_files(state: Path) -> Iterator[Path]:
    for path in state.iterdir():
        if not path.is_symlink():
            yield path
