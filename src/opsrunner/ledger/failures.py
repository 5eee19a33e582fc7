"""SQLite's exceptions as ours: each names the file and says what to do about it."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from opsrunner.errors import LedgerConflict, LedgerDamaged, NotFound, OpsrunnerError, StateError

NEVER_MADE_ANEW = "stop opsrunner and restore it from a copy, it is never made anew"
_CODE = 0xFF
"""The low byte of an extended result code is the plain one (sqlite.org/rescode.html)."""
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_LOST = ("no such table", "no such column", "no such index")
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Mapped:
    """A block in which what SQLite or the system refuses leaves as an error of ours, mostly a StateError.

    A class, made once: it is entered several times for each write, right after a wait for the disk, where every
    step more of the interpreter is dear.
    """

    __slots__ = ("_path",)

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and (ours := _ours(self._path, error)) is not None:
            raise ours from error


def _ours(path: Path, error: BaseException) -> OpsrunnerError | None:
    if isinstance(error, sqlite3.IntegrityError):
        return LedgerConflict(f"{path}: {error}; nothing was written")
    if isinstance(error, sqlite3.ProgrammingError):  # the ledger was closed under a thread that still worked
        return StateError(f"{path}: {error}; it is closed, nothing was written")
    if isinstance(error, sqlite3.DatabaseError):
        return _explained(path, error)
    if isinstance(error, OverflowError):  # SQLite's numbers end at 2⁶³
        return NotFound("there is nothing with so large a number")
    return _of_the_system(path, error)


def _of_the_system(path: Path, error: BaseException) -> OpsrunnerError | None:
    if isinstance(error, MemoryError):
        return StateError(f"{path}: no memory is left; nothing was written")
    if isinstance(error, OSError):
        return StateError(f"{path}: {error.strerror or error}; {disk_advice(path)}")
    return None


def disk_advice(path: Path) -> str:
    """Return what to do where a file cannot be written, by what the disk says of itself."""
    nearest = next((folder for folder in path.parents if folder.exists()), path.parent)
    try:
        found = os.statvfs(nearest)
    except OSError:
        return "check that its disk is mounted, and the rights of the state folder"
    if found.f_flag & os.ST_RDONLY:
        return "its disk is mounted read-only: see the kernel's log (dmesg), then mount it to be written"
    if found.f_bavail == 0:
        return "make room on the disk"
    if found.f_files and found.f_favail == 0:
        return "the disk has no inode left: remove files that nobody needs"
    return "check the disk (dmesg), and the owner and the rights of the state folder"


def _explained(path: Path, error: sqlite3.DatabaseError) -> StateError:
    code = _code(error)
    if code in _DAMAGED:
        return LedgerDamaged(f"{path}: {error}; {NEVER_MADE_ANEW}")
    if str(error).startswith(_LOST):
        return LedgerDamaged(f"{path} has lost a part: {error}; {NEVER_MADE_ANEW}")
    if code in _BUSY:
        return StateError(f"{path}: {error}; another program holds it{_holder_words(path)}: wait, or end that program")
    if code == sqlite3.SQLITE_FULL:
        return StateError(f"{path}: {error}; make room on the disk")
    return StateError(f"{path}: {error}; {_descriptor_advice() or disk_advice(path)}")


def _descriptor_advice() -> str:
    """Return what to do where this process may not open another file, which SQLite does not tell apart; else ''."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as exc:
        return "allow more open files (ulimit -n)" if exc.errno in (errno.EMFILE, errno.ENFILE) else ""
    return ""


def _code(error: BaseException) -> int:
    """Return SQLite's plain result code; one that is told to several threads stands in what it was raised from."""
    found = getattr(error, "sqlite_errorcode", None)
    if found is None and error.__cause__ is not None:
        return _code(error.__cause__)
    return sqlite3.SQLITE_ERROR if found is None else found & _CODE


def _holder_words(path: Path) -> str:
    """Return who holds the ledger's lock, where the kernel tells."""
    found = holders(path)
    return f" ({', '.join(found)})" if found else ""


def holders(path: Path) -> list[str]:
    """Return the other processes that hold a lock on a file, as `process 17 (sqlite3)`; [] where nobody can tell."""
    try:
        inode = path.stat().st_ino
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
    rows = [line.split() for line in lines if "->" not in line]
    pids = {row[4] for row in rows if len(row) > 5 and row[5].endswith(f":{inode}")}
    return [f"process {pid}{_name_words(pid)}" for pid in sorted(pids - {str(os.getpid())}, key=int) if int(pid) > 0]


def _name_words(pid: str) -> str:
    try:
        return f" ({Path(f'/proc/{pid}/comm').read_text(encoding='utf-8', errors='replace').strip()})"
    except OSError:
        return ""
