"""Keeps an eye on all connections beside the threads that use them, and hangs up where the host is silent.

TCP alone notices a dead link only while something of ours is on its way, and never a host whose kernel
still answers for a program that hangs. Paramiko's calls wait without an end until somebody hangs up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from paramiko.ssh_exception import SSHException

from opsrunner.clock import Clock
from opsrunner.fleet.transport import LeanTransport, hang_up

ASK_AFTER_SECONDS = 15.0
"""A connection that has been silent this long is asked for a sign of life (RFC 4254, 4)."""
SILENT_SECONDS = 45.0
"""A connection that has been silent this long is dead."""
LOOK_SECONDS = 1.0


class Watch:
    """Hangs up where nothing was heard for SILENT_SECONDS: one thread, from the first connection to the last.

    At each look it calls `tend` too. Safe among threads.
    """

    def __init__(self, clock: Clock, *, tend: Callable[[], None]) -> None:
        self._clock = clock
        self._tend = tend
        self._lock = threading.Lock()
        self._asked_at: dict[LeanTransport, float] = {}
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    def add(self, transport: LeanTransport) -> None:
        """Watch this connection until it is closed."""
        with self._lock:
            self._asked_at[transport] = self._clock.monotonic()
            if self._thread is None:
                self._wake.clear()
                self._thread = threading.Thread(target=self._look, name="ssh-watch", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Hang up everything."""
        with self._lock:
            watched = list(self._asked_at)
        for transport in watched:
            hang_up(transport)
        self._wake.set()

    def _look(self) -> None:
        while watched := self._still_open():
            self._wake.wait(LOOK_SECONDS)
            for transport in watched:
                self._look_at(transport)
            self._tend()

    def _still_open(self) -> list[LeanTransport]:
        """Return what is to be watched; with the last of them the thread ends."""
        with self._lock:
            self._asked_at = {one: at for one, at in self._asked_at.items() if one.is_active()}
            if not self._asked_at:
                self._thread = None
            return list(self._asked_at)

    def _look_at(self, transport: LeanTransport) -> None:
        now = self._clock.monotonic()
        silent = now - transport.link.heard_at
        if silent > SILENT_SECONDS:
            hang_up(transport)
        elif min(silent, now - self._asked_at.get(transport, now)) > ASK_AFTER_SECONDS:
            self._asked_at[transport] = now
            try:
                transport.ask_for_life()
            except (SSHException, EOFError, OSError):
                hang_up(transport)
