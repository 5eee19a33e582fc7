"""Connections to the host of an SFTP store: one for each who works with it, and a few kept open in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opsrunner.fleet.sftp import SftpSession

IDLE_SESSIONS = 2
"""How many are kept for the next who needs one."""
Connect = Callable[[], SftpSession]


class Sessions:
    """Opens, lends and keeps them. Safe among threads."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: list[SftpSession] = []

    def take(self) -> SftpSession:
        """Return a session that nobody else uses. Raises StoreFailed."""
        while True:
            with self._lock:
                session = self._idle.pop() if self._idle else None
            if session is None:
                return self._connect()
            if session.is_open:
                return session
            session.close()

    def give_back(self, session: SftpSession) -> None:
        """Keep a session for the next, or hang up."""
        with self._lock:
            if session.is_open and len(self._idle) < IDLE_SESSIONS:
                self._idle.append(session)
                return
        session.close()

    @contextmanager
    def lent(self) -> Iterator[SftpSession]:
        """Lend a session."""
        session = self.take()
        try:
            yield session
        finally:
            self.give_back(session)

    def close(self) -> None:
        """Hang up all that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()
