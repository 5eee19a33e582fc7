"""The step `http` against servers that are silent, slow or wrong."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.http import run
from opsrunner.steps.http_request import Options

from ...patience import raised, within

Runner = Callable[..., Outcome]
SECRET = "canary-5up3r-s3cret"


class Rude:
    """A server that takes connections and does with them what a test says."""

    def __init__(self, behave: Callable[[socket.socket, threading.Event], None]) -> None:
        self._behave = behave
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection:
            try:
                connection.recv(65536)
                self._behave(connection, self._over)
            except OSError:
                return


@pytest.fixture
def start_rude() -> Iterator[Callable[..., Rude]]:
    """Start servers that misbehave and end with the test."""
    started: list[Rude] = []

    def start(behave: Callable[[socket.socket, threading.Event], None]) -> Rude:
        started.append(Rude(behave))
        return started[-1]

    yield start
    for server in started:
        server.close()


def be_silent(_connection: socket.socket, over: threading.Event) -> None:
    over.wait(20)


def drip_headers(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not over.wait(0.1):
        connection.sendall(b"x")


def drip_body(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not over.wait(0.1):
        connection.sendall(b"x")


def hang_up(_connection: socket.socket, _over: threading.Event) -> None:
    return


def hang_up_halfway(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def talk_nonsense(connection: socket.socket, _over: threading.Event) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


@pytest.mark.parametrize("behave", [be_silent, drip_headers, drip_body])
def test_it_holds_its_time_limit_against_any_server(
    ask: Runner, start_rude: Callable[..., Rude], behave: Callable[..., None]
) -> None:
    before = threading.active_count()
    server = start_rude(behave)
    failed = within(2.5, lambda: raised(StepFailed, lambda: ask(get=server.url, timeout="1s")))
    assert "no full answer within 1 s" in str(failed)
    assert failed.status == "timed_out"
    deadline = time.monotonic() + 20
    while threading.active_count() > before + 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= before + 1  # the server's own


def test_it_holds_the_shorter_of_both_time_limits(ask: Runner, start_rude: Callable[..., Rude]) -> None:
    with pytest.raises(StepFailed, match=r"no full answer within 0\.5 s"):
        ask(get=start_rude(be_silent).url, timeout="30s", _timeout_seconds=0.5)


@pytest.mark.parametrize("behave", [hang_up, hang_up_halfway, talk_nonsense])
def test_it_fails_where_the_answer_is_none(
    ask: Runner, start_rude: Callable[..., Rude], behave: Callable[..., None]
) -> None:
    with pytest.raises(StepFailed) as caught:
        ask(get=start_rude(behave).url)
    assert caught.value.status == "failed"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("behave", [be_silent, hang_up, hang_up_halfway])
def test_it_does_not_know_what_became_of_a_post_without_an_answer(
    ask: Runner, start_rude: Callable[..., Rude], behave: Callable[..., None]
) -> None:
    with pytest.raises(StepFailed, match="the server may have acted on it") as caught:
        ask(post=start_rude(behave).url, body="x", timeout="1s")
    assert (caught.value.status, caught.value.permanent) == ("unknown", True)


def test_it_says_that_nobody_listens(ask: Runner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(StepFailed, match=f"http://127.0.0.1:{port}/: connection refused") as caught:
        ask(post=f"http://127.0.0.1:{port}/", body="x")
    assert caught.value.status == "failed"


def test_it_stops_when_told_to(
    means: Means, make_call: Callable[..., StepCall], start_rude: Callable[..., Rude]
) -> None:
    call = make_call(Options.model_validate({"get": start_rude(be_silent).url}))

    def stop_it() -> StepFailed:
        word = threading.Event()
        threading.Timer(0.3, word.set).start()
        return raised(StepFailed, lambda: run(call, dataclasses.replace(means, stopping=word)))

    assert within(2, stop_it).status == "interrupted"
