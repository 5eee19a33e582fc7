"""An authority that this machine trusts, servers that show its certificates, and a registry on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .authority import Made, TlsServer, make
from .registry import Registry


@pytest.fixture(scope="session")
def authority() -> Made:
    return make("Our authority", is_authority=True, days=(-1000, 3000))


@pytest.fixture
def trusted(authority: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """The authority, trusted by this machine."""
    path = tmp_path / "authority.pem"
    path.write_bytes(authority.pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return authority


@pytest.fixture
def serve() -> Iterator[Callable[..., TlsServer]]:
    """Start servers that end with the test."""
    started: list[TlsServer] = []

    def start(*arguments: object) -> TlsServer:
        started.append(TlsServer(*arguments))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry that answers as a test says, and keeps count."""
    server = Registry()
    yield server
    server.close()
