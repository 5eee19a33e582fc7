"""Bodies are signed wherever somebody could change them on the way."""

from __future__ import annotations

import pytest

from opsrunner.stores.s3_signing import signs_bodies

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("endpoint", "signs"),
    [
        ("https://s3.example.com", False),
        ("http://s3.example.com", True),
        ("http://10.0.0.7:8333", True),
        ("http://127.0.0.1:8333", False),
        ("http://127.8.8.8", False),
        ("http://[::1]:8333", False),
        ("http://localhost:8333", False),
        ("http://localhost.example.com", True),
        ("http://127.0.0.1.example.com", True),
        ("http://127.0.0.1@example.com", True),
        ("http://0.0.0.0:8333", True),
    ],
)
def test_a_body_is_signed_where_neither_tls_nor_this_machine_guards_it(endpoint: str, signs: bool) -> None:
    assert signs_bodies(endpoint) is signs


def test_a_proxy_in_front_of_this_machine_is_somebody_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example.com:3128")
    assert signs_bodies("http://127.0.0.1:8333")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert not signs_bodies("http://127.0.0.1:8333")
