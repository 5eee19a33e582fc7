"""What every kind of database server gives a source: a connection that only reads, for a bounded time."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.exchange import Stopping
from opsrunner.records import dataclass

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

CONNECT_SECONDS = 10.0
GRACE_SECONDS = 3.0
"""How much longer than the time that the server was told we wait for its own word that it is over."""
LOOK_SECONDS = 0.2
LONGEST_SAID = 300
CellKind: TypeAlias = Literal["number", "date", "moment", "instant", "text", "other"]
"""What a column of an answer holds, as far as its values compare as ours do. An `instant` knows its zone."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer to one query; its rows come as the server sends them."""

    columns: tuple[str, ...]
    kinds: tuple[CellKind, ...]
    rows: Iterator[Sequence[Any]]


class Link(Protocol):
    """A connection to one database, in a transaction that only reads."""

    called: str
    """How people call this kind of server."""

    @property
    def dialect(self) -> Dialect:
        """How SQL is written there."""

    @property
    def stamp_zone(self) -> tzinfo:
        """The zone in which moments of the kind `instant` are compared there."""

    def execute(self, sql: str, values: Mapping[str, Any]) -> Answer:
        """Ask one query, its placeholders written `%(name)s`. Raises what the driver raises."""

    def failure(self, error: Exception, *, name: str) -> StepFailed | None:
        """Return what an error of the driver means to people; None for what is none of the driver's."""

    def hang_up(self) -> None:
        """End the connection at once, also from another thread."""

    def close(self) -> None:
        """End the connection; what of an answer has not been read is not read any more."""


class Deadline:
    """Hangs up when the time is over or when told to stop, whatever the server does: also one that answers nothing."""

    def __init__(self, link: Link, *, seconds: float, stopping: Stopping | None) -> None:
        self.is_over = False
        self.is_stopped = False
        self._link = link
        self._stopping = stopping
        self._clock = SystemClock()
        self._ends_at = self._clock.monotonic() + seconds + GRACE_SECONDS
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True, name="sql")

    def __enter__(self) -> Deadline:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()
        self._link.close()

    def _look(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            self.is_stopped = self._stopping is not None and self._stopping.is_set()
            self.is_over = self._clock.monotonic() >= self._ends_at
            if self.is_stopped or self.is_over:
                self._link.hang_up()
                return


def shut_down(descriptor: int) -> None:
    """End a connection under the feet of who reads from it: reading ends at once, with an error."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as other:
        other.shutdown(socket.SHUT_RDWR)


def one_line(text: str) -> str:
    """Return what a server says as one line that is not too long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_SAID else f"{line[:LONGEST_SAID]}…"


def too_slow(name: str) -> StepFailed:
    """Return that the server has ended a query by the limit that it was told."""
    return StepFailed(f"{name}: the query took longer than it may", status="timed_out")


def does_more(name: str, said: str) -> StepFailed:
    """Return that the server has refused to write."""
    return StepFailed(f"{name}: a source is only read, and this SQL does more ({said})", permanent=True)


def refused(name: str, place: str, said: str) -> StepFailed:
    """Return that the server lets us not in, or not do that."""
    return StepFailed(f"{name}: {place} refuses us: {said}", permanent=True)


def lost(name: str, place: str) -> StepFailed:
    """Return that a connection has ended before its answer had."""
    return StepFailed(f"{name}: the connection to {place} was lost in the middle")


def driver_is_missing(called: str, extra: str, *, name: str) -> StepFailed:
    """Return that the package that talks to such a server is not installed."""
    advice = f"install it beside opsrunner: pip install 'opsrunner[{extra}]'"
    return StepFailed(f"{name}: the driver for {called} is not installed; {advice}", permanent=True)
