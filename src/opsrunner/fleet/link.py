"""A connection to one host: socket, key exchange, the host's key, our sign-in; each under our own clock.

Paramiko's time-outs default to none, so every phase is started and then watched here.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from paramiko import PKey, Transport
from paramiko.ssh_exception import IncompatiblePeer, SSHException

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed
from opsrunner.fleet.deadline import Deadline
from opsrunner.fleet.host_keys import HostKey
from opsrunner.fleet.sockets import QuickAckSocket, Tunnel
from opsrunner.fleet.transport import LeanTransport, hang_up
from opsrunner.model.fleet import Stopping
from opsrunner.model.host import Host
from opsrunner.model.outcome import StepStatus

POLL_SECONDS = 0.1

_KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")

# Every error of paramiko is mapped to one line here; its own log would print tracebacks beside that.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

Way: TypeAlias = Callable[[Deadline], Tunnel]
"""Opens a tunnel to the host through another one, until the deadline. Raises StepFailed."""


class Phases:
    """Opens one connection, phase by phase, until `deadline` or until told to stop; `way` leads through a jump host."""

    def __init__(self, host: Host, *, clock: Clock, seconds: float, stopping: Stopping, way: Way | None = None) -> None:
        self._host = host
        self._seconds = seconds
        self._clock = clock
        self._deadline = Deadline(clock, seconds)
        self._stopping = stopping
        self._way = way

    def exchange_keys(self, key_types: Sequence[str]) -> LeanTransport:
        """Return a transport whose server has shown its host key; nothing was told to it yet.

        Raises StepFailed where there is no answer; IncompatiblePeer where it has no such key.
        """
        transport = LeanTransport(self._way(self._deadline) if self._way else self._open_socket())
        transport.ask_for_keys(key_types)
        done = threading.Event()
        try:
            transport.start_client(event=done)
            self._wait(done, transport, doing="key exchange")
        except BaseException:
            hang_up(transport)
            raise
        return transport

    def sign_in(self, transport: Transport, *, user: str, key: PKey) -> None:
        """Authenticate by `key` alone. Raises StepFailed where the host does not let us in."""
        done = threading.Event()
        transport.auth_publickey(user, key, done)
        self._wait(done, transport, doing="sign-in")
        if not transport.is_authenticated():
            raise StepFailed(
                f"{self._host.name}: the host refuses user {user} with the key {key.fingerprint}; "
                f"is it in that user's authorized_keys?",
                permanent=True,
            )

    def _open_socket(self) -> QuickAckSocket:
        try:
            found = socket.getaddrinfo(self._host.address, self._host.port, type=socket.SOCK_STREAM)
            return self._first_that_answers(found)
        except (socket.gaierror, UnicodeError) as exc:
            raise self._no_connection("no such address") from exc
        except TimeoutError as exc:
            raise self._no_connection(f"no answer in {self._seconds:g} s") from exc
        except OSError as exc:
            raise self._no_connection((exc.strerror or str(exc)).lower()) from exc

    def _first_that_answers(self, addresses: Sequence[tuple[int, int, int, str, tuple[object, ...]]]) -> QuickAckSocket:
        """Try one address after the other; the time is for all of them together."""
        problem: OSError = TimeoutError()
        for family, kind, protocol, _, address in addresses:
            if self._deadline.passed:
                break
            sock = QuickAckSocket(family, kind, protocol)
            sock.settimeout(max(self._deadline.remaining_seconds, 0.001))
            try:
                sock.connect(address)
            except OSError as exc:
                sock.close()
                problem = exc
            else:
                sock.begin(self._clock)
                return sock
        raise problem

    def _wait(self, done: threading.Event, transport: Transport, *, doing: str) -> None:
        while not done.wait(POLL_SECONDS):
            if self._stopping.is_set():
                message = f"{self._host.name}: stopped during {doing}"
                raise StepFailed(message, status=StepStatus.INTERRUPTED)
            if self._deadline.passed:
                raise self._no_connection(f"no end of the {doing} in {self._seconds:g} s")
            if not transport.is_active():
                break
        if not transport.is_active():
            self._raise_reason(transport, doing)

    def _raise_reason(self, transport: Transport, doing: str) -> None:
        reason = transport.get_exception()
        if isinstance(reason, IncompatiblePeer):
            raise reason
        if isinstance(reason, SSHException) and str(reason):
            raise self._no_connection(f"{doing}: {str(reason).splitlines()[0]}") from reason
        raise self._no_connection(f"the host hung up during {doing}") from reason

    def _no_connection(self, why: str) -> StepFailed:
        host = self._host
        return StepFailed(f"{host.name}: could not connect to {host.address} port {host.port}: {why}")


def signature_types(pinned: Sequence[HostKey]) -> tuple[str, ...]:
    """Return the algorithms to ask for: those of the pinned keys first, so that a host shows one of them."""
    everything = (*_KEY_TYPES, *_RSA_SIGNATURES)
    types = {key.type for key in pinned}
    first = [name for name in _KEY_TYPES if name in types] + list(_RSA_SIGNATURES if "ssh-rsa" in types else ())
    return (*first, *(name for name in everything if name not in first))


def shown_key(transport: Transport) -> HostKey:
    """Return the key that the host proved to own in the key exchange."""
    key = transport.get_remote_server_key()
    return HostKey(type=key.get_name(), public=key.get_base64())
