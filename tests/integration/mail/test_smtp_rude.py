"""SMTP servers, and people between us and them, that are slow, talkative, wrong or hostile."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.outbox import deliver_due
from opsrunner.errors import MailFailed, MailServerUnavailable
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.outbox import Outbox
from opsrunner.mail.message import build
from opsrunner.mail.smtp import SmtpTransport
from opsrunner.model.mail import NewMail
from opsrunner.model.site import SmtpSettings
from opsrunner.secrets import Vault
from opsrunner.testing import FakeClock

from ...patience import within

BOSS = "boss@example.com"
START = datetime(2026, 11, 21, tzinfo=UTC)
GREETING, END = "greeting", "."
Answer = bytes | Callable[[Any], None]
PASSWORD_WORDS = ("AUTH", "correct horse", "b3BzAGNvcnJlY3Q", "Y29ycmVjdCBob3JzZ")
"""What must not be heard: the command, and the password as it is and in base64."""


class Talker(socketserver.ThreadingTCPServer):
    """Says to each verb what a test wants: bytes, b'' to hang up, or an act on the connection."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.answers: dict[str, Answer] = {}
        self.tls: ssl.SSLContext | None = None
        self.heard: list[str] = []
        self.mails: list[str] = []
        self.over = threading.Event()

    def settings(self, **more: Any) -> SmtpSettings:
        known = {"host": "127.0.0.1", "port": self.server_address[1], "security": "none", "timeout_seconds": 5}
        return SmtpSettings(**{**known, **more})

    def verbs(self) -> list[str]:
        return [line.split()[0].upper() for line in self.heard if line.strip()]

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that turn away."""


class Conversation(socketserver.StreamRequestHandler):
    """One connection."""

    server: Talker

    def handle(self) -> None:
        with suppress(OSError, StopIteration):
            self.say(self.server.answers.get(GREETING, b"220 here\r\n"))
            for line in self.lines():
                self.answer(line)

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def lines(self) -> Iterator[str]:
        while line := self.rfile.readline():
            self.server.heard.append(line.decode("latin-1"))
            yield self.server.heard[-1]

    def answer(self, line: str) -> None:
        verb = (line.split() or [""])[0].upper()
        usual = {"EHLO": b"250-here\r\n250 STARTTLS\r\n", "DATA": b"354 go on\r\n", "STARTTLS": b"220 go on\r\n"}
        said = self.server.answers.get(verb, usual.get(verb, b"250 OK\r\n"))
        self.say(said)
        if verb == "DATA" and (callable(said) or said.startswith(b"354")):
            self.server.mails.append("".join(self.mail_lines()))
            self.say(self.server.answers.get(END, b"250 taken\r\n"))
        if verb == "STARTTLS" and self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
            self.setup()

    def mail_lines(self) -> Iterator[str]:
        """Yield the lines of a mail up to its dot, or to the end of a client that hangs up before it."""
        while (line := self.rfile.readline().decode("latin-1")) not in ("", ".\r\n"):
            yield line

    def say(self, answer: Answer) -> None:
        if callable(answer):
            answer(self)
        elif answer:
            self.wfile.write(answer)
        else:
            raise StopIteration


def drip(text: bytes) -> Callable[[Conversation], None]:
    """Say it byte by byte, each well within any time-out for one answer, and never end."""

    def act(conversation: Conversation) -> None:
        for byte in text + b"x" * 100_000:
            conversation.wfile.write(bytes([byte]))
            if conversation.server.over.wait(0.05):
                return

    return act


def pour(piece: bytes) -> Callable[[Conversation], None]:
    """Say it again and again, without an end."""

    def act(conversation: Conversation) -> None:
        while not conversation.server.over.is_set():
            conversation.wfile.write(piece)

    return act


def fall_silent(conversation: Conversation) -> None:
    conversation.server.over.wait(20)


def listen_no_more(conversation: Conversation) -> None:
    conversation.wfile.write(b"354 go on\r\n")
    conversation.server.over.wait(20)


@pytest.fixture
def talker() -> Iterator[Talker]:
    with Talker() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def message() -> EmailMessage:
    return letter("Text")


def letter(text: str, *, to: str = BOSS) -> EmailMessage:
    return build(NewMail(to=to, subject="Hello", text=text), from_="ops@example.com", message_id="1.x", date=START)


def failure_of(
    settings: SmtpSettings, vault: Vault, message: EmailMessage, *, try_seconds: float = 5
) -> MailServerUnavailable:
    """Try to send, and return why the mail stays queued."""
    transport = SmtpTransport(settings, vault=vault, try_seconds=try_seconds)
    with pytest.raises(MailServerUnavailable) as failed:
        transport.deliver(message, to=BOSS)
    transport.close()
    assert not failed.value.permanent
    assert "\n" not in failed.value.message
    assert len(failed.value.message) < 400
    return failed.value


@pytest.mark.parametrize("stage", [GREETING, "EHLO", "MAIL", "RCPT", "DATA", END])
def test_it_gives_a_server_so_much_time_and_no_more_however_it_draws_out_its_answer(
    stage: str, talker: Talker, vault: Vault, message: EmailMessage
) -> None:
    talker.answers[stage] = drip(b"250-slow")
    failure = within(2, lambda: failure_of(talker.settings(), vault, message, try_seconds=0.4))
    assert failure.message.endswith(": it is too slow")


def test_it_gives_a_server_that_does_not_read_no_more_time_either(talker: Talker, vault: Vault) -> None:
    talker.answers["DATA"] = listen_no_more
    long = letter(("x" * 70 + "\n") * 100_000)
    within(3, lambda: failure_of(talker.settings(), vault, long, try_seconds=0.5))


@pytest.mark.parametrize("stage", [GREETING, "EHLO", "RCPT", END])
@pytest.mark.parametrize("piece", [b"x" * 65_536, b"250-more\r\n" * 5_000, b"250" + b"\0" * 65_536])
def test_it_takes_no_answer_without_an_end(
    stage: str, piece: bytes, talker: Talker, vault: Vault, message: EmailMessage
) -> None:
    talker.answers[stage] = pour(piece)
    failure = failure_of(talker.settings(), vault, message)
    assert "its answer is longer than 64,000 bytes" in failure.message or "no SMTP" in failure.message


NONSENSE = [
    b"hello\r\n",
    b"\r\n",
    b"\x00\xff\r\n",
    b"999 no\r\n",
    b"25\r\n",
    b"2500 ok\r\n",
    b"+OK POP3\r\n",
    b"199 x\r\n",
]


@pytest.mark.parametrize("stage", [GREETING, "EHLO", "MAIL", "RCPT", END])
@pytest.mark.parametrize("answer", NONSENSE)
def test_it_keeps_a_mail_that_a_server_answers_with_nonsense(
    stage: str, answer: bytes, talker: Talker, vault: Vault, message: EmailMessage
) -> None:
    talker.answers[stage] = answer
    assert "what it answers is no SMTP" in failure_of(talker.settings(), vault, message).message


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", END])
@pytest.mark.parametrize("answer", [b"", b"421 going down\r\n", b"220 what\r\n", b"299 what\r\n"])
def test_it_sends_on_another_connection_what_a_server_left_in_the_middle(
    stage: str, answer: bytes, talker: Talker, vault: Vault, message: EmailMessage
) -> None:
    transport = SmtpTransport(talker.settings(), vault=vault)
    talker.answers[stage] = answer
    with pytest.raises(MailServerUnavailable):
        transport.deliver(message, to=BOSS)
    talker.answers.clear()
    transport.deliver(message, to=BOSS)
    transport.close()
    assert talker.verbs().count("EHLO") == 2
    assert "Subject: Hello" in talker.mails[-1]


def test_it_does_not_take_for_a_receipt_what_was_said_before_the_mail(
    talker: Talker, vault: Vault, message: EmailMessage
) -> None:
    """Whoever answers too early has not read the mail; a refusal that comes too early is not about the recipient."""
    for stage, answer in (("DATA", b"354 go on\r\n250 taken\r\n"), ("MAIL", b"250 OK\r\n550 no such user\r\n")):
        talker.answers = {stage: answer}
        assert "more than it was asked" in failure_of(talker.settings(), vault, message).message
    assert talker.mails in ([], [""])


def test_it_hands_over_again_what_may_not_have_arrived_and_it_is_the_same_mail(
    talker: Talker, vault: Vault, tmp_path: Path
) -> None:
    """Who hangs up after the text and before the receipt may have the mail: twice is told from never by its id."""
    ledger, clock = Ledger(tmp_path / "ledger.db"), FakeClock(START)
    outbox = Outbox(ledger)
    outbox.put([NewMail(to=BOSS, subject="Hello", text="Text")], at=START)
    talker.answers[END] = b""
    for _ in range(2):
        deliver_due(outbox, SmtpTransport(talker.settings(), vault=vault), from_="ops@example.com", clock=clock)
        clock.move(minutes=1)
        talker.answers.clear()
    assert outbox.queued() == []
    ledger.close()
    first, second = talker.mails
    assert first == second
    assert first.count("Message-ID: <") == 1


@pytest.mark.parametrize(
    ("answer", "waits"),
    [
        (b"553 5.7.1 ops@example.com is not yours\r\n", True),
        (b"550 5.7.1 sign in first\r\n", True),
        (b"501 5.1.7 bad sender\r\n", True),
        (b"451 4.3.0 not now\r\n", True),
        (b"552 5.3.4 too large\r\n", False),
    ],
)
def test_it_gives_no_mail_up_for_a_sender_that_the_site_can_put_right(
    answer: bytes, waits: bool, talker: Talker, vault: Vault, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    outbox = Outbox(ledger)
    outbox.put([NewMail(to=BOSS, subject="Hello", text="Text")], at=START)
    talker.answers["MAIL"] = answer
    deliver_due(outbox, SmtpTransport(talker.settings(), vault=vault), from_="ops@example.com", clock=FakeClock(START))
    assert len(outbox.queued()) == waits
    (told,) = outbox.queued() or outbox.given_up(since=START.replace(day=20), until=START)
    assert answer.decode().strip() in told.error
    ledger.close()


STRIPPED = [
    pytest.param("EHLO", b"250 here\r\n", "offers no STARTTLS", id="not offered"),
    pytest.param("EHLO", b"250-here\r\n250 XXXXXXXA\r\n", "offers no STARTTLS", id="blotted out"),
    pytest.param("EHLO", b"250-here\r\n250 AUTH PLAIN LOGIN\r\n", "offers no STARTTLS", id="sign-in instead"),
    pytest.param("EHLO", b"502 no\r\n", "offers no STARTTLS", id="HELO only"),
    pytest.param("STARTTLS", b"500 what\r\n", "500 what", id="500"),
    pytest.param("STARTTLS", b"454 not now\r\n", "454 not now", id="454"),
    pytest.param("STARTTLS", b"250 OK\r\n", "250 OK", id="250 is no yes"),
    pytest.param("STARTTLS", b"220 go\r\n250-x\r\n250 AUTH PLAIN\r\n", "more than it was asked", id="injected"),
    pytest.param("STARTTLS", b"220 go\r\n235 you are in\r\n", "more than it was asked", id="injected sign-in"),
    pytest.param("STARTTLS", b"220 go on\r\n", "TLS failed", id="no TLS comes"),
    pytest.param("STARTTLS", b"", "it hung up", id="hung up"),
]


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize(("stage", "answer", "reason"), STRIPPED)
def test_it_tells_nothing_to_who_takes_the_encryption_away(
    stage: str,
    answer: bytes,
    reason: str,
    verify: bool,
    talker: Talker,
    vault: Vault,
    signed_in: dict[str, Any],
    message: EmailMessage,
) -> None:
    talker.answers = {stage: answer}
    if reason == "TLS failed":
        talker.answers["EHLO"] = b"250-here\r\n250-AUTH PLAIN LOGIN\r\n250 STARTTLS\r\n"
        talker.answers[""] = b"250 I hear you\r\n"
    settings = talker.settings(security="starttls", verify=verify, timeout_seconds=20, **signed_in)
    assert reason in failure_of(settings, vault, message, try_seconds=20).message
    said = "".join(talker.heard)
    assert not [word for word in PASSWORD_WORDS if word in said]
    assert "MAIL" not in talker.verbs()


def test_it_forgets_what_was_said_before_tls(
    talker: Talker, trusted: Any, vault: Vault, signed_in: dict[str, Any], message: EmailMessage
) -> None:
    """AUTH was offered by whoever stands between; the server itself, once proven, offers none: no password goes out."""
    talker.tls = trusted.server_context()
    offers = iter([b"250-here\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250 STARTTLS\r\n", b"250 here\r\n"])
    talker.answers["EHLO"] = lambda conversation: conversation.wfile.write(next(offers))
    failure = failure_of(talker.settings(security="starttls", **signed_in), vault, message)
    assert "SMTP AUTH extension not supported" in failure.message
    assert talker.verbs()[:3] == ["EHLO", "STARTTLS", "EHLO"]
    assert not [word for word in PASSWORD_WORDS if word in "".join(talker.heard)]


def test_it_holds_its_time_limit_also_in_tls(talker: Talker, trusted: Any, vault: Vault, message: EmailMessage) -> None:
    talker.tls = trusted.server_context()
    talker.answers["MAIL"] = drip(b"250-slow")
    settings = talker.settings(security="starttls")
    assert "too slow" in within(6, lambda: failure_of(settings, vault, message, try_seconds=4)).message


def test_it_says_when_a_port_is_for_the_other_kind_of_tls(
    talker: Talker, start_smtp: Any, trusted: Any, vault: Vault, message: EmailMessage
) -> None:
    failure = failure_of(talker.settings(security="tls"), vault, message)
    assert "TLS failed: something else is spoken there: nothing was sent, no password either" in failure.message
    talker.answers[GREETING] = fall_silent
    failure = failure_of(talker.settings(security="tls", timeout_seconds=0.3), vault, message)
    assert "no answer within 0.3 s" in failure.message
    wrapped = start_smtp(wrapped=trusted.server_context(), security="starttls", timeout_seconds=0.3)
    failure = failure_of(wrapped.settings, vault, message)
    assert "a port that speaks TLS at once, such as 465, needs security: tls" in failure.message


@pytest.mark.parametrize(
    "challenge", [b"334 a\r\n", b"334 " + b"A" * 60_000 + b"\r\n", b"334 \xff\xff\r\n", b"334\r\n"]
)
def test_it_is_not_thrown_by_a_sign_in_that_makes_no_sense(
    challenge: bytes, talker: Talker, vault: Vault, signed_in: dict[str, Any], message: EmailMessage
) -> None:
    talker.answers["EHLO"] = b"250-here\r\n250 AUTH CRAM-MD5\r\n"
    talker.answers["AUTH"] = challenge
    failure_of(talker.settings(**signed_in), vault, message)
    assert "MAIL" not in talker.verbs()


def test_it_asks_no_server_about_an_address_that_none_can_take(talker: Talker, vault: Vault) -> None:
    with pytest.raises(MailFailed, match=r"not a mail address: 'jørn@example.com'") as failed:
        SmtpTransport(talker.settings(), vault=vault).deliver(letter("Text"), to="jørn@example.com")
    assert failed.value.permanent
    assert talker.heard == []


def test_it_needs_no_smtputf8_for_a_domain_in_other_letters(talker: Talker, vault: Vault) -> None:
    transport = SmtpTransport(talker.settings(), vault=vault)
    transport.deliver(letter("Blåbær", to="boss@blåbær.example"), to="boss@blåbær.example")
    transport.close()
    assert "rcpt TO:<boss@xn--blbr-roah.example>\r\n" in talker.heard
    assert "SMTPUTF8" not in "".join(talker.heard)
    assert talker.mails[0].isascii()
