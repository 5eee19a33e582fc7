"""One HTTP request against servers that are endless, wrong or hostile."""

from __future__ import annotations

import gzip
import resource
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx2  # noqa: F401 (so that no test pays for its first import out of its second)
import pytest

from opsrunner.clock import Clock, SystemClock
from opsrunner.errors import NoAnswer
from opsrunner.exchange import Ask, Exchange, Reply

from ..patience import raised, within

Behave = Callable[[socket.socket, threading.Event], None]
OK = b"HTTP/1.1 200 OK\r\n"
LIMIT = 100_000


class Rude:
    """Takes one connection, reads the request and does with it what a test says."""

    def __init__(self, behave: Behave) -> None:
        self._behave = behave
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.was_left = threading.Event()
        self.heard = b""

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            with connection:
                try:
                    self.heard = connection.recv(65536)
                    self._behave(connection, self._over)
                except OSError:
                    self.was_left.set()


@pytest.fixture
def rude() -> Iterator[Callable[[Behave], Rude]]:
    started: list[Rude] = []

    def start(behave: Behave) -> Rude:
        started.append(Rude(behave))
        return started[-1]

    yield start
    for server in started:
        server.close()


def ask(url: str, *, timeout_seconds: float = 20, method: str = "get", clock: Clock | None = None) -> Reply:
    return Exchange(Ask(url=url, method=method, most_bytes=LIMIT), clock=clock or SystemClock()).run(
        timeout_seconds=timeout_seconds
    )


def say(*pieces: bytes) -> Behave:
    def behave(connection: socket.socket, over: threading.Event) -> None:
        for piece in pieces:
            connection.sendall(piece)

    return behave


def pour(head: bytes, piece: bytes) -> Behave:
    """Say `head`, then `piece` without an end, as fast as it is read."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.is_set():
            connection.sendall(piece)

    return behave


def drip(head: bytes, piece: bytes) -> Behave:
    """Say `head`, then `piece` again and again, slowly."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.wait(0.03):
            connection.sendall(piece)

    return behave


ENDLESS_HEADS = [
    pytest.param(pour(OK, b"X-Long: " + b"x" * 8000 + b"\r\n"), id="headers"),
    pytest.param(pour(OK + b"X-Long: ", b"x" * 65536), id="one header"),
    pytest.param(pour(b"", b"x" * 65536), id="one status line"),
    pytest.param(pour(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100), id="103"),
    pytest.param(pour(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), id="100"),
    pytest.param(drip(OK, b"X: y\r\n"), id="headers drip"),
    pytest.param(drip(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"), id="103 drips"),
    pytest.param(drip(OK + b"Content-Length: 100000\r\n\r\n", b"x"), id="body drips"),
    pytest.param(drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"x" * 50 + b"\r\nx\r\n"), id="chunks drip"),
    pytest.param(drip(OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"x"), id="a chunk's extension drips"),
]


@pytest.mark.parametrize("behave", ENDLESS_HEADS)
def test_it_ends_within_its_time_and_leaves(behave: Behave, rude: Callable[[Behave], Rude]) -> None:
    server = rude(behave)
    failed = within(3, lambda: raised(NoAnswer, lambda: ask(server.url, timeout_seconds=1)))
    assert failed.kind in ("failed", "timed_out")
    assert "\n" not in failed.message
    assert len(failed.message) < 100
    assert server.was_left.wait(60)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(OK + b"X: y\r\n", id="time is up"),
        pytest.param(OK + b"Content-Length: 1000000\r\n\r\n" + b"x" * (LIMIT + 1), id="enough was read"),
    ],
)
def test_who_is_left_in_the_middle_hears_it_at_once(said: bytes, rude: Callable[[Behave], Rude]) -> None:
    """A mere end is no word to a sender whose window is full: it has to be a reset."""
    was_reset, has_said = threading.Event(), threading.Event()

    class UpOnceSaid(SystemClock):
        def monotonic(self) -> float:
            return super().monotonic() + (100 if has_said.is_set() else 0)

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(said)
        has_said.set()
        poll = select.poll()
        poll.register(connection, 0)
        if poll.poll(60_000):
            was_reset.set()

    server = rude(behave)
    with suppress(NoAnswer):
        ask(server.url, timeout_seconds=60, clock=UpOnceSaid())
    assert was_reset.wait(60)


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(pour(OK + b"Content-Length: 10000000000\r\n\r\n", b"x" * 65536), id="10 GB"),
        pytest.param(pour(OK + b"\r\n", b"x" * 65536), id="until it closes"),
        pytest.param(
            pour(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"), id="chunks"
        ),
        pytest.param(pour(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 5000), id="small chunks"),
    ],
)
def test_it_reads_no_more_than_it_may_of_a_body_without_an_end(behave: Behave, rude: Callable[[Behave], Rude]) -> None:
    server = rude(behave)
    reply = ask(server.url, timeout_seconds=30)  # a hundred thousand chunks of one byte take seconds
    assert (len(reply.body), reply.truncated) == (LIMIT, True)
    assert server.was_left.wait(60)


def test_it_is_not_filled_by_what_unpacks_to_gigabytes(rude: Callable[[Behave], Rude]) -> None:
    bomb = gzip.compress(bytes(200_000_000))
    assert len(bomb) < 200_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    head = OK + f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    reply = ask(rude(say(head, bomb)).url)
    assert (len(reply.body), reply.truncated) == (LIMIT, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


PACKED = gzip.compress(b"all is ok")


@pytest.mark.parametrize(
    ("encoding", "body", "said"),
    [
        pytest.param("gzip", PACKED, "", id="gzip, unasked"),
        pytest.param("x-gzip", PACKED, "", id="its old name"),
        pytest.param("gzip", gzip.compress(b"all ") + gzip.compress(b"is ok"), "", id="in two parts"),
        pytest.param("gzip", PACKED + PACKED[:9], "ends in the middle", id="cut in a second part"),
        pytest.param("identity", b"all is ok", "", id="identity"),
        pytest.param("gzip", PACKED[:-6], "ends in the middle", id="cut"),
        pytest.param("gzip", b"all is ok", "not compressed as it says", id="not packed"),
        pytest.param("br", b"x", "compressed in a way that was not asked for", id="brotli"),
        pytest.param("gzip, gzip", gzip.compress(PACKED), "compressed in a way", id="twice"),
    ],
)
def test_it_unpacks_what_is_whole_and_nothing_else(
    encoding: str, body: bytes, said: str, rude: Callable[[Behave], Rude]
) -> None:
    head = OK + f"Content-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server = rude(say(head, body))
    if not said:
        assert ask(server.url).body == b"all is ok"
        return
    with pytest.raises(NoAnswer, match=said):
        ask(server.url)


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(pour(OK + b"Content-Encoding: gzip\r\n\r\n" + PACKED, b"x" * 65536), id="as fast as it can"),
        pytest.param(drip(OK + b"Content-Encoding: gzip\r\n\r\n" + PACKED, b"x"), id="drop by drop"),
        pytest.param(say(OK + b"Content-Encoding: gzip\r\n\r\n" + PACKED + b"\n"), id="a line's end"),
    ],
)
def test_what_stands_behind_the_end_of_what_is_packed_is_not_read(
    behave: Behave, rude: Callable[[Behave], Rude]
) -> None:
    server = rude(behave)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert within(3, lambda: ask(server.url, timeout_seconds=5), tries=1).body == b"all is ok"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


def test_it_takes_the_answer_to_head_for_what_it_is(rude: Callable[[Behave], Rude]) -> None:
    server = rude(say(OK + b"Content-Encoding: gzip\r\nContent-Length: 500\r\n\r\n"))
    assert ask(server.url, method="head").status == 200


NO_HTTP = [
    pytest.param(b"<html>HTTP/0.9 says only this</html>", id="HTTP/0.9"),
    pytest.param(b"HTTP/1.1 099 Low\r\n\r\n", id="status too low"),
    pytest.param(b"HTTP/1.1 2000 OK\r\n\r\n", id="status too long"),
    pytest.param(b"ICY 200 OK\r\n\r\n", id="another protocol"),
    pytest.param(OK + b"No colon here\r\n\r\n", id="header without a colon"),
    pytest.param(OK + b"X: a\0b\r\n\r\n", id="NUL in a header"),
    pytest.param(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", id="two lengths"),
    pytest.param(OK + b"Content-Length: -5\r\n\r\n", id="negative length"),
    pytest.param(OK + b"Content-Length: 9\r\n\r\nhalf", id="half a body"),
    pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n", id="chunk of no size"),
    pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffffff\r\nx", id="chunk too large"),
    pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello", id="no last chunk"),
    pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n", id="chunk too long"),
    pytest.param(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="unknown transfer"),
    pytest.param(b"", id="nothing"),
]


@pytest.mark.parametrize("said", NO_HTTP)
def test_it_takes_nothing_for_an_answer_that_is_none(said: bytes, rude: Callable[[Behave], Rude]) -> None:
    with pytest.raises(NoAnswer) as failed:
        ask(rude(say(said)).url)
    assert failed.value.kind == "failed"
    assert failed.value.was_sent
    assert failed.value.message == "what comes back is no whole HTTP answer"


def test_it_names_itself_and_nothing_else(rude: Callable[[Behave], Rude]) -> None:
    server = rude(say(OK + b"Content-Length: 0\r\n\r\n"))
    ask(server.url)
    names = {line.partition(b":")[0] for line in server.heard.split(b"\r\n")[1:] if line}
    assert names == {b"Host", b"Accept", b"Accept-Encoding", b"Connection", b"User-Agent"}
    assert b"User-Agent: opsrunner\r\n" in server.heard
