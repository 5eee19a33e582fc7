"""A real S3 server on loopback, and a door in front of it that can be made to misbehave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from opsrunner.model.store import S3Store
from opsrunner.secrets import SecretRef
from opsrunner.stores import s3, s3_upload
from opsrunner.stores.s3 import S3Bucket

from .certificates import context_by_itself
from .door import Door
from .seaweed import ACCESS_KEY, SECRET_KEY, S3Server, serving

PART_BYTES = 5 << 20
"""The smallest parts that S3 knows: what breaks does not ask for large ones."""
BucketMaker = Callable[..., S3Bucket]


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS; tests that use it bear xdist_group("s3"), so that one worker starts it. Several may, side by side."""
    with serving(tmp_path_factory.mktemp("s3")) as server:
        yield server


_numbers = count(1)


@pytest.fixture(scope="session")
def bucket(s3_server: S3Server) -> str:
    """The name of a bucket for all tests: a new one takes SeaweedFS a second, and volumes."""
    s3_server.client.create_bucket(Bucket="copies")
    return "copies"


@pytest.fixture
def prefix() -> str:
    """What the keys of this test alone begin with."""
    return f"test-{next(_numbers)}"


@pytest.fixture
def make_store(s3_server: S3Server, bucket: str, prefix: str) -> Iterator[BucketMaker]:
    """Open the test's part of the bucket, by another `endpoint`, with another key."""
    opened: list[S3Bucket] = []

    def make(*, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY, **changes: Any) -> S3Bucket:
        keys = {"access_key": SecretRef(env="KEY"), "secret_key": SecretRef(env="SECRET")}
        settings = S3Store(**{"bucket": bucket, "prefix": prefix, "endpoint": s3_server.endpoint, **keys, **changes})
        opened.append(S3Bucket(settings, access_key=access_key, secret_key=secret_key))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def door(s3_server: S3Server) -> Iterator[Door]:
    """A door in front of the server; its rules are the test's."""
    made = Door(s3_server.port)
    yield made
    made.close()


@pytest.fixture
def sealed_door(s3_server: S3Server, tmp_path: Path) -> Iterator[Door]:
    """A door with TLS, whose certificate nobody but itself has signed."""
    made = Door(s3_server.port, context=context_by_itself(tmp_path))
    yield made
    made.close()


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_upload, "PART_BYTES", PART_BYTES)


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer tries where it is sure that all of them fail."""
    monkeypatch.setattr(s3, "TRIES", 2)
