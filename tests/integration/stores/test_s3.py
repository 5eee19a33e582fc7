"""A bucket of a real S3 server as a store of copies."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from opsrunner.errors import StoreFailed, StoreRefused
from opsrunner.stores.base import Store

from ...seaweed import READER_KEY, READER_SECRET, S3Server
from .conftest import BucketMaker
from .contract import NAME, StoreContract, got, names, put

pytestmark = [pytest.mark.timeout(180)]
PART = 16 << 20


class TestS3Bucket(StoreContract):
    """The contract, under a prefix of a bucket."""

    @pytest.fixture
    def store(self, make_store: BucketMaker) -> Iterator[Store]:
        with make_store() as bucket:
            yield bucket


def test_without_a_prefix_the_whole_bucket_is_the_store(make_store: BucketMaker, s3_server: S3Server) -> None:
    s3_server.client.create_bucket(Bucket="whole")
    with make_store(bucket="whole", prefix="") as store:
        put(store, NAME, b"x")
        assert (names(store), got(store, NAME)) == ([NAME], b"x")


def test_a_prefix_stands_in_front_of_every_key_and_is_taken_off_again(
    make_store: BucketMaker, s3_server: S3Server, bucket: str, prefix: str
) -> None:
    with make_store(prefix=f"/{prefix}/offsite/") as store:
        put(store, NAME, b"x")
        for key in ("another", "offsite-too/a", "offsite/what a person put there", "offsite/.hidden"):
            s3_server.client.put_object(Bucket=bucket, Key=f"{prefix}/{key}", Body=b"y")
        keys = [item["Key"] for item in s3_server.client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
        assert f"{prefix}/offsite/{NAME}" in keys
        assert names(store) == [NAME]
        surveyed = {one.name: one.size_bytes for one in store.survey(may_hold=lambda _: False)}
        assert surveyed == {NAME: 1, "what a person put there": 1, ".hidden": 1}, "a survey tells of others' too"
        assert b"".join(store.fetch("what a person put there")) == b"y"


@pytest.mark.parametrize(
    ("size_bytes", "checked_by"),
    [(0, "CRC32"), (PART, "CRC32"), (PART + 1, "CRC32 of 2 parts"), (3 * PART, "CRC32 of 3 parts")],
)
def test_what_was_compared_is_said(make_store: BucketMaker, size_bytes: int, checked_by: str) -> None:
    with make_store() as store:
        upload = store.begin(NAME)
        upload.write(bytes(size_bytes))
        received = upload.finish()
        assert (received.checked_by, received.size_bytes) == (checked_by, size_bytes)


def test_memory_stays_bounded_and_threads_end(
    make_store: BucketMaker, most_bytes_of: Callable[[Callable[[], object]], int]
) -> None:
    def act() -> None:
        with make_store() as store:
            piece = random.Random(1).randbytes(1 << 20)
            upload = store.begin(NAME)
            for _ in range(200):
                upload.write(piece)
            upload.finish()
            assert not [thread for thread in threading.enumerate() if thread.name.startswith("s3-part")]

    assert most_bytes_of(act) < 7 * PART, "four parts under way, one that fills, and what boto3 needs"


def test_more_objects_than_one_page_of_a_list_has_are_listed(
    make_store: BucketMaker, s3_server: S3Server, bucket: str, prefix: str
) -> None:
    made = sorted(f"many/{number:x}" for number in range(1_050))
    for name in made:
        s3_server.client.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=b"")
    with make_store() as store:
        assert names(store) == made


def test_a_wrong_secret_is_told_before_anything_is_sent(make_store: BucketMaker) -> None:
    with make_store(secret_key="canary-of-the-wrong-one") as store:
        for act in (lambda: store.begin(NAME), lambda: names(store), lambda: store.remove(NAME)):
            with pytest.raises(
                StoreRefused, match=r"refuses us \(SignatureDoesNotMatch\): is the secret key right"
            ) as seen:
                act()
            assert seen.value.permanent
            assert "canary" not in str(seen.value)


def test_a_key_that_nobody_knows_is_told(make_store: BucketMaker) -> None:
    with make_store(access_key="nobody") as store, pytest.raises(StoreRefused, match="is the access key right"):
        store.begin(NAME)


def test_a_key_that_may_only_read_is_told_what_it_may_not(make_store: BucketMaker) -> None:
    with make_store() as store:
        put(store, NAME, b"x")
    with make_store(access_key=READER_KEY, secret_key=READER_SECRET) as reader:
        assert got(reader, NAME) == b"x"
        with pytest.raises(StoreRefused, match=rf"does not let us delete {NAME} \(AccessDenied\)"):
            reader.remove(NAME)
        upload = reader.begin("another")
        upload.write(b"y")
        with pytest.raises(StoreRefused, match="does not let us write another"):
            upload.finish()
        assert names(reader) == [NAME]


def test_a_bucket_that_is_not_there_is_named(make_store: BucketMaker) -> None:
    with make_store(bucket="nowhere") as store:
        for act in (
            lambda: store.begin(NAME),
            lambda: names(store),
            lambda: store.find(NAME),
            lambda: got(store, NAME),
            lambda: store.sweep("", before=datetime.now(UTC)),
        ):
            with pytest.raises(StoreFailed, match="there is no bucket 'nowhere' at 127") as seen:
                act()
            assert seen.value.permanent


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", "x"])
def test_what_no_bucket_can_be_named_is_refused(make_store: BucketMaker, name: str) -> None:
    with pytest.raises(StoreFailed, match="cannot be the name of a bucket"):
        make_store(bucket=name)


def test_a_sweep_leaves_what_is_younger(make_store: BucketMaker) -> None:
    with make_store() as store:
        old = store.begin("nightly/old")
        old.write(bytes(PART + 1))
        time.sleep(2.1)  # the server tells whole seconds
        between = datetime.now(UTC) - timedelta(seconds=1)
        young = store.begin("nightly/young")
        young.write(bytes(PART + 1))
        assert store.sweep("nightly/", before=between) == 1
        young.finish()
        old.abort()
        assert names(store) == ["nightly/young"]
