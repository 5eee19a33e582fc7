"""A door in front of an S3 server: it hands on what comes, and can be made to misbehave."""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_OF_THE_LINE = frozenset({"connection", "expect", "transfer-encoding", "keep-alive"})


@dataclass(kw_only=True)
class Request:
    """What came in. A rule may change the body before it is handed on."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytearray

    @property
    def part(self) -> str:
        """The number of the part that is sent, '' where this is none."""
        return self.path.partition("partNumber=")[2].partition("&")[0] if self.method == "PUT" else ""


@dataclass(kw_only=True)
class Answer:
    """What goes back."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent_bytes: int | None = None
    """How much of the body really goes, before the line is cut; None for all."""


def says(status: int, code: str) -> Answer:
    """Return an error as S3 tells it."""
    return Answer(status=status, headers={"Content-Type": "application/xml"}, body=_ERROR.format(code).encode())


def times(count: int, which: Callable[[Request], bool]) -> Callable[[Request], bool]:
    """Tell of the first `count` requests that are meant."""
    left = [count]

    def tell(request: Request) -> bool:
        if not left[0] or not which(request):
            return False
        left[0] -= 1
        return True

    return tell


class Cut(Exception):
    """The line is cut without an answer."""


_ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>canary of the store</Message></Error>'
OnRequest = Callable[[Request], Answer | None]
OnAnswer = Callable[[Request, Answer], None]


class Door:
    """Listens on a port of its own. `on_request` may answer by itself or raise Cut; `on_answer` may change one."""

    def __init__(self, target_port: int, *, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.on_request: OnRequest = lambda _request: None
        self.on_answer: OnAnswer = lambda _request, _answer: None
        self._target_port = target_port
        self._server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"door": self}))
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._scheme = "http" if context is None else "https"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def pass_on(self, request: Request) -> Answer:
        """Return what comes of a request: the rules' answer, or the server's."""
        self.requests.append(request)
        answer = self.on_request(request)
        if answer is None:
            answer = self._ask(request)
            self.on_answer(request, answer)
        return answer

    def _ask(self, request: Request) -> Answer:
        line = http.client.HTTPConnection("127.0.0.1", self._target_port, timeout=30)
        try:
            line.request(request.method, request.path, body=bytes(request.body), headers=request.headers)
            said = line.getresponse()
            return Answer(status=said.status, headers=dict(said.getheaders()), body=said.read())
        finally:
            line.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """What a client does to its connection is the test's own matter."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    door: Door

    def handle_any(self) -> None:
        body = bytearray(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_LINE}
        try:
            answer = self.door.pass_on(Request(method=self.command, path=self.path, headers=headers, body=body))
        except Cut:
            self._reset()
        else:
            self._send(answer)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        has_length = any(name.lower() == "content-length" for name in answer.headers)
        for name, value in answer.headers.items():
            if name.lower() not in _OF_THE_LINE:
                self.send_header(name, value)
        if not has_length and answer.status != 204:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: answer.sent_bytes])
        if answer.sent_bytes is not None:
            self.close_connection = True  # without a reset, which would take back what is on its way

    def _reset(self) -> None:
        """Close with a reset, as a router that lost the connection does."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
