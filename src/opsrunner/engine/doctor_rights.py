"""The doctor's look at rights: who may change what runs here, read its secrets, look into its state."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from opsrunner.config.folder import FOLDERS, TOP_FILES
from opsrunner.engine.doctor_patient import Finding, Patient
from opsrunner.engine.known_ledgers import NAME as NOTE_OF_LEDGERS
from opsrunner.engine.mentioned import secrets_in

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
        what = f"it belongs to {user_of(path)}, who decides by it what runs here as another user"
        yield Finding(level="look", what=what, where=str(path), advice=f"if it is not meant so: chown {us()} {path}")
    if not open_to_group and not foreign:
        yield Finding(level="fine", what="only their owner may change the site's files")


def trusted_users(patient: Patient) -> frozenset[int]:
    """Return the users, by number, to whom what opsrunner goes by may belong: root, us, and whose the state is."""
    return frozenset((0, os.geteuid(), patient.state.stat().st_uid))


def user_of(path: Path) -> str:
    """Return the name of a file's owner, or the number where nobody bears it."""
    try:
        return path.owner()
    except KeyError:
        return f"user {path.stat().st_uid}"


def us() -> str:
    """Return the name that we run under, or the number where nobody bears it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _site_files(root: Path) -> Iterator[Path]:
    yield root
    for name in (*TOP_FILES, *FOLDERS):
        path = root / name
        if path.exists():
            yield path
        if path.is_dir():
            yield from (inner for inner in path.iterdir() if inner.is_file())


def check_rights_of_secrets(patient: Patient) -> Iterator[Finding]:
    """Say which secrets others may read or replace: those of the site's folder, and all that it refers to."""
    folder = patient.site.root / SECRETS
    wrong: list[Finding] = []
    for path in sorted({*_files_in(folder), *_referred_to(patient)}):
        wrong += _wrong_with_secret(path, patient)
    if folder.is_dir() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        what = "others may put secrets of theirs in the place of ours"
        wrong.append(Finding(level="failed", what=what, where=str(folder), advice=f"chmod go-w {folder}"))
    yield from wrong
    if folder.is_dir() and not wrong:
        yield Finding(level="fine", what="secrets are for their owner alone", where=str(folder))


def _files_in(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return [path for path in found if path.is_file() and path.suffix != ".pub"]


def _referred_to(patient: Patient) -> list[Path]:
    paths = {patient.site.root / secret.file for secret in secrets_in(patient.site) if secret.file is not None}
    return [path for path in paths if path.is_file()]


def _wrong_with_secret(path: Path, patient: Patient) -> Iterator[Finding]:
    found = path.stat()
    if found.st_mode & 0o077:
        yield Finding(level="failed", what="others may read a secret", where=str(path), advice=f"chmod 600 {path}")
    if found.st_uid not in trusted_users(patient):
        what = f"a secret belongs to {user_of(path)}, who may read and replace it"
        advice = f"put a new one there, since this one is known: chown {us()} {path}"
        yield Finding(level="failed", what=what, where=str(path), advice=advice)


def check_rights_of_the_state(patient: Patient) -> Iterator[Finding]:
    """Say what of the state others may look into, and who else says where it lies."""
    opened = [path for path in (patient.state, *_state_files(patient.state)) if path.stat().st_mode & 0o077]
    for path in opened[:5]:
        yield Finding(
            level="failed", what="others may look into the state", where=str(path), advice=f"chmod go= {path}"
        )
    if not opened:
        yield Finding(level="fine", what="the state folder is for its owner alone", where=str(patient.state))
    note = patient.site.root / NOTE_OF_LEDGERS
    if note.exists():
        yield from _wrong_with_note(note, patient)


def _wrong_with_note(note: Path, patient: Patient) -> Iterator[Finding]:
    """What it says decides whether an empty folder is taken for a new beginning."""
    found, what = note.stat(), "others may have opsrunner refuse its ledger, or begin anew without it"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        yield Finding(level="failed", what=what, where=str(note), advice=f"chmod go-w {note}")
    if found.st_uid not in trusted_users(patient):
        what = f"it belongs to {user_of(note)}, who may have opsrunner refuse its ledger, or begin anew without it"
        yield Finding(level="failed", what=what, where=str(note), advice=f"chown {us()} {note}")


def _state_files(state: Path) -> Iterator[Path]:
    for path in state.iterdir():
        if not path.is_symlink():
            yield path
