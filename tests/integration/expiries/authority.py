"""Certificates made for a test: an authority, what it signs, and servers that show them in every way to TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLAIN = serialization.NoEncryption()


@dataclass(frozen=True, kw_only=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, PLAIN)


def make(
    name: str,
    *,
    by: Made | None = None,
    names: tuple[str, ...] = (),
    days: tuple[float, float] = (-10, 90),
    is_authority: bool = False,
) -> Made:
    """Make a certificate; without `by` it signs itself, `days` are from NOW, an address may stand among the names."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names:
        built = built.add_extension(x509.SubjectAlternativeName([_general(one) for one in names]), critical=False)
    return Made(certificate=built.sign(by.key if by else key, hashes.SHA256()), key=key)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def context(folder: Path, server: Made, *chain: Made) -> ssl.SSLContext:
    """Return the context of a server that shows a certificate and what stands behind it."""
    path = folder / f"{server.certificate.serial_number:x}.pem"
    path.write_bytes(b"".join([server.pem(), *(one.pem() for one in chain), server.key_pem()]))
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(path)
    return made


Talk = Callable[[socket.socket], None]
"""What a server says in the open before TLS; nothing for TLS at once."""


def line(connection: socket.socket) -> bytes:
    heard = b""
    while not heard.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return heard
        heard += byte
    return heard


def imap(connection: socket.socket) -> None:
    connection.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n")
    tag = line(connection).split()[0]
    connection.sendall(b"* a word in between\r\n" + tag + b" OK begin\r\n")


def pop3(connection: socket.socket) -> None:
    connection.sendall(b"+OK ready\r\n")
    line(connection)
    connection.sendall(b"+OK begin\r\n")


def smtp(connection: socket.socket) -> None:
    connection.sendall(b"220-mail\r\n220 ready\r\n")
    line(connection)
    connection.sendall(b"250-mail\r\n250 STARTTLS\r\n")
    line(connection)
    connection.sendall(b"220 begin\r\n")


class TlsServer:
    """A server on loopback; each connection is shaken hands with and closed. `asked_for` are the names of SNI."""

    def __init__(self, secure: ssl.SSLContext | None, talk: Talk | None = None) -> None:
        self._secure, self._talk = secure, talk
        self.asked_for: list[str | None] = []
        if secure is not None:
            secure.sni_callback = lambda _socket, name, _context: self.asked_for.append(name)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def show(self, secure: ssl.SSLContext) -> None:
        """Show another certificate from now on."""
        self._secure = secure

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with connection, suppress(OSError):
                connection.settimeout(5)
                if self._talk:
                    self._talk(connection)
                if self._secure:
                    with self._secure.wrap_socket(connection, server_side=True) as shaken:
                        shaken.recv(1)
