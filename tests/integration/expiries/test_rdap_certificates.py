"""C44: whoever answers for a registry has to show a certificate that is valid for its name."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from opsrunner.clock import SystemClock
from opsrunner.expiries.rdap import RdapClient, Said

from .authority import Made, context, make
from .registry import Registry, send

BAD = [
    pytest.param({"names": ("elsewhere.example",)}, id="another's name"),
    pytest.param({"names": ("127.0.0.1",), "days": (-20, -10)}, id="ended"),
    pytest.param({"names": ("127.0.0.1",), "by": None}, id="signed by itself"),
]


def ask(url: str) -> Said:
    return RdapClient(clock=SystemClock(), stopping=threading.Event(), one_seconds=5).ask("a.no", url)


@pytest.fixture
def secure(registry: Registry, tmp_path: Path) -> Any:
    """Let the registry speak TLS with a certificate, and return its address."""
    registry.domains["a.no"] = "2026-12-01T10:00:00Z"

    def wrap(server: Made) -> str:
        registry.wrap(context(tmp_path, server))
        return registry.url.replace("http:", "https:")

    return wrap


@pytest.mark.parametrize("way", ["asked", "sent there"])
@pytest.mark.parametrize("certificate", BAD)
def test_a_registry_with_a_bad_certificate_is_refused_and_hears_no_question(
    registry: Registry, secure: Any, trusted: Made, certificate: dict[str, Any], way: str
) -> None:
    """Neither the one that is asked is believed, nor one to which another sends."""
    url = secure(make("A registry", **{"by": trusted, "days": (-10, 3000), **certificate}))
    first = Registry(behave=lambda handler, name: send(handler, 302, Location=f"{url}domain/{name}"))
    try:
        said = ask(first.url if way == "sent there" else url)
    finally:
        first.close()

    assert (said.answer, said.is_fault) == (None, True)
    assert said.failure.startswith("127.0.0.1: the certificate is not valid: ")
    assert registry.asked == []


def test_a_registry_with_a_good_certificate_is_believed(secure: Any, trusted: Made) -> None:
    said = ask(secure(make("A registry", by=trusted, names=("127.0.0.1",), days=(-10, 3000))))

    assert said.answer is not None
    assert said.answer.ends_at is not None
