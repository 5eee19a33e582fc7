"""The ledger's file: opening, refusing, transactions. One connection a thread to read, one for all to write.

`journal_mode=TRUNCATE` with `synchronous=FULL`: DELETE does not fsync the folder after the unlink, and
WAL of the SQLite that current systems ship can corrupt (sqlite.org/wal.html, "the WAL-reset bug").
"""

from __future__ import annotations

import os
import sqlite3
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opsrunner.errors import LedgerConflict, LedgerDamaged, LedgerNewer, NotFound, StateError
from opsrunner.ledger.migrations import MIGRATIONS, migrate
from opsrunner.ledger.writing import Writer

BUSY_SECONDS = 30
RUNS_BESIDE = "runs/*"
"""What shows that there was a ledger here before."""
_SQLITE_MAGIC = b"SQLite format 3\x00"


class Ledger:
    """The open ledger. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open `path`, made if it is not there, and bring its tables up to date.

        Raises LedgerDamaged, LedgerNewer or StateError; a file that is there is never replaced.
        """
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer = Writer(self._connect)
        with _mapped(path):
            self._open_file()
            self.id = self._prepare()

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[None]:
        """Run the block in one `BEGIN IMMEDIATE` transaction; inside another one, join it.

        It is on the disk when the block is left. Transactions of several threads may share a commit (see
        `writing`); with `alone` this one does not, for blocks that take long. What the block itself raises
        leaves as it is: only the ledger's own statements are mapped.
        """
        if getattr(self._local, "writes", False):
            yield
            return
        with _mapped(self.path):
            part = self._writer.begin(alone=alone)
        self._local.writes = True
        try:
            yield
        except BaseException:
            self._local.writes = False
            self._writer.undo(part)
            raise
        self._local.writes = False
        with _mapped(self.path):
            self._writer.keep(part)

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one changing statement and return how many rows it changed."""
        with self.transaction(), _mapped(self.path):
            return self._connection().execute(sql, parameters).rowcount

    def insert(self, sql: str, parameters: Sequence[Any] = ()) -> int | None:
        """Run one INSERT and return the new id; None where a conflict changed no row."""
        with self.transaction(), _mapped(self.path):
            cursor = self._connection().execute(sql, parameters)
            return cursor.lastrowid if cursor.rowcount == 1 else None

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with _mapped(self.path):
            return self._connection().execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        with _mapped(self.path):
            row: sqlite3.Row | None = self._connection().execute(sql, parameters).fetchone()
            return row

    def version(self) -> int:
        """Return a number that changes when another connection, of whatever process, has changed the ledger."""
        row = self.one("PRAGMA data_version")
        return int(row[0]) if row else 0

    def is_intact(self) -> bool:
        """Tell whether SQLite finds every page in order."""
        row = self.one("PRAGMA quick_check(1)")
        return row is not None and row[0] == "ok"

    def close(self) -> None:
        """Close every thread's connection."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._writer.close()

    def _open_file(self) -> None:
        if self.path.exists() and self.path.stat().st_size:
            with self.path.open("rb") as file:
                if file.read(16) != _SQLITE_MAGIC:
                    raise LedgerDamaged(f"{self.path} is not a ledger: restore it from a copy, it is never made anew")
            return
        if any(self.path.parent.glob(RUNS_BESIDE)):
            said = "is empty" if self.path.exists() else "is missing"
            raise LedgerDamaged(f"{self.path} {said}, but runs lie beside it: restore it from a copy")
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))

    def _prepare(self) -> str:
        row = self.one("PRAGMA user_version")
        version = int(row[0]) if row else 0
        if version > len(MIGRATIONS):
            raise LedgerNewer(
                f"{self.path} was written by a newer opsrunner (form {version}, this one knows "
                f"{len(MIGRATIONS)}): upgrade the program"
            )
        if version == 0 and self.one("SELECT 1 FROM sqlite_master") is not None:
            raise LedgerDamaged(f"{self.path} is the database of another program: put it elsewhere")
        if version < len(MIGRATIONS):
            self._migrate()
        found = self.one("SELECT value FROM meta WHERE name = 'ledger'")
        if found is None:
            raise LedgerDamaged(f"{self.path} has lost its name: restore it from a copy")
        return str(found[0])

    def _migrate(self) -> None:
        """Run what is missing; two processes at once are safe, since the version is read again inside."""
        from sqlite_utils import Database  # noqa: PLC0415 - 60 ms that a ledger of today's form can do without

        with self.transaction():
            connection = self._connection()
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            migrate(Database(connection), from_version=version)
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('ledger', ?)", (uuid.uuid4().hex[:12],))

    def _connection(self) -> sqlite3.Connection:
        """Return the writing connection inside a transaction, else this thread's own one for reading."""
        if getattr(self._local, "writes", False):
            return self._writer.connection
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
            self._connections.append(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")  # else REPLACE slips past the audit's triggers
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = FULL")
        return connection


@contextmanager
def _mapped(path: Path) -> Iterator[None]:
    """Turn SQLite's exceptions into ours, each with what to do."""
    try:
        yield
    except sqlite3.OperationalError as exc:
        raise StateError(f"{path}: {exc}; {_advice(str(exc))}") from exc
    except sqlite3.IntegrityError as exc:
        raise LedgerConflict(f"{path}: {exc}; nothing was written") from exc
    except OverflowError as exc:  # SQLite's numbers end at 2⁶³
        raise NotFound("there is nothing with so large a number") from exc
    except sqlite3.DatabaseError as exc:
        raise LedgerDamaged(f"{path}: {exc}; restore it from a copy, it is never made anew") from exc
    except OSError as exc:
        raise StateError(f"{path}: {exc.strerror or exc}") from exc


def _advice(text: str) -> str:
    if "locked" in text:
        return "another program holds it: wait, or end that program"
    if "readonly" in text or "unable to open" in text:
        return "check the owner and the rights of the state folder"
    if "full" in text:
        return "make room on the disk"
    return "check the disk and the rights of the state folder"
