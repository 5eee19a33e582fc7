"""Connections that stay open for the next command: bounded, looked after, and never trusted longer than their keys."""

from __future__ import annotations

import threading
from functools import partial

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed
from opsrunner.fleet.connections import Connection, Connections
from opsrunner.fleet.deadline import Deadline
from opsrunner.fleet.lanes import Endpoint, Lane, endpoint_of
from opsrunner.fleet.lease import Lease
from opsrunner.fleet.link import POLL_SECONDS, Way
from opsrunner.fleet.sockets import Tunnel
from opsrunner.fleet.transport import LeanTransport, hang_up
from opsrunner.fleet.watch import Watch
from opsrunner.model.fleet import Stopping
from opsrunner.model.host import Host
from opsrunner.model.outcome import StepStatus

IDLE_SECONDS = 300.0
"""How long a connection that nobody uses stays open."""
MOST_IDLE = 256
"""How many of them at the most; the one that was idle the longest goes first."""


class Pool:
    """Gives out connections, open ones first. Safe among threads."""

    def __init__(self, connections: Connections, *, clock: Clock, connect_seconds: float) -> None:
        self._connections = connections
        self._clock = clock
        self._connect_seconds = connect_seconds
        self._lock = threading.Lock()
        self._lanes: dict[Endpoint, Lane] = {}
        self._idle: dict[Connection, Lane] = {}
        self._is_closed = False
        self._watch = Watch(clock, tend=self._tend)

    def lease(self, host: Host, *, seconds: float, stopping: Stopping) -> Lease:
        """Return a connection to `host` with a place for one command; who asked for it gives it back.

        Where `host.sessions` commands run there already it waits for one to end. Raises StepFailed where there is
        no place within `seconds`, or no connection.
        """
        deadline = Deadline(self._clock, seconds)
        lane = self._enter(host)
        try:
            self._take_place(lane, host, deadline, stopping)
        except BaseException:
            self._leave(lane, has_place=False)
            raise
        return self._begun(Lease(self, lane, host, deadline=deadline, stopping=stopping, has_place=True))

    def open_apart(self, host: Host, *, stopping: Stopping) -> LeanTransport:
        """Return a connection that is nobody else's; who asked for it hangs up. Raises StepFailed."""
        return self._open(host, seconds=self._connect_seconds, stopping=stopping).transport

    def way_to(self, host: Host, *, stopping: Stopping) -> Way | None:
        """Return what opens a tunnel to `host`, None where it is reached without one."""
        return partial(self._tunnel, host, host.jump, stopping) if host.jump else None

    def close(self) -> None:
        """Hang up all connections, those in use too; from now on there are none."""
        with self._lock:
            self._is_closed = True
        self._watch.close()
        self._tend()

    def connect(self, lease: Lease, *, anew: bool) -> tuple[Connection, bool]:
        """Return a connection for a lease, and whether it was open before. One thread opens, the others wait for it."""
        lane = lease.lane
        while True:
            trust = self._connections.trust_in(lease.host)
            with lane.changed:
                found = None if anew else lane.find(trust)
                if found is not None:
                    self._idle.pop(found, None)
                    found.users += 1
                    return found, True
                if not lane.is_opening:
                    lane.is_opening = True
                    break
                self._await_opening(lane, lease)
            anew = False  # what another thread has opened by now is new enough
        return self._open_for(lease), False

    def let_go(self, connection: Connection, lane: Lane) -> None:
        """Take back a connection from a lease."""
        with lane.changed:
            connection.users -= 1
            if connection.users == 0 and not connection.is_retired and connection.transport.is_active():
                connection.idle_since = self._clock.monotonic()
                self._idle[connection] = lane
            done_with = [] if connection.users or connection in self._idle else [(connection, lane)]
            done_with += self._over_the_bound()
            self._forget(done_with)
        _hang_up_all(done_with)

    def give_back(self, lease: Lease) -> None:
        """Free the place of a lease."""
        self._leave(lease.lane, has_place=lease.has_place)

    def _begun(self, lease: Lease) -> Lease:
        try:
            lease.begin()
        except BaseException:
            self.give_back(lease)
            raise
        return lease

    def _enter(self, host: Host) -> Lane:
        with self._lock:
            if self._is_closed:
                raise StepFailed(f"{host.name}: opsrunner is ending", status=StepStatus.INTERRUPTED)
            endpoint = endpoint_of(host)
            lane = self._lanes.get(endpoint)
            if lane is None:
                lane = self._lanes[endpoint] = Lane(endpoint=endpoint, changed=threading.Condition(self._lock))
            lane.present += 1
            return lane

    def _leave(self, lane: Lane, *, has_place: bool) -> None:
        with lane.changed:
            lane.present -= 1
            lane.running -= has_place
            self._drop_if_over(lane)
            lane.changed.notify_all()

    def _take_place(self, lane: Lane, host: Host, deadline: Deadline, stopping: Stopping) -> None:
        with lane.changed:
            while lane.running >= host.sessions:
                what = f"{lane.running} of {host.sessions} commands run there, and more have to wait"
                self._wait(lane, host, deadline, stopping, what=what)
            lane.running += 1

    def _await_opening(self, lane: Lane, lease: Lease) -> None:
        """Wait for the thread that opens a connection; what it fails of, we fail of."""
        while lane.is_opening:
            self._wait(lane, lease.host, lease.deadline, lease.stopping, what="no connection was opened")
        if lane.error is not None:
            error, name = lane.error, lease.host.name
            message = f"{name}: {error.message.removeprefix(f'{lane.opener}: ')}"
            raise StepFailed(message, permanent=error.permanent, status=error.status, facts=error.facts)

    def _wait(self, lane: Lane, host: Host, deadline: Deadline, stopping: Stopping, *, what: str) -> None:
        """Wait a little for a change. The lock of the lane is held."""
        if stopping.is_set():
            raise StepFailed(f"{host.name}: not started: the run was stopped", status=StepStatus.INTERRUPTED)
        if deadline.passed:
            message = f"{host.name}: not started within {deadline.seconds:g} s: {what}"
            raise StepFailed(message, status=StepStatus.TIMED_OUT)
        lane.changed.wait(min(POLL_SECONDS, deadline.remaining_seconds))

    def _open_for(self, lease: Lease) -> Connection:
        """Open a connection for a lease, while others wait for it."""
        lane, error = lease.lane, None
        seconds = min(lease.deadline.remaining_seconds, self._connect_seconds)
        opened: Connection | None = None
        try:
            opened = self._open(lease.host, seconds=seconds, stopping=lease.stopping)
        except StepFailed as exc:
            is_own = exc.status == StepStatus.INTERRUPTED or (seconds < self._connect_seconds and not exc.permanent)
            error = None if is_own else exc
            raise
        finally:
            with lane.changed:
                lane.is_opening, lane.error, lane.opener = False, error, lease.host.name
                if opened is not None:
                    opened.users = 1
                    lane.connections.append(opened)
                lane.changed.notify_all()
        return opened

    def _open(self, host: Host, *, seconds: float, stopping: Stopping) -> Connection:
        way = self.way_to(host, stopping=stopping)
        connection = self._connections.open(host, seconds=seconds, stopping=stopping, way=way)
        self._watch.add(connection.transport)
        if self._is_closed:
            hang_up(connection.transport)
        return connection

    def _tunnel(self, host: Host, jump: Host, stopping: Stopping, deadline: Deadline) -> Tunnel:
        try:
            lane = self._enter(jump)
            lease = self._begun(Lease(self, lane, jump, deadline=deadline, stopping=stopping, has_place=False))
        except StepFailed as exc:
            message = f"{host.name}: no way through its jump host: {exc.message}"
            raise StepFailed(message, permanent=exc.permanent, status=exc.status, facts=exc.facts) from exc
        try:
            channel = lease.open_tunnel(host)
        except BaseException:
            lease.close()
            raise
        return Tunnel(channel, clock=self._clock, on_close=lease.close)

    def _tend(self) -> None:
        """Hang up what was idle too long, and forget what has ended."""
        with self._lock:
            before = self._clock.monotonic() - IDLE_SECONDS
            done_with = [
                (one, lane)
                for one, lane in self._idle.items()
                if one.idle_since < before or not one.transport.is_active()
            ]
            self._forget(done_with)
        _hang_up_all(done_with)

    def _over_the_bound(self) -> list[tuple[Connection, Lane]]:
        excess = len(self._idle) - MOST_IDLE
        return list(self._idle.items())[:excess] if excess > 0 else []

    def _forget(self, done_with: list[tuple[Connection, Lane]]) -> None:
        """Take connections out of everything; the lock is held."""
        for connection, lane in done_with:
            self._idle.pop(connection, None)
            lane.connections.remove(connection)
            self._drop_if_over(lane)

    def _drop_if_over(self, lane: Lane) -> None:
        if not lane.present and not lane.connections:
            self._lanes.pop(lane.endpoint, None)


def _hang_up_all(done_with: list[tuple[Connection, Lane]]) -> None:
    for connection, _ in done_with:
        hang_up(connection.transport)
