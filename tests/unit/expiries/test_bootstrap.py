"""Which server answers for which top-level domain (RFC 9224)."""

from __future__ import annotations

import json

import pytest

from opsrunner.errors import StepFailed
from opsrunner.expiries.bootstrap import PACKAGED_OF, base_for, is_trusted, packaged, read_bootstrap

LIST = {
    "version": "1.0",
    "publication": "2026-11-01T00:00:00Z",
    "services": [
        [["com", "NET"], ["http://rdap.example.com/", "https://rdap.example.com/v1/"]],
        [["xn--p1ai", "рф"], ["https://rdap.example.ru/"]],
        [["mg"], ["http://rdap.nic.mg/"]],
        [["co.uk"], ["https://rdap.example.uk/co/"]],
        [["uk"], ["https://rdap.example.uk/"]],
        [[7, "x y"], ["https://rdap.example.org/"]],
    ],
}


def test_the_first_address_with_tls_is_taken() -> None:
    found = read_bootstrap(json.dumps(LIST))
    assert found["com"] == found["net"] == "https://rdap.example.com/v1/"
    assert found["xn--p1ai"] == "https://rdap.example.ru/"
    assert "mg" not in found  # what it answered could be anybody's


def test_the_longest_suffix_decides_and_none_is_told() -> None:
    found = {**read_bootstrap(json.dumps(LIST)), "de": None}
    assert base_for("shop.co.uk", found) == "https://rdap.example.uk/co/"
    assert base_for("shop.org.uk", found) == "https://rdap.example.uk/"
    assert base_for("shop.de", found) is None
    with pytest.raises(KeyError, match="eu"):
        base_for("shop.eu", found)
    with pytest.raises(KeyError):
        base_for("uk", found)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"services": 7}', '{"services": [1]}', '{"services": []}', "[" * 100_000]
)
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(StepFailed, match="list of RDAP servers"):
        read_bootstrap(text)


def test_the_packaged_part_is_dated_and_all_of_it_is_over_tls() -> None:
    found = packaged()
    assert len(found) > 150
    assert PACKAGED_OF.startswith("20")
    assert all(is_trusted(base) and base.endswith("/") for base in found.values())
    assert found["no"] == "https://rdap.norid.no/"


@pytest.mark.parametrize(
    ("address", "trusted"),
    [
        ("https://rdap.norid.no/", True),
        ("http://rdap.norid.no/", False),
        ("http://127.0.0.1:8080/", True),
        ("http://[::1]/", True),
        ("http://localhost/", True),
        ("http://localhost.example.com/", False),
        ("https://me:secret@rdap.norid.no/", False),
        ("ftp://rdap.norid.no/", False),
        ("//rdap.norid.no/", False),
        ("https://", False),
        ("https://x:99999/", False),
        ("https://[::1", False),
        ("file:///etc/passwd", False),
    ],
)
def test_only_what_is_told_over_tls_or_by_this_machine_is_believed(address: str, trusted: bool) -> None:
    assert is_trusted(address) is trusted
