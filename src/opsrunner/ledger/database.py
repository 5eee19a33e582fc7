"""The ledger's file: opening, refusing, transactions. One connection a thread to read, one for all to write."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from opsrunner.errors import LedgerDamaged, LedgerNewer
from opsrunner.ledger.connecting import connect
from opsrunner.ledger.failures import NEVER_MADE_ANEW, Mapped
from opsrunner.ledger.identity import Identity
from opsrunner.ledger.migrations import MIGRATIONS, migrate
from opsrunner.ledger.opening import prepare_file
from opsrunner.ledger.writing import Part, Writer

LOGGER = logging.getLogger("opsrunner")
SOON_READ_BYTES = 64_000_000
"""A ledger up to this size is read from end to end within a blink."""
READ_BYTES = 1_000_000
_PARTS = "parts"
"""What the ledger calls the list of its tables, indices and triggers, written by the migration that made them."""
_PARTS_THERE = "SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1"

_GROWING = (("runs", "id"), ("steps", "run"), ("tasks", "id"), ("outbox", "id"), ("digests", "id"), ("audit", "id"))


class _Local(threading.local):
    """What each thread has of its own."""

    writes = False
    connection: sqlite3.Connection | None = None
    number = 0


class _Transaction:
    """The block of `Ledger.transaction`."""

    __slots__ = ("_alone", "_ledger", "_part")

    def __init__(self, ledger: Ledger, alone: bool) -> None:
        self._ledger, self._alone = ledger, alone
        self._part: Part | None = None

    def __enter__(self) -> None:
        if not self._ledger.is_in_transaction():
            self._part = self._ledger._begin(alone=self._alone)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._part is None:
            return
        if error is None:
            self._ledger._keep(self._part)
        else:
            self._ledger._undo(self._part)


class Ledger:
    """The open ledger. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open `path`, made if it is not there, and bring its tables up to date.

        Raises LedgerDamaged, LedgerNewer or StateError; a file that is there is never replaced. `is_new` tells
        that it was made.
        """
        self.path = path
        self._local = _Local()
        self._mapped = Mapped(path)
        self._connections: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._writer = Writer(self._connect)
        self._identity: Identity | None = None
        with self._mapped:
            self.is_new = prepare_file(path)
            self.id = self._prepare()
            self._identity = Identity(path, self.id)

    def transaction(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Run the block in one `BEGIN IMMEDIATE` transaction; inside another one, join it.

        It is on the disk when the block is left. Transactions of several threads may share a commit (see
        `writing`); with `alone` this one does not, for blocks that take long. What the block itself raises
        leaves as it is: only the ledger's own statements are mapped.
        """
        return _Transaction(self, alone)

    def is_in_transaction(self) -> bool:
        """Tell whether this thread is inside a `transaction`."""
        return self._local.writes

    def change(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """Run one changing statement and return how many rows it changed."""
        return self._write(sql, parameters).rowcount

    def insert(self, sql: str, parameters: Sequence[Any] = ()) -> int | None:
        """Run one INSERT and return the new id; None where a conflict changed no row."""
        cursor = self._write(sql, parameters)
        return cursor.lastrowid if cursor.rowcount == 1 else None

    def insert_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run one INSERT for each row and return how many rows there are more."""
        with self.transaction(), self._mapped:
            return self._writer.connection.executemany(sql, rows).rowcount

    def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with self._mapped:
            return self._connection().execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        with self._mapped:
            row: sqlite3.Row | None = self._connection().execute(sql, parameters).fetchone()
            return row

    def version(self) -> int:
        """Return a number that changes when the ledger has been changed, by whatever thread or process.

        Each thread counts by itself: the number of one says nothing to another.

        Raises LedgerGone where the file is not the one that was opened.
        """
        if self._identity is not None:
            self._identity.require_place()
        row = self.one("PRAGMA data_version")
        return (self._local.number << 32) + (int(row[0]) if row else 0)

    def is_intact(self) -> bool:
        """Tell whether SQLite finds every page in order."""
        self._read_through()
        row = self.one("PRAGMA quick_check(1)")
        return row is not None and row[0] == "ok"

    def is_readable(self) -> bool:
        """Tell whether the newest rows of what grows can be read: what `is_intact` asks of all of it, in no time."""
        try:
            for table, newest in _GROWING:
                self.all(f"SELECT * FROM {table} ORDER BY {newest} DESC LIMIT 100")  # noqa: S608 (fixed words)
        except LedgerDamaged:
            return False
        return True

    def require_intact(self) -> None:
        """Raise LedgerDamaged where SQLite finds a page out of order: nothing is begun on such a ledger.

        The log says so of a ledger that takes its time, and how long it took.
        """
        with self._mapped:
            size_bytes = self.path.stat().st_size
        is_long, size, began = size_bytes > SOON_READ_BYTES, f"{size_bytes / 1e9:.1f} GB", time.monotonic()
        if is_long:
            said = "looking at every page of the ledger before anything is begun: %s"
            LOGGER.info(said, size, extra={"action": "ledger_check", "bytes": size_bytes})
        if not self.is_intact():
            raise LedgerDamaged(f"{self.path} has damaged pages: {NEVER_MADE_ANEW}")
        seconds = time.monotonic() - began
        if is_long:
            said = "the ledger is in order: %s in %.0f s"
            LOGGER.info(said, size, seconds, extra={"action": "ledger_checked", "seconds": round(seconds, 1)})

    def _read_through(self) -> None:
        """Read the file in the order of the disk: going to and fro, as SQLite does, takes ten times as long."""
        with self._mapped, self.path.open("rb", buffering=0) as file:
            while file.read(READ_BYTES):
                pass

    def close(self) -> None:
        """Close the connections of this thread and of those that have ended.

        A thread that still reads is told to stop, and its connection closes when it ends: closed under its hands, it
        would take the whole process along.
        """
        for thread, connection in self._connections:
            if thread is threading.current_thread() or not thread.is_alive():
                connection.close()
            else:
                connection.interrupt()
        self._connections.clear()
        self._writer.close()

    def _write(self, sql: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        if self._local.writes:
            with self._mapped:
                return self._writer.connection.execute(sql, parameters)
        part = self._begin(alone=False)
        try:
            with self._mapped:
                done = self._writer.connection.execute(sql, parameters)
        except BaseException:
            self._undo(part)
            raise
        self._keep(part)
        return done

    def _begin(self, *, alone: bool) -> Part:
        with self._mapped:
            part = self._writer.begin(alone=alone)
        self._local.writes = True
        if self._identity is not None and not part.joined:  # without one it is being made
            try:
                with self._mapped:
                    self._identity.require_same(self._writer.connection)
            except BaseException:
                self._undo(part)
                raise
        return part

    def _keep(self, part: Part) -> None:
        self._local.writes = False
        with self._mapped:
            self._writer.keep(part)

    def _undo(self, part: Part) -> None:
        self._local.writes = False
        self._writer.undo(part)

    def _prepare(self) -> str:
        version, objects = self._look()
        if version > len(MIGRATIONS):
            raise LedgerNewer(
                f"{self.path} was written by a newer opsrunner (form {version}, this one knows "
                f"{len(MIGRATIONS)}): upgrade the program"
            )
        if version == 0 and objects:
            raise LedgerDamaged(f"{self.path} is the database of another program: put it elsewhere")
        if version < len(MIGRATIONS):
            self._migrate()
        found = self.one("SELECT value FROM meta WHERE name = 'ledger'")
        if found is None:
            raise LedgerDamaged(f"{self.path} has lost its name: {NEVER_MADE_ANEW}")
        self._refuse_incomplete()
        return str(found[0])

    def _look(self) -> tuple[int, int]:
        """Return the form and how many tables and indices there are, in one look: somebody may just be making them."""
        row = self.one("SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version")
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def _refuse_incomplete(self) -> None:
        """Raise LedgerDamaged where a table, index or trigger is gone: without them rows are lost, or come twice."""
        kept = self.one("SELECT value FROM meta WHERE name = ?", (_PARTS,))
        if kept is None:
            return
        there = {str(row[0]) for row in self.all(_PARTS_THERE)}
        lost = [part for part in kept[0].split(",") if part not in there]
        if lost:
            raise LedgerDamaged(f"{self.path} has lost {', '.join(lost)}: {NEVER_MADE_ANEW}")

    def _migrate(self) -> None:
        """Run what is missing; two processes at once are safe, since the version is read again inside."""
        from sqlite_utils import Database  # noqa: PLC0415 - 60 ms that a ledger of today's form can do without

        with self.transaction():
            connection = self._connection()
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            migrate(Database(connection), from_version=version)
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('ledger', ?)", (uuid.uuid4().hex[:12],))
            parts = ",".join(str(row[0]) for row in connection.execute(_PARTS_THERE))
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_PARTS, parts))

    def _connection(self) -> sqlite3.Connection:
        """Return the writing connection inside a transaction, else this thread's own one for reading."""
        if self._local.writes:
            return self._writer.connection
        connection = self._local.connection
        if connection is None:
            connection = self._connect()
            self._local.connection = connection
            self._connections.append((threading.current_thread(), connection))
            self._local.number = len(self._connections)
        return connection

    def _connect(self) -> sqlite3.Connection:
        return connect(self.path)
