"""One conversation with an IMAP server: encrypted or not at all, read-only, bounded in time and in bytes.

imaplib waits for as long as a byte comes now and then and takes what it is sent: the conversation has a thread of its
own, its connection is cut when the time is over, and it reads so much and no more.
"""

from __future__ import annotations

import imaplib
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from imap_tools import BaseMailBox
from imap_tools.errors import ImapToolsError, MailboxFolderSelectError

from opsrunner.clock import Clock
from opsrunner.errors import SecretUnavailable, StepFailed
from opsrunner.exchange import Stopping
from opsrunner.mail.headers import clean_line
from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef, Vault
from opsrunner.tls import client_context, refusal

LOOK_SECONDS = 0.2
MOST_BYTES = 200_000_000
"""That one conversation reads."""
MOST_LINE_BYTES = 20_000_000
_BYTES_A_LINE = 200
"""What a line costs us beside its own bytes: a million short ones are no less than a long one."""
_NOTHING_SENT = "nothing was sent, no password either"
_MOST_FOLDERS_NAMED = 12
_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class ImapServer:
    """How to reach a mailbox. `security` none is for loopback only."""

    host: str
    port: int
    security: str
    username: str
    password: SecretRef | None = None
    token: SecretRef | None = None
    """Signs in instead of a password, by XOAUTH2."""
    verify: bool = True
    wait_seconds: float = 30.0
    """For any one answer."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{self.host}:{self.port}"


class Mailbox(BaseMailBox):
    """An open mailbox, signed in; folders are opened by EXAMINE, and nothing is marked as read."""

    def __init__(self, client: _Client) -> None:
        self._made = client
        super().__init__()

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return self._made

    def examine(self, folder: str) -> str:
        """Open a folder for reading only and return its UIDVALIDITY. Raises StepFailed with the folders there are."""
        try:
            self.folder.set(folder, readonly=True)
        except MailboxFolderSelectError as exc:
            raise StepFailed(f"there is no folder '{folder}'{self._folders()}", permanent=True) from exc
        answer = self.client.response("UIDVALIDITY")[1]
        return answer[0].decode("ascii", "replace") if answer and answer[0] else ""

    def _folders(self) -> str:
        with suppress(ImapToolsError, imaplib.IMAP4.error, ValueError):
            names = [found.name for found in self.folder.list()]
            more = " …" if len(names) > _MOST_FOLDERS_NAMED else ""
            return f"; there are: {clean_line(', '.join(names[:_MOST_FOLDERS_NAMED]))}{more}"
        return ""


class Session(Generic[_Found]):
    """Does `work` on a mailbox, in a thread of its own."""

    def __init__(self, server: ImapServer, work: Callable[[Mailbox], _Found], *, vault: Vault, clock: Clock) -> None:
        self._server, self._work, self._vault, self._clock = server, work, vault, clock
        self._over = threading.Event()
        self._line = _Line()
        self._found: list[_Found] = []
        self._failure: StepFailed | None = None
        self._is_signed_in = False

    def run(self, *, timeout_seconds: float, stopping: Stopping | None = None) -> _Found:
        """Return what `work` gives. Raises StepFailed, also when the time is over and when told to stop."""
        deadline = self._clock.monotonic() + timeout_seconds
        threading.Thread(target=self._run, daemon=True, name="imap").start()
        while not self._over.wait(LOOK_SECONDS):
            if stopping is not None and stopping.is_set():
                self._line.cut()
                raise StepFailed("stopped before its end", status="interrupted", permanent=True)
            if self._clock.monotonic() >= deadline:
                self._line.cut()
                raise StepFailed(f"{self._server.name}: no end after {timeout_seconds:g} s", status="timed_out")
        if self._failure is not None:
            raise self._failure
        return self._found[0]

    def _run(self) -> None:
        try:
            self._found.append(self._converse())
        except StepFailed as exc:
            self._failure = exc
        except SecretUnavailable as exc:
            self._failure = self._failed(exc.message)
        except ssl.SSLError as exc:
            self._failure = self._failed(refusal(exc) if self._is_signed_in else f"{refusal(exc)}: {_NOTHING_SENT}")
        except UnicodeError:
            self._failure = self._failed("what it answers is no IMAP")
        except (imaplib.IMAP4.error, ImapToolsError, OSError, ValueError, EOFError) as exc:
            self._failure = self._failed(self._reason(exc))
        except Exception as exc:  # noqa: BLE001  what a server says may break imaplib anywhere; nobody else would hear
            self._failure = self._failed(f"what it answers is no IMAP ({type(exc).__name__})")
        finally:
            self._line.cut()
            self._over.set()

    def _converse(self) -> _Found:
        client = self._connected()
        try:
            self._prepare(client)
            found = self._work(Mailbox(client))
            with suppress(OSError):
                client.send(b"BYE LOGOUT\r\n")  # nobody waits for what it says to that
            return found
        finally:
            with suppress(OSError):
                client.shutdown()

    def _connected(self) -> _Client:
        server = self._server
        at_once = client_context(verify=server.verify) if server.security == "tls" else None
        return _Client(server, line=self._line, tls=at_once)

    def _prepare(self, client: _Client) -> None:
        """Encrypt what is to be encrypted, and sign in."""
        if self._server.security == "starttls":
            if "STARTTLS" not in client.capabilities:
                raise self._failed(f"offers no STARTTLS: {_NOTHING_SENT}")
            if client.state != "NONAUTH":
                raise self._failed(f"takes us as signed in before encryption: {_NOTHING_SENT}")
            self._encrypt(client)
        self._sign_in(client)

    def _encrypt(self, client: _Client) -> None:
        try:
            client.starttls(client_context(verify=self._server.verify))
        except imaplib.IMAP4.error as exc:
            raise self._failed(f"refuses STARTTLS: {_NOTHING_SENT}") from exc

    def _sign_in(self, client: _Client) -> None:
        server = self._server
        if server.security != "none" and not isinstance(client.sock, ssl.SSLSocket):
            raise self._failed(f"is not encrypted: {_NOTHING_SENT}")
        secret = server.token or server.password
        word = self._vault.resolve(secret) if secret is not None else ""
        if any(sign in f"{server.username}{word}" for sign in "\r\n\0"):
            raise self._failed("the user name or password has a line break or NUL in it")
        box, self._is_signed_in = Mailbox(client), True
        try:
            if server.token is not None:
                box.xoauth2(server.username, word, initial_folder=None)
            elif f"{server.username}{word}".isascii():
                box.login(server.username, word, initial_folder=None)
            else:
                box.login_utf8(server.username, word, initial_folder=None)
        except (imaplib.IMAP4.error, ImapToolsError) as exc:
            if isinstance(exc, imaplib.IMAP4.abort):
                raise
            raise self._failed(f"the sign-in was refused: {self._reason(exc)}") from exc

    def _failed(self, reason: str) -> StepFailed:
        return StepFailed(f"{self._server.name}: {reason}")

    def _reason(self, exc: Exception) -> str:
        if isinstance(exc, TimeoutError):
            return f"no answer within {self._server.wait_seconds:g} s"
        if isinstance(exc, ConnectionRefusedError):
            return "connection refused"
        if isinstance(exc, socket.gaierror):
            return "the host's name is not known"
        if isinstance(exc, ImapToolsError):
            return self._shown(_answer_of(exc))
        return self._shown(getattr(exc, "strerror", None) or _words_of(exc))

    def _shown(self, text: str) -> str:
        return clean_line(self._vault.mask(text), length=300) or "it hung up"


class _Line:
    """The connection below, which any thread may cut."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._is_cut = False

    def put(self, opened: socket.socket) -> None:
        """Take note of a connection: TLS goes over it later, but this end of it stays the same."""
        with self._lock:
            self._socket = socket.socket(fileno=os.dup(opened.fileno()))
        if self._is_cut:
            self.cut()

    def cut(self) -> None:
        """End the connection, in the middle of whatever."""
        self._is_cut = True
        with self._lock:
            if self._socket is not None:
                with self._socket, suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
            self._socket = None


class _Client(imaplib.IMAP4):
    """imaplib's client, which reads MOST_BYTES and no more."""

    def __init__(self, server: ImapServer, *, line: _Line, tls: ssl.SSLContext | None) -> None:
        self._server, self._line, self._tls = server, line, tls
        self._bytes_left = MOST_BYTES
        super().__init__(server.host, server.port, server.wait_seconds)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        opened = socket.create_connection((self._server.host, self._server.port), timeout)
        try:
            self._line.put(opened)
            self._insist_on_loopback(str(opened.getpeername()[0]))
            return self._tls.wrap_socket(opened, server_hostname=self._server.host) if self._tls else opened
        except BaseException:
            opened.close()
            raise

    def _insist_on_loopback(self, peer: str) -> None:
        if self._server.security == "none" and not is_loopback(peer):
            where = f"{self._server.name} is not on this machine"
            message = f"{where}: security 'none' is for loopback only, nothing was sent"
            raise StepFailed(message, permanent=True)

    def read(self, size: int) -> bytes:
        """Read a literal of `size` bytes."""
        self._take(size)
        return super().read(size)

    def readline(self) -> bytes:
        """Read a line."""
        line = super().readline()
        self._take(len(line) + _BYTES_A_LINE)
        return line

    def _take(self, count: int) -> None:
        self._bytes_left -= count
        if self._bytes_left < 0 or count > MOST_LINE_BYTES:
            most = MOST_LINE_BYTES if count > MOST_LINE_BYTES else MOST_BYTES
            raise StepFailed(f"{self._server.name}: sends more than {most // 1_000_000} MB at once", permanent=True)


def is_loopback(address: str) -> bool:
    """Tell whether an IP address is one of this machine."""
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def _answer_of(exc: ImapToolsError) -> str:
    result = getattr(exc, "command_result", None)
    words = result[1] if isinstance(result, tuple) and len(result) > 1 else []
    said = words[-1] if isinstance(words, list) and words else b""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _words_of(exc: Exception) -> str:
    """Return what an error of imaplib says, without the marks of a Python value around it."""
    said = exc.args[0] if exc.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
