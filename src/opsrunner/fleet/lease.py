"""A connection as one command, or one tunnel, has it."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from paramiko import Channel
from paramiko.ssh_exception import ChannelException, SSHException

from opsrunner.errors import StepFailed
from opsrunner.fleet.connections import Connection
from opsrunner.fleet.deadline import Deadline
from opsrunner.fleet.transport import LeanTransport
from opsrunner.model.fleet import Stopping
from opsrunner.model.host import Host

if TYPE_CHECKING:
    from opsrunner.fleet.lanes import Lane
    from opsrunner.fleet.pool import Pool

OPEN_SECONDS = 15
"""How long a host may take to let a command begin."""
REUSE_SECONDS = 5
"""The same on a connection that was open before: it may be dead, and nobody told us."""


class Lease:
    """One use of a connection. A context manager.

    What fails on a connection that was open before, and before anything was begun on it, is tried on a new one.
    """

    def __init__(
        self, pool: Pool, lane: Lane, host: Host, *, deadline: Deadline, stopping: Stopping, has_place: bool
    ) -> None:
        self.lane, self.host, self.deadline, self.stopping = lane, host, deadline, stopping
        self.has_place = has_place
        """It counts among the commands that may run at once."""
        self._pool = pool
        self._held: Connection | None = None
        self._was_open = False

    def begin(self, *, anew: bool = False) -> None:
        """Get the connection; `anew`: one that is opened now. Raises StepFailed."""
        self._held, self._was_open = self._pool.connect(self, anew=anew)

    @property
    def transport(self) -> LeanTransport:
        """The connection."""
        return self._connection.transport

    @property
    def _connection(self) -> Connection:
        assert self._held is not None  # noqa: S101  it has begun, and is not over
        return self._held

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give it back; only once."""
        self._let_go()
        self._pool.give_back(self)

    def retire(self) -> None:
        """Let nobody begin anything on this connection any more."""
        self._connection.is_retired = True

    def open_session(self, *, window_bytes: int | None) -> Channel:
        """Return a channel for one command. Raises StepFailed."""
        try:
            return self._open(lambda transport, seconds: transport.open_session(window_bytes, timeout=seconds))
        except (SSHException, EOFError, OSError) as exc:
            raise StepFailed(f"{self.host.name}: the host does not start a command: {exc}") from exc

    def open_tunnel(self, to: Host) -> Channel:
        """Return a channel that leads on `to` another host. Raises StepFailed."""
        address = (to.address, to.port)
        try:
            return self._open(
                lambda transport, seconds: transport.open_channel(
                    "direct-tcpip", address, ("127.0.0.1", 0), timeout=seconds
                )
            )
        except ChannelException as exc:
            why = f"{self.host.name} does not connect on to {to.address} port {to.port}: {exc.text}"
            raise StepFailed(f"{to.name}: no way through its jump host: {why}") from exc
        except (SSHException, EOFError, OSError) as exc:
            why = f"{self.host.name} does not connect on to {to.address} port {to.port}: {exc}"
            raise StepFailed(f"{to.name}: no way through its jump host: {why}") from exc

    def _open(self, channel: Callable[[LeanTransport, float], Channel]) -> Channel:
        while True:
            try:
                return channel(self.transport, self._seconds())
            except ChannelException:
                if not self.has_place or self._connection.users == 1:
                    raise
                self.lane.most_users = self._connection.users - 1  # its MaxSessions is lower than ours
            except (SSHException, EOFError, OSError):
                self.retire()
                if not self._was_open:
                    raise
            self._let_go()
            self.begin(anew=True)

    def _let_go(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._pool.let_go(held, self.lane)

    def _seconds(self) -> float:
        return min(self.deadline.remaining_seconds, REUSE_SECONDS if self._was_open else OPEN_SECONDS)
