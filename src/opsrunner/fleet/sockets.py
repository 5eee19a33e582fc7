"""What a connection runs on: a TCP socket of ours, or a tunnel through another host."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from paramiko import Channel
from paramiko.ssh_exception import SSHException

from opsrunner.clock import Clock

READ_BYTES = 1 << 16
UNACKNOWLEDGED_MILLISECONDS = 30_000
"""After this long without an answer from the other machine the kernel gives the connection up."""


class Link(Protocol):
    """What is asked of either, beside what every socket does."""

    heard_at: float
    """When it last heard something, on the clock it was given."""


class _Ahead:
    """Bytes that were read and not asked for yet: paramiko asks for a few at a time, and each look costs."""

    def __init__(self) -> None:
        self._piece = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return up to `size` of them, none where there are none."""
        taken = self._piece[self._at : self._at + size]
        self._at += len(taken)
        return taken

    def put(self, piece: bytes) -> None:
        """Keep what came; nothing may be left of what was there."""
        self._piece, self._at = piece, 0


class QuickAckSocket(socket.socket):
    """A socket that acknowledges at once: delayed acknowledgements cost 44 ms a session otherwise."""

    clock: Clock
    heard_at: float

    def begin(self, clock: Clock) -> None:
        """Make it ready for a connection that was just opened."""
        self.clock, self.heard_at, self._ahead = clock, clock.monotonic(), _Ahead()
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS)

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        taken = self._ahead.take(bufsize)
        if taken:
            return taken
        piece = super().recv(READ_BYTES, flags)
        self.heard_at = self.clock.monotonic()
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        self._ahead.put(piece)
        return self._ahead.take(bufsize)


class Tunnel:
    """A channel through a jump host, as a socket. `on_close` is called once, when it is closed."""

    def __init__(self, channel: Channel, *, clock: Clock, on_close: Callable[[], None]) -> None:
        self.channel = channel
        self._clock = clock
        self._on_close = [on_close]
        self._ahead = _Ahead()
        self._closed = False  # paramiko looks at it, as at that of a socket
        self.heard_at = clock.monotonic()

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end. Raises TimeoutError."""
        taken = self._ahead.take(size)
        if taken:
            return taken
        piece = self.channel.recv(READ_BYTES)
        self.heard_at = self._clock.monotonic()
        self._ahead.put(piece)
        return self._ahead.take(size)

    def send(self, data: bytes) -> int:
        """Send some of `data`, and return how much. Raises TimeoutError, OSError."""
        sent: int = self.channel.send(data)
        return sent

    def settimeout(self, seconds: float | None) -> None:
        """Set how long both wait."""
        self.channel.settimeout(seconds)

    def shutdown(self, _: int) -> None:
        """End it both ways, which wakes whoever reads."""
        with suppress(SSHException, EOFError, OSError):  # the way to it may be gone
            self.channel.close()

    def close(self) -> None:
        """End it, and let go of the way to it."""
        self._closed = True
        self.shutdown(socket.SHUT_RDWR)
        with suppress(IndexError):  # two threads may close it at once
            self._on_close.pop()()
