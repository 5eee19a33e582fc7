"""A bucket behind TLS."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from opsrunner.errors import StoreFailed

from ...seaweed import SECRET_KEY
from .conftest import PART_BYTES, BucketMaker
from .contract import NAME, got, names, put
from .door import Door

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("small_parts")]
THREE_PARTS = random.Random(3).randbytes(2 * PART_BYTES + 5)


@pytest.mark.usefixtures("no_patience")
def test_nothing_is_sent_to_a_server_whose_certificate_is_refused(make_store: BucketMaker, sealed_door: Door) -> None:
    with make_store(endpoint=sealed_door.endpoint) as store:
        for act in (
            lambda: store.begin(NAME),
            lambda: names(store),
            lambda: got(store, NAME),
            lambda: store.find(NAME),
            lambda: store.remove(NAME),
        ):
            with pytest.raises(
                StoreFailed, match=r"^the certificate of 127.* is refused: self.signed certificate"
            ) as seen:
                act()
            assert seen.value.permanent
    assert sealed_door.requests == [], "no header, and so no key, has left us"


def test_a_certificate_is_not_looked_at_where_the_site_says_so(make_store: BucketMaker, sealed_door: Door) -> None:
    with make_store(endpoint=sealed_door.endpoint, verify=False) as store:
        put(store, NAME, THREE_PARTS)
        assert got(store, NAME) == THREE_PARTS
    bodies = [request.headers["X-Amz-Content-SHA256"] for request in sealed_door.requests if request.part]
    assert bodies == ["UNSIGNED-PAYLOAD"] * 3, "TLS guards the bytes, and their CRC32 is signed"


def test_an_authority_of_the_machine_is_trusted(
    make_store: BucketMaker, sealed_door: Door, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with make_store(endpoint=sealed_door.endpoint) as store:
        put(store, NAME, b"x")
        assert got(store, NAME) == b"x"


@pytest.mark.usefixtures("no_patience")
def test_plain_text_where_tls_was_asked_for_is_no_matter_of_certificates(make_store: BucketMaker, door: Door) -> None:
    store = make_store(endpoint=door.endpoint.replace("http:", "https:"))
    with pytest.raises(StoreFailed, match="TLS failed: something else is spoken there"):
        store.begin(NAME)


def test_a_secret_is_in_no_message_and_in_no_request(make_store: BucketMaker, door: Door) -> None:
    with make_store(endpoint=door.endpoint) as store:
        put(store, NAME, b"x")
    assert SECRET_KEY not in repr(door.requests)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("s3-part")]
