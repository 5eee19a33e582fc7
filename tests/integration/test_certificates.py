"""Every way to a server, and every certificate that proves nothing: refused before anything is told (C44)."""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from opsrunner.clock import SystemClock
from opsrunner.engine.heartbeat import Pinger
from opsrunner.errors import MailServerUnavailable, StepFailed, StoreFailed
from opsrunner.mail.smtp import SmtpTransport
from opsrunner.model.site import Heartbeat, SmtpSettings, Source
from opsrunner.model.store import S3Store
from opsrunner.secrets import SecretRef, Vault
from opsrunner.sources.http_json import open_http_json
from opsrunner.sources.request import Request
from opsrunner.steps import http
from opsrunner.steps.base import Catalogue, HostRunner, Means, StepCall
from opsrunner.steps.http_request import Options
from opsrunner.stores import s3

NOW = datetime.now(UTC)
SECRET = "canary-5up3r-s3cret"
PURPOSES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
NO_PURPOSE = dict.fromkeys((*PURPOSES, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
Way = Callable[[str, int, Path], str]
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True, kw_only=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        plain = serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def make(
    name: str,
    *,
    by: Made | None,
    names: tuple[str, ...] = (),
    addresses: tuple[str, ...] = (),
    days: tuple[float, float] = (-1, 20),
    is_authority: bool = False,
    more: tuple[x509.ExtensionType, ...] = (),
    key: Key | None = None,
) -> Made:
    """Make a certificate; `by` None signs it by itself, `days` are from now."""
    own = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    alternatives: list[x509.GeneralName] = [x509.DNSName(one) for one in names]
    alternatives += [x509.IPAddress(ip_address(one)) for one in addresses]
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if alternatives:
        built = built.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    for extension in more:
        built = built.add_extension(extension, critical=True)
    return Made(certificate=built.sign(by.key if by else own, hashes.SHA256()), key=own)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a server shows, and by which name it is asked for."""

    server: Made
    chain: tuple[Made, ...] = ()
    host: str = "127.0.0.1"

    def context(self, folder: Path) -> ssl.SSLContext:
        path = folder / "server.pem"
        path.write_bytes(b"".join([self.server.pem(), *(one.pem() for one in self.chain), self.server.key_pem()]))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_cert_chain(path)
        return context


HERE = ("127.0.0.1",)
ROOT = make("Our authority", by=None, is_authority=True)
STRANGER = make("Our authority", by=None, is_authority=True)
BETWEEN = make("Our authority, house 2", by=ROOT, is_authority=True)
LEAF = make("a customer's server", by=ROOT, addresses=HERE)
FOR_CLIENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
FOR_SIGNING = x509.KeyUsage(**{**NO_PURPOSE, "key_cert_sign": True})
FOR_NOTHING_HERE = x509.NameConstraints(permitted_subtrees=[x509.DNSName("elsewhere.example")], excluded_subtrees=None)
CONSTRAINED = make("Authority for elsewhere", by=ROOT, is_authority=True, more=(FOR_NOTHING_HERE,))

GOOD = [
    pytest.param(Shown(server=LEAF), id="address"),
    pytest.param(Shown(server=make("x", by=ROOT, names=("localhost",)), host="localhost"), id="name"),
    pytest.param(Shown(server=make("x", by=BETWEEN, addresses=HERE), chain=(BETWEEN,)), id="whole chain"),
]
NOBODY = "unable to get local issuer certificate (signed by nobody we trust"
BAD = [
    pytest.param(Shown(server=make("x", by=ROOT, addresses=HERE, days=(-9, -1))), "has expired", id="expired"),
    pytest.param(Shown(server=make("x", by=ROOT, addresses=HERE, days=(1, 9))), "not yet valid", id="not yet"),
    pytest.param(Shown(server=make("x", by=ROOT, names=("a.example",)), host="localhost"), "Hostname mis", id="name"),
    pytest.param(Shown(server=make("x", by=ROOT, addresses=("127.0.0.9",))), "IP address mis", id="other address"),
    pytest.param(Shown(server=make("x", by=ROOT, names=("localhost",))), "IP address mis", id="name for an address"),
    pytest.param(Shown(server=make("x", by=ROOT, names=HERE)), "IP address mis", id="address written as a name"),
    pytest.param(Shown(server=LEAF, host="localhost"), "Hostname mis", id="address for a name"),
    pytest.param(Shown(server=make("localhost", by=ROOT), host="localhost"), "Hostname mis", id="common name only"),
    pytest.param(
        Shown(server=make("localhost", by=ROOT, names=("*",)), host="localhost"), "Hostname mis", id="star for all"
    ),
    pytest.param(Shown(server=make("x", by=None, addresses=HERE)), "self-signed certificate", id="self-signed"),
    pytest.param(Shown(server=make("x", by=STRANGER, addresses=HERE)), "certificate", id="forged authority"),
    pytest.param(
        Shown(server=make("x", by=STRANGER, addresses=HERE), chain=(STRANGER,)), "certificate", id="it brings its own"
    ),
    pytest.param(Shown(server=make("x", by=BETWEEN, addresses=HERE)), NOBODY, id="incomplete chain"),
    pytest.param(
        Shown(server=make("x", by=LEAF, addresses=HERE), chain=(LEAF,)), "invalid CA certificate", id="no authority"
    ),
    pytest.param(
        Shown(server=make("x", by=CONSTRAINED, addresses=HERE, names=("localhost",)), chain=(CONSTRAINED,)),
        "permitted subtree violation",
        id="not for us to vouch for",
    ),
    pytest.param(
        Shown(server=make("x", by=ROOT, addresses=HERE, more=(FOR_CLIENTS,))), "certificate purpose", id="for clients"
    ),
    pytest.param(
        Shown(server=make("x", by=ROOT, addresses=HERE, more=(FOR_SIGNING,))), "certificate purpose", id="for signing"
    ),
    pytest.param(
        Shown(server=make("x", by=ROOT, addresses=HERE, key=rsa.generate_private_key(65537, 1024))),
        "key too weak",
        id="weak key",
    ),
]


class Server:
    """Listens with TLS, at once or after STARTTLS, and keeps what it was told inside and outside of it."""

    def __init__(self, context: ssl.SSLContext, way: Way) -> None:
        self._context, self._way = context, way
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self.port: int = self._listener.getsockname()[1]
        self.told, self.told_openly = b"", b""

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            connection.settimeout(5)
            with connection:
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._way is mail_by_starttls:
            for answer in (b"220 here\r\n", b"250-here\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n", b"220 go on\r\n"):
                connection.sendall(answer)
                if not answer.startswith(b"220 go"):
                    self.told_openly += connection.recv(4096)
        with self._context.wrap_socket(connection, server_side=True) as encrypted:
            if self._way is mail_at_once:
                encrypted.sendall(b"220 here\r\n")
            self.told += encrypted.recv(4096)


def ask_by_http(host: str, port: int, root: Path) -> str:
    headers = {"Authorization": SECRET, "X-Key": SECRET}
    options = Options.model_validate({"post": f"https://{host}:{port}/", "headers": headers, "body": SECRET})
    means = Means(
        clock=SystemClock(),
        vault=Vault(root),
        stopping=threading.Event(),
        hosts={},
        fleet=cast("HostRunner", None),
        sources={},
        read_source=lambda _source, _options: (),
        send=lambda _mails: None,
        copies=cast("Catalogue", None),
        note=lambda _note: None,
    )
    call = StepCall(
        run_id=1,
        run_token="x",
        routine="orders",
        step="http",
        options=options,
        timeout_seconds=5,
        site_root=root,
        workdir=root,
        output=root / "output.log",
        output_limit_bytes=1000,
    )
    return said(lambda: http.run(call, means))


def read_source(host: str, port: int, root: Path) -> str:
    where = {"url": f"https://{host}:{port}/{SECRET}", "headers": {"Authorization": SECRET}}
    source = Source(name="orders", kind="http_json", where=where)
    return said(lambda: open_http_json(source, Request(vault=Vault(root), site_root=root, now=NOW)).__enter__())


def ping(host: str, port: int, root: Path) -> str:
    heartbeat = Heartbeat(url=f"https://boss:{SECRET}@{host}:{port}/{SECRET}")
    return Pinger(lambda: heartbeat, vault=Vault(root), clock=SystemClock())._try(heartbeat)


def mail_at_once(host: str, port: int, root: Path) -> str:
    return mail(host, port, root, security="tls")


def mail_by_starttls(host: str, port: int, root: Path) -> str:
    return mail(host, port, root, security="starttls")


def mail(host: str, port: int, root: Path, **settings: Any) -> str:
    (root / "password").write_text(SECRET)
    (root / "password").chmod(0o600)
    known: dict[str, Any] = {"host": host, "port": port, "username": "ops", "password": SecretRef(file="password")}
    return said(SmtpTransport(SmtpSettings(**known, **settings), vault=Vault(root)).reach)


def list_bucket(host: str, port: int, root: Path) -> str:
    settings = S3Store(
        bucket="backups",
        endpoint=f"https://{host}:{port}",
        access_key=SecretRef(env="S3_KEY"),
        secret_key=SecretRef(env="S3_SECRET"),
    )
    with s3.S3Bucket(settings, access_key=SECRET, secret_key=SECRET) as store:
        return said(lambda: list(store.list()))


def said(act: Callable[[], object]) -> str:
    try:
        act()
    except (StepFailed, MailServerUnavailable, StoreFailed) as exc:
        return exc.message
    return ""


WAYS = [ask_by_http, read_source, ping, mail_at_once, mail_by_starttls, list_bucket]


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Server]]:
    """Start a server that shows a certificate, on a machine that trusts our authority."""
    (tmp_path / "authority.pem").write_bytes(ROOT.pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setattr(s3, "TRIES", 1)
    monkeypatch.setattr(s3, "CONNECT_SECONDS", 5)
    started: list[Server] = []

    def start(context: ssl.SSLContext, way: Way) -> Server:
        started.append(Server(context, way))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shown", GOOD)
def test_a_good_certificate_is_told_what_there_is_to_tell(
    way: Way, shown: Shown, show: Callable[..., Server], tmp_path: Path
) -> None:
    server = show(shown.context(tmp_path), way)
    way(shown.host, server.port, tmp_path)
    server.close()
    assert server.told


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("shown", "reason"), BAD)
def test_a_bad_certificate_is_named_and_told_nothing(
    way: Way, shown: Shown, reason: str, show: Callable[..., Server], tmp_path: Path
) -> None:
    server = show(shown.context(tmp_path), way)
    refused = way(shown.host, server.port, tmp_path)
    server.close()
    assert re.search(r"the certificate (is not valid|of \S+ is refused): ", refused)
    assert reason in refused
    assert "\n" not in refused
    assert SECRET not in refused
    assert "may have acted" not in refused
    assert server.told == b""
    assert set(server.told_openly.upper().split()[::2]) <= {b"EHLO", b"STARTTLS"}
    assert SECRET.encode() not in server.told_openly


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_an_old_protocol_is_named_and_told_nothing(
    way: Way, version: ssl.TLSVersion, show: Callable[..., Server], tmp_path: Path
) -> None:
    context = Shown(server=LEAF).context(tmp_path)
    context.minimum_version = context.maximum_version = version
    server = show(context, way)
    refused = way("127.0.0.1", server.port, tmp_path)
    server.close()
    assert "TLS failed: nothing newer than TLS 1.1 is spoken there" in refused
    assert server.told == b""


def lead_on(listener: socket.socket) -> None:
    """Be a proxy for one connection: lead it where it asks to be led."""
    line, _ = listener.accept()
    with line, suppress(OSError):
        host, _, port = line.recv(4096).split()[1].decode().partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as beyond:
            line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while ready := select.select([line, beyond], [], [], 5)[0]:
                for source in ready:
                    data = source.recv(65_536)
                    if not data:
                        return
                    (beyond if source is line else line).sendall(data)


@pytest.mark.parametrize("is_good", [True, False])
def test_a_bucket_behind_a_proxy_has_to_prove_its_name_too(
    show: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_good: bool
) -> None:
    names = ("localhost",) if is_good else ()
    server = show(Shown(server=make("localhost", by=ROOT, names=names)).context(tmp_path), list_bucket)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "")
        leading = threading.Thread(target=lead_on, args=(listener,))
        leading.start()
        refused = list_bucket("localhost", server.port, tmp_path)
        leading.join()
    server.close()
    assert ("Hostname mismatch" in refused, bool(server.told)) == (not is_good, is_good)
