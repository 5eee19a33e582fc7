"""SMTP as servers really answer, and as intruders would like it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from opsrunner.errors import MailFailed, MailServerUnavailable
from opsrunner.mail.message import build
from opsrunner.mail.smtp import SmtpTransport
from opsrunner.model.mail import NewMail
from opsrunner.model.site import SmtpSettings
from opsrunner.secrets import SecretRef, Vault

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")

BOSS = "boss@example.com"
PASSWORD = "correct horse battery"


@pytest.fixture
def message() -> EmailMessage:
    mail = NewMail(to=BOSS, subject="Hello", text="Text")
    return build(mail, from_="ops@example.com", message_id="1.x", date=datetime(2026, 11, 21, tzinfo=UTC))


class OldServer(socketserver.ThreadingTCPServer):
    """A server (or someone in the middle) that offers no STARTTLS and writes down all it hears."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, greeting: bytes = b"220 old\r\n") -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.greeting = greeting
        self.heard: list[bytes] = []


class Conversation(socketserver.StreamRequestHandler):
    """Says yes to everything."""

    def handle(self) -> None:
        assert isinstance(self.server, OldServer)
        self.wfile.write(self.server.greeting)
        for line in self.rfile:
            self.server.heard.append(line)
            if line.upper().startswith(b"QUIT"):
                break
            answer = b"250-old\r\n250 AUTH PLAIN LOGIN\r\n" if line.upper().startswith(b"EHLO") else b"250 OK\r\n"
            self.wfile.write(answer)


@pytest.fixture
def old_server() -> Iterator[OldServer]:
    with OldServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", ["starttls", "tls"])
def test_it_signs_in_over_tls(
    kind: str, start_smtp: Any, trusted: Any, vault: Vault, signed_in: dict[str, Any], message: EmailMessage
) -> None:
    context = trusted.server_context()
    server = start_smtp(**{"tls" if kind == "starttls" else "wrapped": context}, require_auth=True, **signed_in)
    transport = SmtpTransport(server.settings, vault=vault)
    transport.deliver(message, to=BOSS)
    transport.close()
    assert [mail.rcpt_tos for mail in server.mailbox.mails] == [[BOSS]]
    assert server.mailbox.sign_ins == [(b"ops", PASSWORD.encode())]


def test_it_uses_one_connection_for_a_batch(start_smtp: Any, vault: Vault, message: EmailMessage) -> None:
    server = start_smtp()
    transport = SmtpTransport(server.settings, vault=vault)
    for _ in range(3):
        transport.deliver(message, to=BOSS)
    transport.close()
    assert (len(server.mailbox.mails), server.mailbox.connections) == (3, 1)


def test_it_goes_on_with_a_batch_after_a_refused_recipient(
    start_smtp: Any, vault: Vault, message: EmailMessage
) -> None:
    server = start_smtp()
    server.mailbox.recipient_answers["gone@example.com"] = ["550 no such user"]
    transport = SmtpTransport(server.settings, vault=vault)
    transport.deliver(message, to=BOSS)
    with pytest.raises(MailFailed):
        transport.deliver(message, to="gone@example.com")
    transport.deliver(message, to="ops1@example.com")
    transport.close()
    assert [mail.rcpt_tos for mail in server.mailbox.mails] == [[BOSS], ["ops1@example.com"]]


def test_a_dot_alone_on_a_line_ends_no_mail(start_smtp: Any, vault: Vault) -> None:
    server = start_smtp()
    text = ".\r\nmail FROM:<intruder@example.com>\n.\n..\n.hidden\n"
    mail = NewMail(to=BOSS, subject="Dots", text=text)
    transport = SmtpTransport(server.settings, vault=vault)
    at = datetime(2026, 11, 21, tzinfo=UTC)
    transport.deliver(build(mail, from_="ops@example.com", message_id="1.x", date=at), to=BOSS)
    transport.close()
    (arrived,) = server.mailbox.mails
    assert arrived.content.partition(b"\r\n\r\n")[2] == text.replace("\r\n", "\n").replace("\n", "\r\n").encode()


def test_a_server_that_says_yes_before_it_has_the_mail_has_none(
    old_server: OldServer, vault: Vault, message: EmailMessage
) -> None:
    settings = SmtpSettings(host="127.0.0.1", port=old_server.server_address[1], security="none")
    with pytest.raises(MailServerUnavailable, match="250 OK"):
        SmtpTransport(settings, vault=vault).deliver(message, to=BOSS)
    assert not any(b"Subject" in line for line in old_server.heard)


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        ("450 4.2.0 greylisted", False),
        ("451 4.7.1 try again later", False),
        ("452 mailbox full", False),
        ("550 5.1.1 no such user", True),
        ("554 5.7.1 rejected", True),
    ],
)
@pytest.mark.parametrize("stage", ["recipient", "data"])
def test_it_tells_a_refusal_for_now_from_one_for_good(
    stage: str, answer: str, permanent: bool, start_smtp: Any, vault: Vault, message: EmailMessage
) -> None:
    server = start_smtp()
    if stage == "recipient":
        server.mailbox.recipient_answers[BOSS] = [answer]
    else:
        server.mailbox.data_answers.append(answer)
    transport = SmtpTransport(server.settings, vault=vault)
    with pytest.raises(MailFailed, match=answer) as failed:
        transport.deliver(message, to=BOSS)
    transport.close()
    assert failed.value.permanent is permanent
    assert not isinstance(failed.value, MailServerUnavailable)


def test_it_sends_nothing_where_starttls_was_stripped(
    old_server: OldServer, vault: Vault, signed_in: dict[str, Any], message: EmailMessage
) -> None:
    settings = SmtpSettings(host="127.0.0.1", port=old_server.server_address[1], **signed_in)
    with pytest.raises(MailServerUnavailable, match="offers no STARTTLS"):
        SmtpTransport(settings, vault=vault).deliver(message, to=BOSS)
    assert {line.split()[0].upper() for line in old_server.heard} == {b"EHLO"}


@pytest.mark.parametrize("kind", ["starttls", "tls"])
@pytest.mark.parametrize("fault", ["authority nobody trusts", "name of another host"])
def test_it_gives_no_password_to_a_server_it_cannot_prove(
    kind: str,
    fault: str,
    start_smtp: Any,
    certificate: Any,
    strangers_certificate: Any,
    vault: Vault,
    signed_in: dict[str, Any],
    message: EmailMessage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = certificate if fault == "authority nobody trusts" else strangers_certificate
    if fault != "authority nobody trusts":
        monkeypatch.setenv("SSL_CERT_FILE", str(strangers_certificate.authority))
    option = "tls" if kind == "starttls" else "wrapped"
    server = start_smtp(**{option: shown.server_context()}, require_auth=True, **signed_in)
    with pytest.raises(
        MailServerUnavailable, match=r"the certificate is not valid: .*: nothing was sent, no password either"
    ):
        SmtpTransport(server.settings, vault=vault).deliver(message, to=BOSS)
    assert server.mailbox.sign_ins == []
    assert server.mailbox.mails == []


def test_it_takes_any_certificate_only_when_told(
    start_smtp: Any, certificate: Any, vault: Vault, message: EmailMessage
) -> None:
    server = start_smtp(tls=certificate.server_context(), verify=False)
    transport = SmtpTransport(server.settings, vault=vault)
    transport.deliver(message, to=BOSS)
    transport.close()
    assert len(server.mailbox.mails) == 1


def test_it_connects_to_no_other_machine_without_encryption(vault: Vault, message: EmailMessage) -> None:
    settings = SmtpSettings(host="192.0.2.1", port=25, security="none")
    with pytest.raises(MailServerUnavailable, match="for loopback only"):
        SmtpTransport(settings, vault=vault).deliver(message, to=BOSS)


def test_it_keeps_the_mail_when_the_sign_in_is_refused(
    start_smtp: Any, trusted: Any, vault: Vault, message: EmailMessage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WRONG", "not the password")
    server = start_smtp(
        tls=trusted.server_context(), require_auth=True, username="ops", password=SecretRef(env="WRONG")
    )
    with pytest.raises(MailServerUnavailable, match="the sign-in was refused: 535") as failed:
        SmtpTransport(server.settings, vault=vault).deliver(message, to=BOSS)
    assert not failed.value.permanent
    assert "not the password" not in failed.value.message


def test_it_keeps_the_mail_when_the_password_cannot_be_read(
    start_smtp: Any, trusted: Any, vault: Vault, message: EmailMessage
) -> None:
    server = start_smtp(
        tls=trusted.server_context(), require_auth=True, username="ops", password=SecretRef(file="nowhere")
    )
    with pytest.raises(MailServerUnavailable, match=r"secret \{file: nowhere\}"):
        SmtpTransport(server.settings, vault=vault).deliver(message, to=BOSS)


def test_it_masks_a_password_that_a_server_repeats(
    start_smtp: Any, vault: Vault, signed_in: dict[str, Any], message: EmailMessage
) -> None:
    server = start_smtp(require_auth=True, **signed_in)
    server.mailbox.data_answers.append(f"554 did you say {PASSWORD}?")
    transport = SmtpTransport(server.settings, vault=vault)
    with pytest.raises(MailFailed, match="did you say ••••") as failed:
        transport.deliver(message, to=BOSS)
    transport.close()
    assert PASSWORD not in failed.value.message


def test_it_says_so_when_nobody_listens(closed_port: int, vault: Vault, message: EmailMessage) -> None:
    settings = SmtpSettings(host="127.0.0.1", port=closed_port, security="none")
    with pytest.raises(MailServerUnavailable, match=rf"^127\.0\.0\.1:{closed_port}: Connection refused$"):
        SmtpTransport(settings, vault=vault).deliver(message, to=BOSS)


def test_it_does_not_wait_for_ever(old_server: OldServer, vault: Vault, message: EmailMessage) -> None:
    old_server.greeting = b""
    settings = SmtpSettings(host="127.0.0.1", port=old_server.server_address[1], security="none", timeout_seconds=0.2)
    with pytest.raises(MailServerUnavailable, match=r"no answer within 0\.2 s"):
        SmtpTransport(settings, vault=vault).deliver(message, to=BOSS)


def test_it_opens_another_connection_when_the_server_hung_up_meanwhile(
    start_smtp: Any, vault: Vault, message: EmailMessage
) -> None:
    first = start_smtp()
    transport = SmtpTransport(first.settings, vault=vault)
    transport.deliver(message, to=BOSS)
    first.stop()
    second = start_smtp(port=first.settings.port)
    transport.deliver(message, to=BOSS)
    transport.close()
    assert (len(first.mailbox.mails), len(second.mailbox.mails)) == (1, 1)
