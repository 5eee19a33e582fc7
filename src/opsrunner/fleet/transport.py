"""Paramiko's transport, made to cost little; all that leans on its inner parts stands here."""

from __future__ import annotations

import select
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from logging import Logger
from typing import Any, cast

from paramiko import Channel, Message, Transport
from paramiko.common import MSG_CHANNEL_REQUEST, cMSG_CHANNEL_REQUEST, cMSG_GLOBAL_REQUEST
from paramiko.packet import Packetizer

from opsrunner.fleet.sockets import Link, QuickAckSocket, Tunnel

SIGNALS = {
    name: int(signal.Signals[f"SIG{name}"])
    for name in ("ABRT", "ALRM", "FPE", "HUP", "ILL", "INT", "KILL", "PIPE", "QUIT", "SEGV", "TERM", "USR1", "USR2")
}
"""The signals that have a name in the protocol (RFC 4254, 6.10)."""


def _take_request(channel: Channel, request: Message) -> None:
    """Take what the host says of a command: one that a signal ended has the exit code that shells give it."""
    begin = request.packet.tell()
    kind, _ = request.get_text(), request.get_boolean()
    number = SIGNALS.get(request.get_text()) if kind == "exit-signal" else None
    if number is not None:
        channel.exit_status = 128 + number
        channel.status_event.set()
        return
    request.packet.seek(begin)
    channel._handle_request(request)  # type: ignore[attr-defined]


class _Packetizer(Packetizer):
    """Starts no timer thread a connection, as `Phases` has a clock of its own, and makes no log."""

    def start_handshake(self, timeout: float) -> None:
        """Do nothing."""

    def set_log(self, log: Logger) -> None:
        """Do nothing."""


class LeanTransport(Transport):
    """One connection. It makes no log, and its reader sleeps until something comes: `hang_up` wakes it."""

    _active_check_timeout = 5.0
    _preferred_kex = (
        "curve25519-sha256@libssh.org",
        "mlkem768x25519-sha256",
        "ecdh-sha2-nistp256",
        "diffie-hellman-group16-sha512",
    )
    _preferred_ciphers = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
    _preferred_macs = (
        "hmac-sha2-256-etm@openssh.com",
        "hmac-sha2-512-etm@openssh.com",
        "hmac-sha2-256",
        "hmac-sha2-512",
    )

    _channel_handler_table = {**Transport._channel_handler_table, MSG_CHANNEL_REQUEST: _take_request}  # type: ignore[attr-defined]  # noqa: RUF012

    def __init__(self, link: QuickAckSocket | Tunnel) -> None:
        super().__init__(cast("socket.socket", link), strict_kex=True, packetizer_class=_Packetizer)
        self._kept_back: list[Message] = []

    @property
    def link(self) -> Link:
        """What it runs on."""
        return cast("Link", self.sock)

    def ask_for_keys(self, key_types: Sequence[str]) -> None:
        """Set which host keys it may show, the first first."""
        self._preferred_keys = tuple(key_types)

    def _send_user_message(self, message: Message) -> None:
        """Send it when no keys are being exchanged (RFC 4253, 7.1).

        The reader is the one who ends that, so it must not wait for it: what it has to say meanwhile, such as that a
        channel is closed, goes out then.
        """
        if threading.current_thread() is self and not self.clear_to_send.is_set():
            self._kept_back.append(message)
        else:
            super()._send_user_message(message)  # type: ignore[misc]

    def _parse_newkeys(self, message: Message) -> None:
        super()._parse_newkeys(message)  # type: ignore[misc]
        kept_back, self._kept_back = self._kept_back, []
        for each in kept_back:
            self._send_user_message(each)

    def _parse_debug(self, _: Message) -> None:
        """Let go what the server says for its own log."""

    def _log(self, level: int, msg: object, *args: object) -> None:
        """Format nothing: every error is mapped to one line by us."""

    def exec_at_once(self, channel: Channel, command: str) -> None:
        """Ask for `command` on an open channel without waiting for the answer, which is a round trip.

        A host that refuses closes the channel. Raises SSHException, EOFError or OSError where it cannot be asked.
        """
        request = Message()
        request.add_byte(cMSG_CHANNEL_REQUEST)
        request.add_int(channel.remote_chanid)
        request.add_string("exec")
        request.add_boolean(True)
        request.add_string(command)
        self._send_user_message(request)

    def ask_for_life(self) -> None:
        """Ask the host for an answer, of any kind, and do not wait for it (RFC 4254, 4).

        It asks nothing where keys are exchanged anew, or where what was sent before still waits to go out.
        """
        if not self.clear_to_send.is_set() or not _is_writable(self.sock):
            return
        request = Message()
        request.add_byte(cMSG_GLOBAL_REQUEST)
        request.add_string("keepalive@openssh.com")
        request.add_boolean(True)
        self._send_message(request)  # type: ignore[attr-defined]


def hang_up(transport: Transport) -> None:
    """Close the connection at once; shutting the socket first wakes its reader."""
    with suppress(OSError):
        transport.sock.shutdown(socket.SHUT_RDWR)
    transport.close()
    with suppress(OSError):
        transport.sock.close()  # a transport that ended by itself leaves its way open


def _is_writable(link: Any) -> bool:
    """Tell whether a few bytes can be sent without waiting."""
    if isinstance(link, Tunnel):
        return link.channel.send_ready() and _is_writable(link.channel.get_transport().sock)
    descriptor = link.fileno()
    if descriptor < 0:  # closed since we looked
        return False
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))
