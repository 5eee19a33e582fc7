"""IMAP servers, and people between us and them, that are slow, talkative, wrong or hostile."""

from __future__ import annotations

import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Source
from opsrunner.secrets import SecretRef, Vault
from opsrunner.sources import imap_session
from opsrunner.sources.reading import read_source
from opsrunner.sources.shapes import THREADS

from ..mail.conftest import Certificate, make_certificate
from .conftest import NOW

PASSWORD = "correct horse"
Answer = bytes | Callable[[Any], None]
Inbox = Callable[..., tuple[Row, ...]]
ONE = b'* 1 FETCH (UID 1 FLAGS () INTERNALDATE "20-Nov-2026 10:00:00 +0000" BODY[HEADER.FIELDS (X)]<0> {%d}\r\n%s)\r\n'


class Talker(socketserver.ThreadingTCPServer):
    """A small IMAP server that says to a command what a test wants."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.greeting: Answer = b"* OK ready\r\n"
        self.answers: dict[str, Answer] = {
            "CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n",
            "EXAMINE": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 7] UIDs valid\r\n",
            "SEARCH": b"* SEARCH 1\r\n",
            "FETCH": ONE % (17, b"Subject: Help\r\n\r\n"),
        }
        self.tls: ssl.SSLContext | None = None
        self.tls_at_once = False
        self.heard: list[str] = []
        self.over = threading.Event()

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that turn away."""


class Conversation(socketserver.StreamRequestHandler):
    server: Talker

    def handle(self) -> None:
        with suppress(OSError, ValueError):
            if self.server.tls_at_once:
                self.encrypt()
            self.say(self.server.greeting)
            while line := self.rfile.readline():
                self.server.heard.append(line.decode("latin-1").strip())
                self.answer(line.split())
        self.rfile.close()
        self.connection.close()  # what goes over TLS is another one than socketserver closes

    def answer(self, words: list[bytes]) -> None:
        tag, verb = words[0], words[1].decode().upper()
        if verb == "UID":
            verb = words[2].decode().upper()
        answer = self.server.answers.get(verb, b"")
        if callable(answer) or answer.startswith(b"!"):
            self.say(answer if callable(answer) else answer[1:].replace(b"TAG", tag))
            return
        self.say(answer + tag + b" OK done\r\n")
        if verb == "STARTTLS":
            self.encrypt()

    def say(self, answer: Answer) -> None:
        if callable(answer):
            answer(self)
        else:
            self.wfile.write(answer)

    def encrypt(self) -> None:
        assert self.server.tls is not None
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)


@pytest.fixture
def talker() -> Iterator[Talker]:
    with Talker() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), names=["localhost"], addresses=["127.0.0.1"])


@pytest.fixture
def inbox(talker: Talker, tmp_path: Path) -> Inbox:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)

    def do(seconds: float = 20, stopping: Any = None, **where: Any) -> tuple[Row, ...]:
        given = {
            "host": "127.0.0.1",
            "port": talker.server_address[1],
            "security": "none",
            "username": "ops@example.com",
            "password": SecretRef(file="password"),
            "folder": ("INBOX",),
            "timeout": 15,
            **where,
        }
        source = Source(name="support", kind="imap", where=given, columns=THREADS)
        options = {"timeout_seconds": seconds, "stopping": stopping}
        return read_source(source, options, vault=Vault(tmp_path), site_root=tmp_path, now=NOW)

    return do


def reason_of(inbox: Inbox, **where: Any) -> StepFailed:
    """Return why it fails: one line, soon, and without the password."""
    started = time.monotonic()
    with pytest.raises(StepFailed) as failed:
        inbox(**where)
    assert time.monotonic() - started < 15
    assert "\n" not in failed.value.message
    assert PASSWORD not in failed.value.message
    assert len(failed.value.message) < 500
    return failed.value


def said_password(talker: Talker) -> bool:
    return any(word in line for line in talker.heard for word in ("LOGIN", "AUTHENTICATE", PASSWORD, "Y29ycmVj"))


def test_it_reads_what_a_plain_server_of_this_machine_says(talker: Talker, inbox: Inbox) -> None:
    (row,) = inbox()

    assert row["subject"] == "Help"
    assert any(line.endswith(' EXAMINE "INBOX"') for line in talker.heard)
    assert not any(" SELECT " in line for line in talker.heard)
    assert all("BODY.PEEK" in line for line in talker.heard if " FETCH " in line)


def test_without_starttls_nothing_is_sent(talker: Talker, inbox: Inbox) -> None:
    talker.answers["CAPABILITY"] = b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"

    failed = reason_of(inbox, security="starttls")

    assert "offers no STARTTLS: nothing was sent, no password either" in failed.message
    assert not said_password(talker)


def test_starttls_that_is_refused_is_the_end(talker: Talker, inbox: Inbox) -> None:
    talker.answers["STARTTLS"] = b"!TAG NO not today\r\n"

    reason_of(inbox, security="starttls")

    assert not said_password(talker)


def test_a_server_that_takes_us_as_signed_in_before_encryption_hears_nothing(talker: Talker, inbox: Inbox) -> None:
    talker.greeting = b"* PREAUTH welcome\r\n"

    assert "before encryption" in reason_of(inbox, security="starttls").message
    assert not said_password(talker)


def test_what_is_said_before_encryption_counts_for_nothing_after_it(
    talker: Talker, inbox: Inbox, authority: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.authority))
    talker.tls = authority.server_context()
    talker.answers["STARTTLS"] = b'* 1 FETCH (UID 1 BODY[X] "forged")\r\n'

    (row,) = inbox(security="starttls")

    assert row["subject"] == "Help"


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_nobody_knows_is_refused_before_the_password(
    security: str, talker: Talker, inbox: Inbox, authority: Certificate
) -> None:
    talker.tls, talker.tls_at_once = authority.server_context(), security == "tls"

    assert "nothing was sent, no password either" in reason_of(inbox, security=security).message
    assert not said_password(talker)


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_for_another_host_is_refused(
    security: str, talker: Talker, inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_certificate(folder, names=["elsewhere.example"], addresses=[])
    monkeypatch.setenv("SSL_CERT_FILE", str(other.authority))
    talker.tls, talker.tls_at_once = other.server_context(), security == "tls"

    assert "nothing was sent, no password either" in reason_of(inbox, security=security).message
    assert not said_password(talker)


def test_verify_false_takes_any_certificate(talker: Talker, inbox: Inbox, authority: Certificate) -> None:
    talker.tls, talker.tls_at_once = authority.server_context(), True

    assert len(inbox(security="tls", verify=False)) == 1


def test_a_server_that_speaks_plainly_where_tls_is_meant_hears_nothing(talker: Talker, inbox: Inbox) -> None:
    reason_of(inbox, security="tls")

    assert not said_password(talker)


def test_security_none_is_for_this_machine_only(talker: Talker, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imap_session, "is_loopback", lambda _peer: False)

    assert "is not on this machine: security 'none' is for loopback only" in reason_of(inbox).message
    assert not said_password(talker)


def drip(handler: Any) -> None:
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b"x")


def silence(handler: Any) -> None:
    handler.server.over.wait(30)


def flood(handler: Any) -> None:
    while not handler.server.over.is_set():
        handler.wfile.write(b"* 1 EXISTS\r\n" * 10_000)


def endless_line(handler: Any) -> None:
    while not handler.server.over.is_set():
        handler.wfile.write(b"x" * 1_000_000)


@pytest.mark.parametrize("verb", ["greeting", "LOGIN", "FETCH"])
@pytest.mark.parametrize("act", [drip, silence], ids=["drip", "silence"])
def test_a_slow_server_is_given_up(act: Callable[[Any], None], verb: str, talker: Talker, inbox: Inbox) -> None:
    if verb == "greeting":
        talker.greeting = act
    else:
        talker.answers[verb] = act

    failed = reason_of(inbox, seconds=0.7, timeout=0.5)

    assert "no end after 0.7 s" in failed.message or "no answer within 0.5 s" in failed.message


@pytest.mark.parametrize("act", [flood, endless_line], ids=["flood", "line"])
def test_a_server_that_never_stops_talking_is_cut_off(
    act: Callable[[Any], None], talker: Talker, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imap_session, "MOST_BYTES", 30_000_000)
    talker.answers["FETCH"] = act

    reason_of(inbox, seconds=4, timeout=1)


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("greeting", b""),
        ("greeting", b"* BYE go away\r\n"),
        ("greeting", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        ("greeting", b"220 smtp.example.com ESMTP\r\n"),
        ("greeting", b"\0\0\0\0\r\n"),
        ("CAPABILITY", b"!TAG BAD what\r\n"),
        ("CAPABILITY", b"* CAPABILITY IMAP2\r\n"),
        ("CAPABILITY", b"* CAPABILITY \xff\xfe\r\n"),
        ("LOGIN", b"!TAG NO [AUTHENTICATIONFAILED] no correct horse here\r\n"),
        ("LOGIN", b"!TAG BAD \x1b[31mred\x1b[0m\r\n"),
        ("EXAMINE", b"!TAG NO [NONEXISTENT] \xc3\xa5\r\n"),
        ("SEARCH", b"!TAG NO cannot\r\n"),
        ("SEARCH", b"* SEARCH 1 \xff\r\n"),
        ("FETCH", b"!TAG NO cannot\r\n"),
        ("FETCH", b"* 1 FETCH (UID 1 BODY[X] {99999999999}\r\n"),
        ("FETCH", b"* 1 FETCH (UID 1 BODY[X] {25000000}\r\n"),
        ("FETCH", b"!* 1 FETCH (UID 1 BODY[X] {10}\r\nabc"),
        ("FETCH", b"!* BYE over\r\n"),
    ],
)
def test_nonsense_is_one_line(verb: str, answer: bytes, talker: Talker, inbox: Inbox) -> None:
    def say_and_hang_up(handler: Any) -> None:
        handler.wfile.write(answer.removeprefix(b"!"))
        handler.connection.close()

    if verb == "greeting":
        talker.greeting = answer if answer.startswith(b"*") else say_and_hang_up
    else:
        talker.answers[verb] = answer

    reason_of(inbox, seconds=4, timeout=1)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"* 1 FETCH ()\r\n",
        b'* 1 FETCH (UID 1 FLAGS (\\Seen) INTERNALDATE "x" BODY[HEADER.FIELDS (X)]<0> "")\r\n',
        b"* 1 FETCH (UID 1 BODY[X]<0> {4}\r\n\0\xff\xfe\r FLAGS (\\Seen \\\xff))\r\n",
        b"* 1 FETCH (FLAGS (\\Seen))\r\n" + ONE % (17, b"Subject: Help\r\n\r\n"),
        b"* 9 EXPUNGE\r\n" + ONE % (17, b"Subject: Help\r\n\r\n"),
        b"* 1 FETCH (UID 99999999999999999999 BODY[X] {2}\r\n\r\n)\r\n",
    ],
)
def test_odd_answers_about_mails_are_taken_as_they_are(answer: bytes, talker: Talker, inbox: Inbox) -> None:
    talker.answers["FETCH"] = answer

    assert len(inbox()) <= 1


def test_a_folder_name_goes_quoted(talker: Talker, inbox: Inbox) -> None:
    inbox(folder=('Sent "mail" \\ å',))

    assert any(line.endswith('EXAMINE "Sent \\"mail\\" \\\\ &AOU-"') for line in talker.heard)


def test_being_told_to_stop_ends_it_at_once(talker: Talker, inbox: Inbox) -> None:
    talker.answers["SEARCH"] = silence
    stopping = threading.Event()
    threading.Timer(0.3, stopping.set).start()

    assert reason_of(inbox, seconds=20, timeout=20, stopping=stopping).status == "interrupted"


def test_nobody_at_the_port_is_one_line(inbox: Inbox) -> None:
    assert reason_of(inbox, port=1).message == "support: 127.0.0.1:1: connection refused"


def test_a_password_that_cannot_be_read_is_one_line(inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "password").unlink()

    assert "password" in reason_of(inbox).message
