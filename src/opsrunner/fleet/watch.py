"""Keeps an eye on a connection beside the thread that uses it, and hangs up when the host is silent.

TCP alone notices a dead link only while something of ours is on its way, and never a host whose kernel
still answers for a program that hangs. Paramiko's calls wait without an end until somebody hangs up.
"""

from __future__ import annotations

import threading

from paramiko import Transport
from paramiko.ssh_exception import SSHException

from opsrunner.clock import Clock
from opsrunner.fleet.link import hang_up, last_heard

ASK_AFTER_SECONDS = 15.0
"""A connection that has been silent this long is asked for a sign of life (RFC 4254, 4)."""
SILENT_SECONDS = 45.0
"""A connection that has been silent this long is dead."""
LOOK_SECONDS = 1.0


class Watch:
    """Hangs up when nothing was heard for SILENT_SECONDS, or after `patience_seconds` in any case.

    A context manager; what is under way on the connection then fails.
    """

    def __init__(self, transport: Transport, *, clock: Clock, patience_seconds: float) -> None:
        self._transport = transport
        self._clock = clock
        self._ends_at = clock.monotonic() + patience_seconds
        self._asked_at = clock.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="ssh-watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            now = self._clock.monotonic()
            silent = now - last_heard(self._transport)
            if silent > SILENT_SECONDS or now > self._ends_at:
                hang_up(self._transport)
                return
            if min(silent, now - self._asked_at) > ASK_AFTER_SECONDS:
                self._asked_at = now
                threading.Thread(target=self._ask, name="ssh-ask", daemon=True).start()

    def _ask(self) -> None:
        """Wait for an answer, of any kind, or for the end of the connection."""
        try:
            self._transport.global_request("keepalive@openssh.com", wait=True)
        except (SSHException, EOFError, OSError):
            hang_up(self._transport)
