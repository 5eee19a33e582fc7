"""The page's server: where it listens, what it says, and how it ends."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from opsrunner.app import App
from opsrunner.errors import StateError
from opsrunner.web.server import WebServer

from ...patience import within


def accepted_from(client: socket.socket) -> socket.socket:
    """Return another handle of the server's end of a connection; the server runs in this process."""
    for path in Path("/proc/self/fd").iterdir():
        if path.is_socket():
            found = socket.socket(fileno=os.dup(int(path.name)))
            with suppress(OSError):  # it listens, or leads nowhere
                if found.getpeername() == client.getsockname():
                    return found
            found.close()
    raise AssertionError("nobody took the connection")


@pytest.fixture(autouse=True)
def _unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsrunner.web.server.LAST_SECONDS", 30)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_page_that_follows_keeps_nobody_from_ending(served: App, port: int, caplog: pytest.LogCaptureFixture) -> None:
    """The end comes at once, and without a word of complaint, while somebody has a page open."""
    server = WebServer(served)
    server.start()
    link = served.sign_in.link(served.site.people["boss"], made_by="boss", at=served.clock.now())
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    own = {"Origin": f"http://127.0.0.1:{port}", "Content-Length": "0"}
    client.request("POST", f"/sign-in/{link}", headers=own)
    answer = client.getresponse()
    cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
    answer.read()
    client.request("GET", "/live", headers={"Cookie": cookie})
    following = client.getresponse()
    assert following.status == 200
    assert following.readline() == b"retry: 2000\n"
    within(5, server.stop, tries=1)  # at once, each time
    assert not [thread for thread in threading.enumerate() if thread.name == "web"]
    client.close()
    assert complaints(caplog) == []


def test_the_end_of_a_short_page_does_not_wait_for_an_acknowledgement(served: App, port: int) -> None:
    """It took 40 ms each time: head and body are two writes, and Nagle's algorithm kept the second back."""
    server = WebServer(served)
    server.start()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(1000)
        with accepted_from(client) as taken:
            assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    server.stop()


def test_what_is_no_http_is_told_in_one_line_of_ours(served: App, port: int, caplog: pytest.LogCaptureFixture) -> None:
    server = WebServer(served)
    server.start()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as stranger:
        stranger.sendall(b"GARBAGE\r\n\r\n")
        assert b"400" in stranger.recv(1000)
    server.stop()
    assert complaints(caplog) == ["the page: Invalid HTTP request received."]


def test_a_port_that_is_taken_is_said_with_what_to_do(served: App, port: int) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(StateError, match=rf"cannot listen at 127.0.0.1:{port}: Address already in use; set web"):
            WebServer(served).start()
