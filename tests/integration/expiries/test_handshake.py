"""What servers show when TLS begins: its end, apart from that whom it is for, and apart from who trusts it."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from opsrunner.clock import SystemClock
from opsrunner.errors import NoAnswer
from opsrunner.expiries.handshake import Shown, shown_by
from opsrunner.expiries.targets import Target, read_target
from opsrunner.testing import FakeClock

from .authority import NOW, Made, TlsServer, context, imap, make, pop3, smtp

Serve = Callable[..., TlsServer]
NAMES = ("localhost", "127.0.0.1")


def look(text: str, *, seconds: float = 5) -> Shown:
    return shown_by(read_target(text), clock=FakeClock(NOW), stopping=threading.Event(), seconds=seconds)


def days(shown: Shown) -> float:
    return (shown.ends_at - NOW) / timedelta(days=1)


def test_a_good_certificate_has_its_end_and_nothing_wrong(serve: Serve, trusted: Made, tmp_path: Path) -> None:
    server = serve(context(tmp_path, make("x", by=trusted, names=NAMES, days=(-1, 20))))
    shown = look(f"localhost:{server.port}")
    assert (days(shown), shown.wrong) == (20, "")
    assert shown.about == "localhost, 127.0.0.1"
    assert server.asked_for == ["localhost"]
    assert server.connections == 1


def test_of_the_whole_chain_what_ends_first_counts(serve: Serve, trusted: Made, tmp_path: Path) -> None:
    between = make("House 2", by=trusted, is_authority=True, days=(-100, 5))
    server = serve(context(tmp_path, make("x", by=between, names=NAMES, days=(-1, 20)), between))
    shown = look(f"localhost:{server.port}")
    assert (days(shown), shown.wrong) == (5, "")
    assert shown.about == "localhost, 127.0.0.1; its issuer House 2 ends first"


CASES = [
    pytest.param({"names": ("elsewhere.example",)}, "it is not for localhost, but for elsewhere.example", id="name"),
    pytest.param({"names": ("*.localhost",)}, "it is not for localhost, but for *.localhost", id="star above"),
    pytest.param({}, "it is not for localhost, but for x", id="common name only"),
    pytest.param({"names": NAMES, "days": (3, 20)}, "it is not valid before 2026-11-23 12:00 UTC", id="not yet"),
]


@pytest.mark.parametrize(("how", "wrong"), CASES)
def test_what_is_wrong_with_it_is_told_apart_from_its_end(
    serve: Serve, trusted: Made, tmp_path: Path, how: dict[str, Any], wrong: str
) -> None:
    server = serve(context(tmp_path, make("x", by=trusted, **{"days": (-1, 20), **how})))
    shown = look(f"localhost:{server.port}")
    assert (days(shown), shown.wrong) == (20, wrong)


def test_one_that_has_ended_is_not_called_untrusted(serve: Serve, trusted: Made, tmp_path: Path) -> None:
    server = serve(context(tmp_path, make("x", by=trusted, names=("elsewhere.example",), days=(-90, -3))))
    shown = look(f"localhost:{server.port}")
    assert (days(shown), shown.wrong) == (-3, "it is not for localhost, but for elsewhere.example")


def test_one_that_nobody_trusts_has_its_end_all_the_same(serve: Serve, trusted: Made, tmp_path: Path) -> None:
    stranger = make("A stranger", is_authority=True)
    server = serve(context(tmp_path, make("x", by=stranger, names=NAMES, days=(-1, 20)), stranger))
    shown = look(f"localhost:{server.port}")
    assert days(shown) == 20
    assert shown.wrong.startswith("nobody trusts it here: ")


def test_one_that_signs_itself_is_told_as_such(serve: Serve, trusted: Made, tmp_path: Path) -> None:
    server = serve(context(tmp_path, make("x", names=NAMES, days=(-1, 20))))
    shown = look(f"127.0.0.1:{server.port}")
    assert (days(shown), shown.wrong) == (20, "it is signed by itself")


def test_a_chain_without_its_middle_is_told(serve: Serve, trusted: Made, tmp_path: Path) -> None:
    between = make("House 2", by=trusted, is_authority=True)
    server = serve(context(tmp_path, make("x", by=between, names=NAMES, days=(-1, 20))))
    shown = look(f"localhost:{server.port}")
    assert days(shown) == 20
    assert "unable to get local issuer certificate" in shown.wrong


@pytest.mark.parametrize(("way", "talk"), [("imap", imap), ("pop3", pop3), ("smtp", smtp)])
def test_mail_ports_begin_tls_after_a_word_in_the_open(
    serve: Serve, trusted: Made, tmp_path: Path, way: str, talk: Callable[[socket.socket], None]
) -> None:
    server = serve(context(tmp_path, make("x", by=trusted, names=NAMES, days=(-1, 20))), talk)
    shown = look(f"{way}://localhost:{server.port}")
    assert (days(shown), shown.wrong) == (20, "")


def test_a_real_smtp_server_is_asked_by_starttls(trusted: Made, tmp_path: Path) -> None:
    made = context(tmp_path, make("x", by=trusted, names=NAMES, days=(-1, 20)))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(object(), hostname="127.0.0.1", port=port, tls_context=made)
    controller.start()
    try:
        shown = look(f"smtp://127.0.0.1:{port}")
    finally:
        controller.stop()
    assert (days(shown), shown.wrong) == (20, "")


def say(*lines: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        for one in lines:
            connection.sendall(one)
            if one.endswith(b"\n"):
                connection.recv(1000)

    return talk


RUDE = [
    pytest.param("smtp", say(b"220 hi\r\n", b"250 no such thing\r\n", b"502 no\r\n"), "no STARTTLS", id="smtp without"),
    pytest.param("smtp", say(b"SSH-2.0-x\r\n"), "does not speak SMTP", id="not smtp"),
    pytest.param("smtp", say(b""), "hangs up before TLS", id="says nothing"),
    pytest.param("smtp", say(b"220-a\r\n" * 200), "talks without an end", id="lines without an end"),
    pytest.param("smtp", say(b"x" * 10_000), "talks without an end", id="a line without an end"),
    pytest.param("imap", say(b"* OK hi\r\n", b"a1 NO\r\n"), "no STARTTLS", id="imap without"),
    pytest.param("imap", say(b"+OK\r\n"), "does not speak IMAP", id="not imap"),
    pytest.param("pop3", say(b"+OK hi\r\n", b"-ERR\r\n"), "no STARTTLS", id="pop3 without"),
    pytest.param("tls", say(b"HTTP/1.0 400 Bad Request\r\n\r\n"), "something else is spoken", id="no tls at all"),
]


@pytest.mark.parametrize(("way", "talk", "why"), RUDE)
def test_a_server_that_does_not_begin_tls_is_told_why(
    serve: Serve, way: str, talk: Callable[[socket.socket], None], why: str
) -> None:
    server = serve(None, talk)
    with pytest.raises(NoAnswer, match=why) as failure:
        look(f"{way}://127.0.0.1:{server.port}")
    assert "\n" not in failure.value.message


def test_a_server_that_is_not_there_is_told(serve: Serve) -> None:
    server = serve(None)
    server.close()
    with pytest.raises(NoAnswer, match="connection refused"):
        look(f"127.0.0.1:{server.port}")


def test_a_server_that_says_nothing_is_left_in_time(serve: Serve) -> None:
    over = threading.Event()
    server = serve(None, lambda _connection: over.wait(5) and None)
    with pytest.raises(NoAnswer, match=r"no answer in 0.5 s"):
        shown_by(read_target(f"127.0.0.1:{server.port}"), clock=SystemClock(), stopping=threading.Event(), seconds=0.5)
    over.set()


@pytest.mark.parametrize("way", ["smtp", "tls"])
def test_a_server_that_answers_without_an_end_is_hung_up_on(serve: Serve, way: str) -> None:
    """A tarpit: a byte now and then, so that no single wait is too long."""
    left = threading.Event()

    def drip(connection: socket.socket) -> None:
        begin = b"" if way == "smtp" else b"\x16\x03\x03\x3f\x00"  # a record of TLS, of which little comes
        try:
            connection.sendall(begin)
            for _ in range(1_000):
                connection.sendall(b"2")
                threading.Event().wait(0.05)
        except OSError:
            left.set()

    server = serve(None, drip)
    with pytest.raises(NoAnswer, match=r"no answer in 0.3 s"):
        shown_by(
            read_target(f"{way}://127.0.0.1:{server.port}"),
            clock=SystemClock(),
            stopping=threading.Event(),
            seconds=0.3,
        )
    assert left.wait(15)
    for thread in threading.enumerate():
        if thread.name == "handshake":
            thread.join(15)
            assert not thread.is_alive()


def test_a_name_that_cannot_be_one_is_told(serve: Serve) -> None:
    server = serve(None, lambda one: one.recv(1) and None)
    with pytest.raises(NoAnswer, match="its name cannot be looked up"):
        shown_by(
            Target(host=".localhost", port=server.port, way="tls"),
            clock=FakeClock(NOW),
            stopping=threading.Event(),
            seconds=5,
        )


def test_a_look_ends_with_the_word_to_stop(serve: Serve) -> None:
    over, stopping = threading.Event(), threading.Event()
    server = serve(None, lambda _connection: over.wait(5) and None)
    stopping.set()
    with pytest.raises(NoAnswer, match="stopped"):
        shown_by(read_target(f"127.0.0.1:{server.port}"), clock=SystemClock(), stopping=stopping)
    over.set()


def test_an_old_protocol_is_named(serve: Serve, trusted: Made, tmp_path: Path) -> None:
    made = context(tmp_path, make("x", by=trusted, names=NAMES))
    made.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        made.maximum_version = ssl.TLSVersion.TLSv1_1
    server = serve(made)
    with pytest.raises(NoAnswer, match=r"nothing newer than TLS 1.1"):
        look(f"localhost:{server.port}")
