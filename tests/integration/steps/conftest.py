"""A call and the means of a step that really does its work."""

from __future__ import annotations

import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from opsrunner.clock import SystemClock
from opsrunner.model.finding import Audited, KnownFinding
from opsrunner.model.outcome import Outcome
from opsrunner.secrets import Vault
from opsrunner.steps import http, run
from opsrunner.steps.base import Catalogue, HostRunner, Means, StepCall
from opsrunner.steps.http_request import Options as HttpOptions

Runner = Callable[..., Outcome]


@pytest.fixture
def means(tmp_path: Path) -> Means:
    """Give the means of a step; of hosts, sources and mail there are none."""
    return Means(
        clock=SystemClock(),
        vault=Vault(tmp_path),
        stopping=threading.Event(),
        hosts={},
        fleet=cast("HostRunner", None),
        sources={},
        read_source=lambda _source, _options: (),
        send=lambda _mails: None,
        copies=cast("Catalogue", None),
        note=lambda _note: None,
    )


@pytest.fixture
def make_call(tmp_path: Path) -> Callable[..., StepCall]:
    """Make the call of a step: `make_call(options, timeout_seconds=2)`."""

    def make(options: Any, **changes: Any) -> StepCall:
        values: dict[str, Any] = {
            "run_id": 7,
            "run_token": uuid.uuid4().hex,
            "routine": "nightly",
            "step": "dump",
            "timeout_seconds": 30,
            "site_root": tmp_path,
            "workdir": tmp_path,
            "output": tmp_path / "output.log",
            "output_limit_bytes": 100_000,
        }
        return StepCall(options=options, **(values | changes))

    return make


@pytest.fixture
def run_command(means: Means, make_call: Callable[..., StepCall]) -> Runner:
    """Run a command with options; what begins with an underscore goes to the call."""

    def go(command: Any, **settings: Any) -> Outcome:
        options = {key: value for key, value in settings.items() if not key.startswith("_")}
        changes = {key[1:]: value for key, value in settings.items() if key.startswith("_")}
        return run.run(make_call(run.Options.model_validate({"run": command, **options}), **changes), means)

    return go


@pytest.fixture
def told() -> list[Audited]:
    """What the ledger was told."""
    return []


@pytest.fixture
def known() -> list[KnownFinding]:
    """What stands from before."""
    return []


class Handler(BaseHTTPRequestHandler):
    """Answers by path; the server remembers what it was asked."""

    protocol_version = "HTTP/1.1"
    server: Web

    def do_GET(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.seen.append((self.command, self.path, dict(self.headers), self.rfile.read(length)))
        status, headers, body = self.server.pages.get(self.path, (404, {}, b"nothing here"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815
    do_POST = do_GET  # noqa: N815
    do_PUT = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Web(ThreadingHTTPServer):
    """A web server with pages that a test sets."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, tuple[int, dict[str, str], bytes]] = {"/ok": (200, {}, b"all is ok")}
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self._scheme = "https" if context else "http"
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def url(self, path: str = "/ok", *, host: str = "127.0.0.1") -> str:
        return f"{self._scheme}://{host}:{self.server_address[1]}{path}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that turn away."""


@pytest.fixture
def start_web() -> Iterator[Callable[..., Web]]:
    """Start web servers that end with the test."""
    started: list[tuple[Web, threading.Thread]] = []

    def start(context: ssl.SSLContext | None = None) -> Web:
        server = Web(context)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        started.append((server, thread))
        return server

    yield start
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def web(start_web: Callable[..., Web]) -> Web:
    return start_web()


@pytest.fixture
def ask(means: Means, make_call: Callable[..., StepCall]) -> Runner:
    """Run an `http` step; what begins with an underscore goes to the call."""

    def go(**settings: Any) -> Outcome:
        options = {key: value for key, value in settings.items() if not key.startswith("_")}
        changes = {key[1:]: value for key, value in settings.items() if key.startswith("_")}
        return http.run(make_call(HttpOptions.model_validate(options), **changes), means)

    return go
