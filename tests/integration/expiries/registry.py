"""A registry's RDAP server on loopback, which can be busy, wrong, slow or hostile."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler, str], None]


def domain(name: str, ends: str | None, **more: Any) -> dict[str, Any]:
    events = [{"eventAction": "expiration", "eventDate": ends}] if ends else []
    return {"objectClassName": "domain", "ldhName": name, "status": ["active"], "events": events, **more}


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    with suppress(OSError):
        handler.wfile.write(body)


@dataclass
class Registry:
    """Knows `domains` by name (None: it tells no date), and does what `behave` says before it answers plainly."""

    domains: dict[str, str | None] = field(default_factory=dict)
    behave: Answer | None = None
    asked: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self.over = threading.Event()
        self._now, self._lock = 0, threading.Lock()
        registry = self

        class Handler(BaseHTTPRequestHandler):
            wbufsize = -1  # an answer leaves when it counts no more: who has it may ask again at once

            def do_GET(self) -> None:
                registry._count(1)
                try:
                    registry._answer(self)
                finally:
                    registry._count(-1)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def wrap(self, tls: ssl.SSLContext) -> None:
        """Speak TLS from now on."""
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _count(self, change: int) -> None:
        with self._lock:
            self._now += change
            self.most_at_once = max(self.most_at_once, self._now)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        name = handler.path.rpartition("/")[2]
        self.asked.append(name)
        self.accepted.append(str(handler.headers["Accept"]))
        if self.behave is not None:
            self.behave(handler, name)
            return
        self.answer(handler, name)

    def answer(self, handler: BaseHTTPRequestHandler, name: str) -> None:
        """Answer as a registry does."""
        if name not in self.domains:
            send(handler, 404, json.dumps({"errorCode": 404}).encode())
            return
        body = json.dumps(domain(name, self.domains[name], **self.more)).encode()
        send(handler, 200, body, Content_Type="application/rdap+json")
