"""The step `http` and the certificates of servers."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome

Runner = Callable[..., Outcome]
SECRET = "canary-5up3r-s3cret"


class Authority:
    """A certificate authority of our own, and servers' contexts signed by it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self.file = folder / "authority.pem"
        certificate = self._sign(self._name, self._key.public_key(), days=30, is_authority=True)
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, *, days: float, address: str = "127.0.0.1", by_itself: bool = False) -> ssl.SSLContext:
        """Return the context of a server whose certificate ends in `days`."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "<script>alert(1)</script>")])
        certificate = self._sign(name, key.public_key(), days=days, address=address, signer=key if by_itself else None)
        path = self._folder / f"server-{days}-{address}-{by_itself}.pem"
        path.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(
        self,
        name: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        *,
        days: float,
        address: str = "127.0.0.1",
        is_authority: bool = False,
        signer: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name if signer else self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(alternative, critical=False)
            .sign(signer or self._key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """Let the machine trust an authority of our own."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


def test_it_counts_the_days_that_a_certificate_has_left(
    ask: Runner, start_web: Callable[..., Any], authority: Authority
) -> None:
    server = start_web(authority.context(days=20.5))
    outcome = ask(get=server.url(), expect={"certificate_days": 14})
    assert outcome.facts["certificate_days"] == 20
    with pytest.raises(StepFailed, match="the certificate ends in 20 days, fewer than 21"):
        ask(get=server.url(), expect={"certificate_days": 21})


BAD = [
    pytest.param({"days": -1}, "the certificate is not valid: certificate has expired", id="expired"),
    pytest.param({"days": 20, "address": "127.0.0.9"}, "the certificate is not valid: IP address mismatch", id="host"),
    pytest.param({"days": 20, "by_itself": True}, "the certificate is not valid: self-signed certificate", id="self"),
]


@pytest.mark.parametrize(("certificate", "message"), BAD)
def test_it_refuses_a_bad_certificate_before_it_tells_anything(
    ask: Runner, start_web: Callable[..., Any], authority: Authority, certificate: dict[str, Any], message: str
) -> None:
    server = start_web(authority.context(**certificate))
    with pytest.raises(StepFailed) as caught:
        ask(post=server.url(), headers={"Authorization": "Basic x"}, body="x")
    assert message in str(caught.value)
    assert caught.value.status == "failed"
    assert server.seen == []


def test_it_takes_any_certificate_only_where_that_is_asked_for(
    ask: Runner, start_web: Callable[..., Any], authority: Authority
) -> None:
    server = start_web(authority.context(days=-0.5, by_itself=True))
    outcome = ask(get=server.url(), verify=False)
    assert (outcome.facts["status_code"], outcome.facts["certificate_days"]) == (200, -1)


def test_it_says_that_a_server_speaks_no_tls(ask: Runner, web: Any) -> None:
    with pytest.raises(StepFailed, match="TLS failed: "):
        ask(get=web.url().replace("http:", "https:"))


def test_it_takes_no_secret_along_from_https_to_http(
    ask: Runner, start_web: Callable[..., Any], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUR_SECRET", SECRET)
    sealed, open_ = start_web(authority.context(days=20)), start_web()
    sealed.pages["/down"] = (307, {"Location": open_.url()}, b"")
    headers = {"Authorization": SECRET, "Cookie": SECRET, "X-Key": {"env": "OUR_SECRET"}}
    ask(get=sealed.url("/down"), headers=headers)
    assert sealed.seen[0][2]["X-Key"] == SECRET
    (_, path, told, body) = open_.seen[0]
    assert SECRET not in repr((path, told, body))
    with pytest.raises(StepFailed, match="redirects what was sent to another host"):
        ask(post=sealed.url("/down"), headers=headers, body=SECRET)
    assert len(open_.seen) == 1


def test_it_leaves_a_server_that_draws_out_its_answer_within_tls(ask: Runner, authority: Authority) -> None:
    """TLS takes the socket over, and the time that a read may take begins anew with each byte."""
    was_left = threading.Event()

    def serve(listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
            with authority.context(days=20).wrap_socket(connection, server_side=True) as sealed:
                sealed.recv(65536)
                while True:
                    sealed.sendall(b"H")
                    time.sleep(0.05)
        except OSError:
            was_left.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with pytest.raises(StepFailed, match="no full answer within 1 s"):
            ask(get=f"https://127.0.0.1:{listener.getsockname()[1]}/", timeout="1s")
        assert was_left.wait(20)
        thread.join()
