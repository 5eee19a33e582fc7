"""Writing to the ledger: one connection for all threads, and transactions that share a commit.

Most of a durable write is waiting for the disk. A thread that has written its part therefore lets the next one that
waits write into the same transaction, and the last of them commits for all (a group commit): nobody goes on before
that commit is on the disk, and one that fails undoes its own part alone, by a savepoint.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable

from opsrunner.records import dataclass

MOST_MEMBERS = 64
LONGEST_GROUP_SECONDS = 0.02
"""A group commits then, also where more would like to join: waiting for it must not cost more than it saves."""
LOOK_SECONDS = 0.1


@dataclass(slots=True)
class _Group:
    """Transactions that are committed together."""

    began: float
    members: int = 0
    """Those that have written their part and wait."""
    error: sqlite3.Error | None = None
    is_done: bool = False
    done: threading.Event | None = None
    """What members wait for that do not commit themselves; made by the first of them."""

    def end(self) -> None:
        """Let who waits go on; called with the lock held."""
        self.is_done = True
        if self.done is not None:
            self.done.set()


@dataclass(slots=True)
class Part:
    """One thread's share in a group, from `begin` to `keep` or `undo`."""

    group: _Group
    joined: bool
    alone: bool


class Writer:
    """Gives the writing connection to one thread at a time. Raises sqlite3's own errors: `Ledger` maps them."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        """`connect` is called once, when somebody first writes."""
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._group: _Group | None = None
        self._counting = threading.Lock()
        self._joiners = 0

    @property
    def connection(self) -> sqlite3.Connection:
        """The writing connection; only for who is between `begin` and `keep` or `undo`."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def begin(self, *, alone: bool) -> Part:
        """Wait for the turn to write. With `alone` the part shares its commit with nobody: it may take long."""
        if not self._lock.acquire(blocking=False):
            self._wait_for_turn(1 if not alone else 0)
        try:
            return self._open(alone=alone)
        except BaseException:
            self._lock.release()
            raise

    def keep(self, part: Part) -> None:
        """Commit a part, alone or with others; return when it is on the disk."""
        group = part.group
        try:
            if part.joined:
                self.connection.execute("RELEASE part")
            group.members += 1
            if part.alone or self._is_full(group):
                self._commit(group)
            elif group.done is None:
                group.done = threading.Event()
        except sqlite3.Error as exc:
            self._lose(group, exc)
        finally:
            self._lock.release()
        if not group.is_done:
            self._await(group)
        if group.error is not None:
            raise type(group.error)(*group.error.args) from group.error

    def undo(self, part: Part) -> None:
        """Take a part back; what others wrote into the same group stays."""
        group = part.group
        try:
            if not self.connection.in_transaction:  # SQLite gave all of it up: a full disk, no memory
                self._lose(group, sqlite3.OperationalError("the transaction was rolled back by another's failure"))
            elif part.joined:
                self.connection.execute("ROLLBACK TO part")
                self.connection.execute("RELEASE part")
                if self._is_full(group):
                    self._commit(group)
            else:
                self.connection.execute("ROLLBACK")
                self._group = None
        except sqlite3.Error as exc:
            self._lose(group, exc)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()

    def _open(self, *, alone: bool) -> Part:
        connection = self.connection
        if alone and self._group is not None:
            self._commit(self._group)
        if self._group is not None:
            connection.execute("SAVEPOINT part")
            return Part(group=self._group, joined=True, alone=alone)
        connection.execute("BEGIN IMMEDIATE")
        self._group = _Group(began=time.monotonic())
        return Part(group=self._group, joined=False, alone=alone)

    def _is_full(self, group: _Group) -> bool:
        """Tell whether to commit now: nobody waits to join, or enough have."""
        if self._joiners == 0 or group.members >= MOST_MEMBERS:
            return True
        return time.monotonic() - group.began > LONGEST_GROUP_SECONDS

    def _commit(self, group: _Group) -> None:
        try:
            self.connection.execute("COMMIT")
        except sqlite3.Error as exc:
            self._lose(group, exc)
        else:
            self._group = None
            group.end()

    def _lose(self, group: _Group, error: sqlite3.Error) -> None:
        """Tell every member that nothing was written."""
        self._group = None
        group.error = error
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        finally:
            group.end()

    def _await(self, group: _Group) -> None:
        while not (group.is_done or (group.done is not None and group.done.wait(LOOK_SECONDS))):
            with self._lock:  # who was to join never came
                if self._group is group:
                    self._commit(group)

    def _wait_for_turn(self, joiners: int) -> None:
        """Wait for the lock, counted among those who would like to join a group."""
        with self._counting:
            self._joiners += joiners
        try:
            self._lock.acquire()
        finally:
            with self._counting:
                self._joiners -= joiners
