"""smtplib's client, held to limits: how much a server may say, when, and for how long altogether."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from opsrunner.clock import Clock

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MOST_REPLY_BYTES = 64_000
"""Of one reply, all its lines together; RFC 5321, 4.5.3.1.5 asks for 512 a line."""
_PIECE_BYTES = 16_384


class HungUp(smtplib.SMTPServerDisconnected):
    """The connection is closed, by the server or because of it; the message says why, in words for people."""


class Conversation(smtplib.SMTP):
    """One connection to a server. Each wait is at most `timeout_seconds`, all since `allow` what that said.

    Replies are read here and not by smtplib, which takes them however long they are, waits for as long as a
    byte comes now and then, and takes what was said too early for the answer to what is asked next.
    """

    def __init__(self, *, clock: Clock, timeout_seconds: float) -> None:
        super().__init__(timeout=timeout_seconds)
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._ends_at = inf
        self._unread = b""
        self._has_heard = False
        self._tls: ssl.SSLContext | None = None

    def allow(self, seconds: float) -> None:
        """Let all that follows take so many seconds."""
        self._ends_at = self._clock.monotonic() + seconds

    def begin(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        """Connect, with TLS from the first byte where `tls` is given, and read the greeting."""
        self._host, self._tls = host, tls
        try:
            code, reply = self.connect(host, port)
        except HungUp as exc:
            if tls is None and not self._has_heard and isinstance(exc.__cause__, TimeoutError):
                raise HungUp(f"{exc}; a port that speaks TLS at once, such as 465, needs security: tls") from exc
            raise
        if code != 220:
            raise smtplib.SMTPConnectError(code, reply)

    @property
    def peer(self) -> str:
        """The address of the other side."""
        return str(self._open_socket().getpeername()[0])

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Go over to TLS by STARTTLS, and forget what was said before (RFC 3207, 4.2)."""
        code, reply = self.docmd("STARTTLS")
        if code != 220:
            raise smtplib.SMTPResponseException(code, reply)
        self._insist_on_silence()
        self.sock = self._encrypted(self._open_socket(), context)
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def open_mail(self, sender: str, recipient: str, *, size_bytes: int) -> None:
        """Say from whom and to whom the next mail is, in one go where the server takes that (RFC 2920).

        Raises smtplib.SMTPSenderRefused, smtplib.SMTPRecipientsRefused or HungUp; after a refusal nothing is open.
        """
        size = f" size={size_bytes}" if self.has_extn("size") else ""
        words = (f"mail FROM:<{sender}>{size}\r\n", f"rcpt TO:<{recipient}>\r\n")
        together = self.has_extn("pipelining")
        self.send("".join(words) if together else words[0])
        code, reply = self.getreply()
        if code != 250:
            if together:
                self.getreply()
            self._give_up(code)
            raise smtplib.SMTPSenderRefused(code, reply, sender)
        if not together:
            self.send(words[1])
        code, reply = self.getreply()
        if code not in (250, 251):
            self._give_up(code)
            raise smtplib.SMTPRecipientsRefused({recipient: (code, reply)})

    def hand_over(self, content: bytes, *, meanwhile: Callable[[], None]) -> None:
        """Give the text of the open mail, which ends with a line break; call `meanwhile` before the last answer.

        Raises smtplib.SMTPDataError or HungUp.
        """
        self.send(b"data\r\n")
        expected, (code, reply) = 354, self.getreply()
        if code == expected:
            self.send(_with_dots_doubled(content) + b".\r\n")
            meanwhile()
            expected, (code, reply) = 250, self.getreply()
        if code != expected:
            self._give_up(code)
            raise smtplib.SMTPDataError(code, reply)

    def _give_up(self, code: int) -> None:
        """Forget the mail that was open; a server that shuts down is not told so."""
        if code == 421:
            self.close()
            return
        with suppress(smtplib.SMTPServerDisconnected):
            self.rset()

    def send(self, s: ReadableBuffer | str) -> None:
        """Send `s`. Raises HungUp."""
        data = s.encode(self.command_encoding) if isinstance(s, str) else bytes(s)
        self._insist_on_silence()
        try:
            for start in range(0, len(data), _PIECE_BYTES):
                self._hurried().sendall(data[start : start + _PIECE_BYTES])
        except OSError as exc:
            raise self._hung_up(exc) from exc

    def getreply(self) -> tuple[int, bytes]:
        """Return code and text of one reply. Raises HungUp."""
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._line(most_bytes=MOST_REPLY_BYTES - size)
            size += len(line)
            if not (line[:3].isdigit() and b"200" <= line[:3] <= b"599" and line[3:4] in b" -"):
                raise self._broken("what it answers is no SMTP")
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # noqa: ARG002 (smtplib calls it so)
        self._unread = b""
        plain = socket.create_connection((host, port), timeout=self._seconds_left())
        return self._encrypted(plain, self._tls) if self._tls is not None else plain

    def _encrypted(self, plain: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
        try:
            plain.settimeout(self._seconds_left())
            return context.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise

    def _line(self, *, most_bytes: int) -> bytes:
        while b"\n" not in self._unread:
            if len(self._unread) > most_bytes:
                break
            try:
                piece = self._hurried().recv(_PIECE_BYTES)
            except OSError as exc:
                raise self._hung_up(exc) from exc
            if not piece:
                raise self._broken("it hung up")
            self._has_heard = True
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        if len(line) > most_bytes:
            raise self._broken(f"its answer is longer than {MOST_REPLY_BYTES:,} bytes")
        return line

    def _insist_on_silence(self) -> None:
        """Refuse what came unasked: it would be taken for the answer to what is asked next (CVE-2011-0411)."""
        if self._unread:
            raise self._broken("it says more than it was asked, or somebody between does")

    def _hurried(self) -> socket.socket:
        """Return the socket, which waits for no longer than is left."""
        opened, seconds = self._open_socket(), self._seconds_left()
        if opened.gettimeout() != seconds:  # to say it again is a call into the system
            opened.settimeout(seconds)
        return opened

    def _open_socket(self) -> socket.socket:
        if self.sock is None:
            raise HungUp("there is no connection")
        return self.sock

    def _seconds_left(self) -> float:
        left = self._ends_at - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return min(left, self._timeout_seconds)

    def _hung_up(self, error: OSError) -> HungUp:
        if not isinstance(error, TimeoutError):
            return self._broken(f"the connection broke: {error.strerror or type(error).__name__}")
        is_slow = self._clock.monotonic() >= self._ends_at
        return self._broken("it is too slow" if is_slow else f"no answer within {self._timeout_seconds:g} s")

    def _broken(self, words: str) -> HungUp:
        self.close()
        self._unread = b""
        return HungUp(words)


def _with_dots_doubled(content: bytes) -> bytes:
    """Return a text in which no line is a lone dot, which would end it (RFC 5321, 4.5.2)."""
    doubled = content.replace(b"\n.", b"\n..")
    return b"." + doubled if doubled.startswith(b".") else doubled
