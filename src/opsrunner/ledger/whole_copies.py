"""A copy of the whole ledger while it is in use, and one put in the place of a ledger that was lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from opsrunner.errors import LedgerDamaged, Refused, StateError

BUSY_SECONDS = 60


def copy_ledger(ledger: Path, to: Path) -> int:
    """Write a copy of the ledger as it stands at one moment, look at every page of it, and return its size in bytes.

    SQLite's online backup: readers and the daemon go on, whose commits wait meanwhile (about a second for each GB).
    `to` must not be there. Raises Refused, StateError, LedgerDamaged.
    """
    if to.exists():
        raise Refused(f"{to} is there already; name a new file")
    try:
        os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600))
        with closing(_opened(ledger, "ro")) as source, closing(_opened(to, "rw")) as target:
            source.backup(target)
        require_intact(to)
        _sync(to)
    except (OSError, sqlite3.Error) as exc:
        to.unlink(missing_ok=True)
        raise StateError(f"the ledger could not be copied to {to}: {_words(exc)}") from exc
    except LedgerDamaged:
        to.unlink(missing_ok=True)
        raise
    return to.stat().st_size


def place_ledger(copy: Path, ledger: Path) -> None:
    """Put a copy in the place of a ledger that is not there, after a look at every page of it.

    Raises Refused where a ledger is there, StateError, LedgerDamaged.
    """
    require_no_ledger(ledger)
    draft = ledger.with_name(f".{ledger.name}.restored")
    try:
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600, exist_ok=False)
        with draft.open("wb") as file, copy.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
        require_intact(draft)
        _sync(draft)
        draft.replace(ledger)
    except (OSError, sqlite3.Error) as exc:
        raise StateError(f"{ledger} could not be restored from {copy}: {_words(exc)}") from exc
    finally:
        draft.unlink(missing_ok=True)


def require_no_ledger(ledger: Path) -> None:
    """Raise Refused where a ledger is there: none is ever written over."""
    if ledger.exists() and ledger.stat().st_size:
        raise Refused(f"{ledger} is there; move it away first, if it is the one to be replaced")


def require_intact(path: Path) -> None:
    """Raise LedgerDamaged where a file is no whole ledger."""
    try:
        with closing(_opened(path, "ro")) as database:
            (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('runs', 'meta')").fetchone()
    except sqlite3.Error as exc:
        raise LedgerDamaged(f"{path} is no whole ledger: {exc}") from exc
    if found != "ok":
        raise LedgerDamaged(f"{path} is no whole ledger: {found.splitlines()[0]}")
    if tables != 2:
        raise LedgerDamaged(f"{path} is a database, and not a ledger of opsrunner")


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=BUSY_SECONDS)


def _sync(path: Path) -> None:
    for place in (path, path.parent):
        handle = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _words(error: OSError | sqlite3.Error) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
