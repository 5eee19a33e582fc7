"""The heartbeat against real servers that answer, refuse, hang and drip."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from opsrunner.engine.heartbeat import Pinger
from opsrunner.model.site import Heartbeat
from opsrunner.secrets import SecretRef, Vault


class Watcher(socketserver.ThreadingTCPServer):
    """Answers pings as it is told and keeps what it heard."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.status = b"200 OK"
        self.drip_seconds = 0.0
        self.heard: list[bytes] = []
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/ping/very-secret-word"


class Answer(socketserver.StreamRequestHandler):
    """One answer, a byte at a time where the watcher drips."""

    def handle(self) -> None:
        assert isinstance(self.server, Watcher)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.rfile.readline()
        self.server.heard.append(head)
        answer = b"HTTP/1.1 " + self.server.status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"
        with suppress(OSError):
            for byte in answer:
                self.wfile.write(bytes([byte]))
                if self.server.drip_seconds and self.server.stopping.wait(self.server.drip_seconds):
                    return


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    with Watcher() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()


def pinger_of(url: str | SecretRef, root: Path, *, limit_seconds: float = 5) -> Pinger:
    return Pinger(Heartbeat(url=url), vault=Vault(root), limit_seconds=limit_seconds)


def test_it_gets_through(watcher: Watcher, tmp_path: Path) -> None:
    assert pinger_of(watcher.url, tmp_path).ping()
    (request,) = watcher.heard
    assert request.startswith(b"GET /ping/very-secret-word HTTP/1.1\r\n")


def test_it_takes_the_url_from_a_secret(watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTBEAT_URL", watcher.url)
    assert pinger_of(SecretRef(env="HEARTBEAT_URL"), tmp_path).ping()


def test_it_is_harmless_when_the_secret_is_missing(tmp_path: Path) -> None:
    assert not pinger_of(SecretRef(env="NOT_SET_ANYWHERE"), tmp_path).ping()


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 Broken", b"302 Found\r\nLocation: /elsewhere"])
def test_it_does_not_take_every_answer_for_a_success(status: bytes, watcher: Watcher, tmp_path: Path) -> None:
    watcher.status = status
    assert not pinger_of(watcher.url, tmp_path).ping()
    assert len(watcher.heard) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "not a url", "ftp://127.0.0.1/", "http://[::1", "http://127.0.0.1:99999/"]
)
def test_it_is_harmless_when_nobody_can_be_reached(url: str, tmp_path: Path) -> None:
    assert not pinger_of(url, tmp_path).ping()


def test_it_ends_within_its_limit_though_the_answer_drips(watcher: Watcher, tmp_path: Path) -> None:
    watcher.drip_seconds = 0.05
    pinger = pinger_of(watcher.url, tmp_path, limit_seconds=0.2)
    started = time.monotonic()
    assert not pinger.ping()
    assert time.monotonic() - started < 1.5
    assert not pinger.ping()
    assert len(watcher.heard) == 1  # no second one is stacked upon the one that hangs


def test_it_ends_within_its_limit_though_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert not pinger_of(url, tmp_path, limit_seconds=0.2).ping()
        assert time.monotonic() - started < 1.5


def test_it_logs_once_when_it_fails_and_once_when_it_is_back_and_never_the_url(
    watcher: Watcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pinger = pinger_of(watcher.url, tmp_path)
    for status in (b"500 Broken", b"500 Broken", b"500 Broken", b"200 OK", b"200 OK"):
        watcher.status = status
        pinger.ping()
    ours = [record.getMessage() for record in caplog.records if record.name == "opsrunner.engine.heartbeat"]
    assert ours == [
        "the heartbeat does not get through (said once): 127.0.0.1: it answered 500",
        "the heartbeat gets through again",
    ]
    assert "very-secret-word" not in caplog.text
