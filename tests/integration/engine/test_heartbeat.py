"""The heartbeat against real servers that answer, refuse, hang and drip."""

from __future__ import annotations

import logging
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.clock import Clock, SystemClock
from opsrunner.engine.heartbeat import Pinger
from opsrunner.model.mail import QueuedMail
from opsrunner.model.site import Heartbeat
from opsrunner.secrets import SecretRef, Vault
from opsrunner.testing import FakeClock

from ...patience import until, within

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)


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
            line = self.rfile.readline()
            if not line:
                return  # it hung up before it had asked
            head += line
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


class Pinging:
    """A pinger whose site may be edited, and a clock that is moved by hand where `clock` is one."""

    def __init__(
        self, url: str | SecretRef | None, root: Path, *, limit_seconds: float = 5, clock: Clock | None = None
    ) -> None:
        self.heartbeat = Heartbeat(url=url) if url is not None else None
        self.pinger = Pinger(
            lambda: self.heartbeat, vault=Vault(root), clock=clock or SystemClock(), limit_seconds=limit_seconds
        )

    def ping(self) -> bool:
        assert self.heartbeat is not None
        return self.pinger.ping(self.heartbeat)


def mail(about: str) -> QueuedMail:
    return QueuedMail(
        id=1,
        message_id="1.x",
        to="boss@example.com",
        subject="1 needs you: a secret of the house",
        text="log text",
        html="",
        about=about,
        created_at=NOW,
        not_before=None,
        attempts=1,
        next_try_at=NOW,
    )


def test_it_gets_through(watcher: Watcher, tmp_path: Path) -> None:
    assert Pinging(watcher.url, tmp_path).ping()
    (request,) = watcher.heard
    assert request.startswith(b"GET /ping/very-secret-word HTTP/1.1\r\n")


def test_it_tells_a_stranger_nothing_but_that_it_lives(
    watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C41, byte for byte: no log text, no name of the house, no version; there is no switch that would add any."""
    for name in ("http_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login boss password hunter22\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    pinging = Pinging(watcher.url, tmp_path)
    pinging.pinger.mail_went(mail("digest daily"))
    pinging.pinger.look(is_healthy=True)
    (request,) = watcher.heard
    head, *headers = request.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    assert head == "GET /ping/very-secret-word HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Accept: */*",
        "Connection: keep-alive",
        f"Host: 127.0.0.1:{watcher.server_address[1]}",
        "User-Agent: opsrunner",
    ]
    assert [field.name for field in fields(Heartbeat)] == ["url"]


def test_it_pings_every_five_minutes_and_only_while_planning_works(watcher: Watcher, tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    pinging = Pinging(watcher.url, tmp_path, clock=clock)
    heard = []
    for seconds, is_healthy in ((0, True), (299, True), (1, False), (100, False), (1, True), (1, True)):
        clock.move(seconds=seconds)
        pinging.pinger.look(is_healthy=is_healthy)
        heard.append(len(watcher.heard))
    assert heard == [1, 1, 1, 1, 2, 2]


def test_it_pings_at_once_after_a_digest_went_and_after_no_other_mail(watcher: Watcher, tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    pinging = Pinging(watcher.url, tmp_path, clock=clock)
    heard = []
    for about in ("", "follow_up", "digest daily", "", "digest weekly"):
        clock.move(seconds=1)
        if about:
            pinging.pinger.mail_went(mail(about))
        pinging.pinger.look(is_healthy=True)
        heard.append(len(watcher.heard))
    assert heard == [1, 1, 2, 2, 3]


def test_it_takes_up_another_address_and_none_at_once(watcher: Watcher, tmp_path: Path) -> None:
    clock = FakeClock(NOW)
    pinging = Pinging(None, tmp_path, clock=clock)
    pinging.pinger.look(is_healthy=True)
    pinging.heartbeat = Heartbeat(url=watcher.url)
    pinging.pinger.look(is_healthy=True)
    pinging.heartbeat = Heartbeat(url=f"{watcher.url}-2")
    pinging.pinger.look(is_healthy=True)
    pinging.heartbeat = None
    clock.move(hours=1)
    pinging.pinger.look(is_healthy=True)
    assert [request.split()[1] for request in watcher.heard] == [b"/ping/very-secret-word", b"/ping/very-secret-word-2"]


def test_it_signs_in_where_the_address_says_so_and_names_neither_name_nor_password(
    watcher: Watcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = watcher.url.replace("//", "//watch:pass-word-9@")
    assert Pinging(url, tmp_path).ping()
    assert b"\r\nAuthorization: Basic " in watcher.heard[0]
    for status in (
        b"500 very-secret-word pass-word-9",
        b"302 Found\r\nLocation: http://127.0.0.1:1/",
        b"x",
        b"200 \x00",
    ):
        watcher.status = status
        assert not Pinging(url, tmp_path).ping()
    assert not Pinging("http://watch:pass-word-9@127.0.0.1:99999/very-secret-word", tmp_path).ping()
    assert len(watcher.heard) == 5
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpcore2")]
    assert len(ours) == 5
    assert "pass-word-9" not in str(ours)
    assert "very-secret-word" not in str(ours)


def test_it_takes_the_url_from_a_secret(watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTBEAT_URL", watcher.url)
    assert Pinging(SecretRef(env="HEARTBEAT_URL"), tmp_path).ping()


def test_it_is_harmless_when_the_secret_is_missing(tmp_path: Path) -> None:
    assert not Pinging(SecretRef(env="NOT_SET_ANYWHERE"), tmp_path).ping()


@pytest.mark.parametrize("status", [b"404 Not Found", b"500 Broken", b"302 Found\r\nLocation: /elsewhere"])
def test_it_does_not_take_every_answer_for_a_success(status: bytes, watcher: Watcher, tmp_path: Path) -> None:
    watcher.status = status
    assert not Pinging(watcher.url, tmp_path).ping()
    assert len(watcher.heard) == 1


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "not a url", "ftp://127.0.0.1/", "http://[::1", "http://127.0.0.1:99999/"]
)
def test_it_is_harmless_when_nobody_can_be_reached(url: str, tmp_path: Path) -> None:
    assert not Pinging(url, tmp_path).ping()


def test_it_ends_within_its_limit_though_the_answer_drips(watcher: Watcher, tmp_path: Path) -> None:
    watcher.drip_seconds = 0.5
    pinger = Pinging(watcher.url, tmp_path, limit_seconds=1)
    assert not within(3, pinger.ping)


def test_no_second_ping_is_stacked_upon_one_that_hangs(
    watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking up a name is what nobody can hurry: its thread lives on when the ping's time is up."""
    asked, held, plain = list[str](), threading.Event(), socket.getaddrinfo

    def hanging(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        held.wait(20)
        return plain("127.0.0.1", *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    pinger = Pinging(watcher.url.replace("127.0.0.1", "watcher.example.com"), tmp_path, limit_seconds=0.3)
    assert not pinger.ping()
    until(lambda: asked)
    assert not pinger.ping()
    assert len(asked) == 1
    held.set()
    for _ in range(500):
        if pinger.ping():
            return
        time.sleep(0.01)
    raise AssertionError("it does not ping again")


def test_it_ends_within_its_limit_though_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert not within(1.5, Pinging(url, tmp_path, limit_seconds=0.2).ping)


def test_it_logs_once_when_it_fails_and_once_when_it_is_back_and_never_the_url(
    watcher: Watcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    pinger = Pinging(watcher.url, tmp_path)
    for status in (b"500 Broken", b"500 Broken", b"500 Broken", b"200 OK", b"200 OK"):
        watcher.status = status
        pinger.ping()
    ours = [record.getMessage() for record in caplog.records if record.name == "opsrunner.engine.heartbeat"]
    assert ours == [
        "the heartbeat does not get through (said once): 127.0.0.1: it answered 500",
        "the heartbeat gets through again",
    ]
    assert "very-secret-word" not in caplog.text
