"""A real SMTP server in a thread, with certificates made for the day."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opsrunner.model.site import SmtpSettings
from opsrunner.secrets import SecretRef, Vault

from ...mail_house import MailHouse, keeping_house

USER, PASSWORD = "ops", "correct horse battery"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate authority of our own, and what it signed for 127.0.0.1."""

    authority: Path
    chain: Path
    key: Path

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), names=["localhost"], addresses=["127.0.0.1"])


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The certificate, signed by an authority that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.authority))
    return certificate


@pytest.fixture(scope="session")
def strangers_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Signed by our authority, for another host."""
    return make_certificate(tmp_path_factory.mktemp("other"), names=["elsewhere.example"], addresses=[])


def make_certificate(folder: Path, *, names: list[str], addresses: list[str]) -> Certificate:
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
    authority = (
        builder(issuer, issuer, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    alternatives += [x509.IPAddress(ip_address(address)) for address in addresses]
    leaf = (
        builder(subject, issuer, key.public_key())
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    made = Certificate(authority=folder / "ca.pem", chain=folder / "mail.pem", key=folder / "mail.key")
    made.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    made.chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


def builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


@dataclass
class Mailbox:
    """What the server took, and how it is told to answer."""

    mails: list[Envelope] = field(default_factory=list)
    recipient_answers: dict[str, list[str]] = field(default_factory=dict)
    """Answers to RCPT of an address, one a try; then it is taken."""
    data_answers: list[str] = field(default_factory=list)
    connections: int = 0
    tries: int = 0
    sign_ins: list[tuple[bytes, bytes]] = field(default_factory=list)

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 0 if getattr(session, "counted", False) else 1
        session.counted = True  # type: ignore[attr-defined]
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.tries += 1
        answers = self.recipient_answers.get(address, [])
        if answers:
            return answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.data_answers:
            return self.data_answers.pop(0)
        self.mails.append(envelope)
        return "250 OK"

    def sign_in(self, server: Any, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.sign_ins.append((given.login, given.password))
        right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)


@dataclass(frozen=True, kw_only=True)
class SmtpServer:
    """A server that runs, and the settings that reach it."""

    mailbox: Mailbox
    settings: SmtpSettings
    stop: Callable[[], None]


ServerMaker = Callable[..., SmtpServer]


@pytest.fixture
def start_smtp() -> Iterator[ServerMaker]:
    """Start servers on free ports of loopback; `tls` is a context for STARTTLS, `wrapped` for TLS at once."""
    controllers: list[Controller] = []

    def start(
        mailbox: Mailbox | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        wrapped: ssl.SSLContext | None = None,
        require_auth: bool = False,
        port: int = 0,
        **settings: Any,
    ) -> SmtpServer:
        box = mailbox or Mailbox()
        auth: dict[str, Any] = {"authenticator": box.sign_in, "auth_required": True} if require_auth else {}
        controller = Controller(
            box,
            hostname="127.0.0.1",
            port=port or free_port(),
            ssl_context=wrapped,
            tls_context=tls,
            require_starttls=tls is not None,
            auth_require_tls=False,
            data_size_limit=50_000_000,
            **auth,
        )
        controller.start()
        controllers.append(controller)
        security = "tls" if wrapped else "starttls" if tls else "none"
        known = {"host": "127.0.0.1", "port": controller.port, "security": security, "timeout_seconds": 5}
        return SmtpServer(mailbox=box, settings=SmtpSettings(**{**known, **settings}), stop=stop_of(controller))

    def stop_of(controller: Controller) -> Callable[[], None]:
        def stop() -> None:
            controllers.remove(controller)
            controller.stop()

        return stop

    yield start
    for controller in controllers:
        controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def held_port() -> tuple[socket.socket, int]:
    """Keep a port of loopback: nobody is given it, and who sets SO_REUSEADDR may listen there all the same."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held, int(held.getsockname()[1])


def port_for_ever() -> int:
    """Return a port that nobody else is given as long as this process lives."""
    held, port = held_port()
    held.detach()
    return port


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of loopback on which nobody listens."""
    held, port = held_port()
    with held:
        yield port


@pytest.fixture(scope="session")
def pick_port() -> Callable[[], int]:
    """Give free ports of loopback to servers that cannot pick one themselves."""
    return port_for_ever


@pytest.fixture(scope="session")
def mail_house(certificate: Certificate, pick_port: Callable[[], int]) -> Iterator[MailHouse]:
    """A real Postfix and Dovecot with a few mailboxes, all with PASSWORD. Mark tests with mail_house.NEEDS."""
    people = ("boss", "owner", "ops1", "ops", "kari", "ola", "everyone")
    with keeping_house(certificate, pick_port, users={f"{name}@example.com": PASSWORD for name in people}) as house:
        yield house


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """A vault that holds the right password in a file."""
    secret = tmp_path / "smtp-password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    return Vault(tmp_path)


@pytest.fixture
def signed_in() -> dict[str, Any]:
    """Settings with the right name and password."""
    return {"username": USER, "password": SecretRef(file="smtp-password")}
