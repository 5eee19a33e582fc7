"""What has to be said before TLS begins: STARTTLS of SMTP (RFC 3207), IMAP (RFC 9051, 6.2.1) and POP3 (RFC 2595)."""

from __future__ import annotations

import socket

from opsrunner.expiries.targets import Way

LONGEST_LINE = 4_000
MOST_LINES = 100


class NoTls(ValueError):
    """The server does not begin TLS; the message says why, fit for a person."""


def begin_tls(connection: socket.socket, way: Way) -> None:
    """Ask for TLS in the open, so that the handshake is what comes next. Raises NoTls and OSError.

    Not a byte is read beyond the last answer: what a server sends ahead of the handshake is never taken for its part.
    """
    if way == "smtp":
        _answer(connection, "220")
        _say(connection, "EHLO opsrunner.invalid")
        _answer(connection, "250")
        _say(connection, "STARTTLS")
        _answer(connection, "220")
    elif way == "imap":
        if not _line(connection).upper().startswith(("* OK", "* PREAUTH")):
            raise NoTls("it does not speak IMAP")
        _say(connection, "a1 STARTTLS")
        _tagged(connection)
    elif way == "pop3":
        _positive(connection, "it does not speak POP3")
        _say(connection, "STLS")
        _positive(connection, "it offers no STARTTLS")


def _say(connection: socket.socket, line: str) -> None:
    connection.sendall(f"{line}\r\n".encode("ascii"))


def _answer(connection: socket.socket, code: str) -> None:
    """Read an answer of SMTP, of one line or several."""
    for _ in range(MOST_LINES):
        line = _line(connection)
        if not line.startswith(code):
            raise NoTls("it offers no STARTTLS" if line[:3].isdigit() else "it does not speak SMTP")
        if line[3:4] != "-":
            return
    raise NoTls("it talks without an end")


def _tagged(connection: socket.socket) -> None:
    for _ in range(MOST_LINES):
        line = _line(connection).upper()
        if line.startswith("A1 "):
            if not line.startswith("A1 OK"):
                raise NoTls("it offers no STARTTLS")
            return
    raise NoTls("it talks without an end")


def _positive(connection: socket.socket, wrong: str) -> None:
    if not _line(connection).upper().startswith("+OK"):
        raise NoTls(wrong)


def _line(connection: socket.socket) -> str:
    """Return the next line, read byte by byte."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte or len(line) > LONGEST_LINE:
            raise NoTls("it hangs up before TLS" if not byte else "it talks without an end")
        line += byte
    return line.decode("ascii", errors="replace").rstrip("\r\n")
