"""One HTTP request and its answer, within a time that holds whatever the other side does.

Nothing of the environment goes along: no proxy, no `~/.netrc`, no version of ours or of a library. Redirects
are answers like any other; who asked decides.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol

from opsrunner.clock import Clock
from opsrunner.errors import NoAnswer
from opsrunner.records import dataclass
from opsrunner.tls import client_context, refusal

if TYPE_CHECKING:
    import httpx2

LOOK_SECONDS = 0.2
HEADERS = {"User-Agent": "opsrunner", "Accept-Encoding": "identity"}
_PIECE_BYTES = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS
_MAGIC = b"\x1f\x8b"
_RESET = struct.pack("ii", 1, 0)


class Stopping(Protocol):
    """Told when the exchange should end early."""

    def is_set(self) -> bool:
        """Tell whether to stop now."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request. Of the answer's body `most_bytes` are read."""

    url: str
    method: str = "get"
    headers: Mapping[str, str] = field(default_factory=dict)
    content: str = ""
    json: Any = None
    verify: bool = True
    """Whether the server's certificate must be valid."""
    public_only: bool = False
    """Whether a server in a network of our own is left alone: an address that somebody else chose leads anywhere."""
    most_bytes: int


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back. `body` is cut at `most_bytes`, which `truncated` tells; texts are as the server wrote them."""

    status: int
    phrase: str
    location: str
    charset: str
    body: bytes
    truncated: bool
    certificate: bytes | None
    """The server's certificate in DER form, where the connection was TLS."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By their names in small letters."""
    peer: str = ""
    """The address of the server, as the network has it."""


class Exchange:
    """Sends one request from a thread of its own.

    Time-outs of sockets are for each read, and look-ups have none: a server that sends a byte a second
    would never meet them.
    """

    def __init__(self, ask: Ask, *, clock: Clock, tls: ssl.SSLContext | None = None) -> None:
        """`tls` goes before `ask.verify`: one context for many exchanges, since each takes 10 ms to make."""
        self._ask = ask
        self._clock = clock
        self._tls = tls
        self._peer = ""
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._aborted = False
        self._sent = False
        self._reply: Reply | None = None
        self._failure: NoAnswer | None = None

    def run(self, *, timeout_seconds: float, stopping: Stopping | None = None) -> Reply:
        """Return the answer. Raises NoAnswer, also when the time is up and when told to stop."""
        deadline = self._clock.monotonic() + timeout_seconds
        threading.Thread(target=self._work, args=(timeout_seconds,), daemon=True, name="http").start()
        while not self._over.wait(max(0.0, min(LOOK_SECONDS, deadline - self._clock.monotonic()))):
            if stopping is not None and stopping.is_set():
                raise self._aborted_for("stopped")
            if self._clock.monotonic() >= deadline:
                raise self._aborted_for("timed_out")
        if self._failure is not None:
            raise self._failure
        if self._reply is None:
            raise self._failed("the exchange ended without an answer")
        return self._reply

    @property
    def is_over(self) -> bool:
        """Tell whether the request's thread has ended: one that looks up a name cannot be hurried."""
        return self._over.is_set()

    def _work(self, timeout_seconds: float) -> None:
        import httpx2  # noqa: PLC0415 - heavy, and few processes ask the web anything

        logging.getLogger("httpx2").setLevel(logging.WARNING)  # at INFO it writes whole URLs into the log
        timeout = httpx2.Timeout(timeout_seconds)
        try:
            context = self._tls or client_context(verify=self._ask.verify)
            with httpx2.Client(verify=context, trust_env=False, timeout=timeout) as client:
                self._reply = self._send(client)
        except NoAnswer as exc:
            self._failure = exc
        except httpx2.TimeoutException:
            self._failure = NoAnswer(kind="timed_out", was_sent=self._sent)
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, ValueError) as exc:
            self._failure = NoAnswer(f"the request cannot be sent: {exc}", kind="unsendable")
        except httpx2.RemoteProtocolError as exc:
            self._failure = self._failed("what comes back is no whole HTTP answer")
            self._failure.__cause__ = exc
        except (httpx2.HTTPError, OSError) as exc:
            self._failure = self._failed(_reason(exc))
        finally:
            self._close()
            self._over.set()

    def _send(self, client: httpx2.Client) -> Reply:
        with client.stream(
            self._ask.method.upper(),
            self._ask.url,
            headers={**HEADERS, **self._ask.headers},
            content=self._ask.content or None,
            json=self._ask.json,
            extensions={"trace": self._trace},
        ) as response:
            tls = response.extensions["network_stream"].get_extra_info("ssl_object")
            body, truncated = self._body(response)
            return Reply(
                status=response.status_code,
                phrase=response.reason_phrase,
                location=response.headers.get("location", ""),
                charset=response.charset_encoding or "utf-8",
                body=body,
                truncated=truncated,
                certificate=tls.getpeercert(True) if tls is not None else None,
                headers={name.lower(): value for name, value in response.headers.items()},
                peer=self._peer,
            )

    def _body(self, response: httpx2.Response) -> tuple[bytes, bool]:
        body = bytearray()
        for piece in _decoded(response.iter_raw(), response.headers.get("content-encoding", "")):
            body += piece
            if len(body) > self._ask.most_bytes or self._aborted:
                return bytes(body[: self._ask.most_bytes]), True
        return bytes(body), False

    def _trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Note what the HTTP library tells: the connections that it opens, and that a request leaves."""
        if event == "connection.connect_tcp.complete":
            opened: socket.socket = details["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets.append(opened.dup())  # TLS takes the first one over
            self._peer = str(opened.getpeername()[0])
            if self._ask.public_only and not is_public(self._peer):
                details["return_value"].close()
                raise NoAnswer(f"it leads into a network of our own, to {self._peer}", kind="unsendable")
            if self._aborted:
                self._hang_up()
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._guard(details["return_value"])
        if event.endswith("send_request_headers.started"):
            self._sent = True

    def _guard(self, stream: Any) -> None:
        """End the reading of a stream with the exchange: the library reads on while 103 comes after 103."""
        plain_read = stream.read

        def read(*arguments: Any, **options: Any) -> bytes:
            if self._aborted:
                raise ConnectionAbortedError
            data: bytes = plain_read(*arguments, **options)
            return data

        stream.read = read

    def _aborted_for(self, kind: str) -> NoAnswer:
        self._aborted = True
        self._hang_up()
        return NoAnswer(kind=kind, was_sent=self._sent)

    def _hang_up(self) -> None:
        with self._lock:
            for opened in self._sockets:
                with suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)

    def _close(self) -> None:
        """Let the connections go; one that was left in the middle by a reset.

        A sender whose window is full would learn of a mere end only when it probes again, minutes later.
        """
        is_whole = self._reply is not None and not self._reply.truncated
        with self._lock:
            while self._sockets:
                with self._sockets.pop() as opened, suppress(OSError):
                    if not is_whole:
                        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _failed(self, reason: str) -> NoAnswer:
        return NoAnswer(reason, was_sent=self._sent)


def rest_asked_for(reply: Reply, *, now: datetime) -> timedelta | None:
    """Return how long a server asks to be left alone (RFC 9110, 10.2.3: seconds, or a date); None where it does not."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 9:
        return timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
        return max(until - now, timedelta(0)) if until.tzinfo else None
    except (ValueError, TypeError, OverflowError):
        return None


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the Internet: neither this machine nor a private network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_global


def _decoded(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield a body piece by piece, also of a server that compresses unasked; never much at a time.

    It may be compressed in several parts, one behind the other (RFC 1952, 2.2). What stands behind them is not read.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from pieces
        return
    if name not in ("gzip", "x-gzip"):
        raise NoAnswer("the answer is compressed in a way that was not asked for", was_sent=True)
    unpacked = zlib.decompressobj(_GZIP)
    is_begun = False  # the answer to HEAD has no body at all
    try:
        for piece in pieces:
            left, is_begun = piece, True
            while left:
                if unpacked.eof and not _MAGIC.startswith(left[: len(_MAGIC)]):
                    return  # it unpacks to nothing, so that no bound of ours would ever be met
                if unpacked.eof:
                    unpacked = zlib.decompressobj(_GZIP)
                yield unpacked.decompress(left, _PIECE_BYTES)
                left = unpacked.unused_data if unpacked.eof else unpacked.unconsumed_tail
    except zlib.error as exc:
        raise NoAnswer("the answer is not compressed as it says", was_sent=True) from exc
    if is_begun and not unpacked.eof:
        raise NoAnswer("the answer ends in the middle", was_sent=True)


def _reason(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return refusal(cause)
        if isinstance(cause, socket.gaierror):
            return "the host's name is not known"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return str(error).rstrip(".").lower() or type(error).__name__
