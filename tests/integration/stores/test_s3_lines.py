"""A bucket behind a line that breaks, or that changes what passes."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable

import pytest

from opsrunner.errors import NotStored, StoreFailed, StoreRefused
from opsrunner.stores import s3

from ...seaweed import S3Server
from .conftest import PART_BYTES, BucketMaker
from .contract import NAME, got, nothing_remains, put
from .door import Answer, Cut, Door, Request, says, times

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("small_parts")]
THREE_PARTS = random.Random(3).randbytes(2 * PART_BYTES + 5)


def test_a_line_that_breaks_in_the_third_part_is_taken_up_again(make_store: BucketMaker, door: Door) -> None:
    is_third = times(1, lambda request: request.part == "3")

    def cut(request: Request) -> None:
        if is_third(request):
            raise Cut

    door.on_request = cut
    with make_store(endpoint=door.endpoint) as store:
        put(store, NAME, THREE_PARTS)
        assert got(store, NAME) == THREE_PARTS
    assert [request.part for request in door.requests].count("3") == 2


@pytest.mark.usefixtures("no_patience")
def test_a_line_that_breaks_in_the_third_part_each_time_ends_the_upload(make_store: BucketMaker, door: Door) -> None:
    def cut(request: Request) -> None:
        if request.part == "3":
            raise Cut

    door.on_request = cut
    with make_store(endpoint=door.endpoint) as store:
        upload = store.begin(NAME)
        upload.write(THREE_PARTS)
        with pytest.raises(StoreFailed, match=r"no answer from the store 127.*: it broke off") as seen:
            upload.finish()
        upload.abort()
    assert not seen.value.permanent
    assert nothing_remains(make_store())


@pytest.mark.usefixtures("no_patience")
def test_a_part_that_failed_ends_the_writing_long_before_the_end(make_store: BucketMaker, door: Door) -> None:
    door.on_request = lambda request: says(403, "AccessDenied") if request.part == "1" else None
    with make_store(endpoint=door.endpoint) as store:
        upload = store.begin(NAME)
        with pytest.raises(StoreRefused, match="does not let us write"):
            upload.write(bytes(20 * PART_BYTES))
        upload.abort()
    assert nothing_remains(make_store())


@pytest.mark.parametrize("by_proxy", [False, True])
def test_what_a_part_holds_is_signed_unless_it_goes_straight_to_this_machine(
    make_store: BucketMaker, door: Door, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, by_proxy: bool
) -> None:
    if by_proxy:
        monkeypatch.setenv("http_proxy", door.endpoint)
        monkeypatch.setenv("no_proxy", "")
    with make_store(endpoint=s3_server.endpoint if by_proxy else door.endpoint) as store:
        put(store, NAME, THREE_PARTS)
        assert got(store, NAME) == THREE_PARTS
    said = [request.headers["X-Amz-Content-SHA256"] for request in door.requests if request.part]
    assert len(said) == 3
    assert all((word != "UNSIGNED-PAYLOAD") is by_proxy for word in said)


@pytest.mark.parametrize("size_bytes", [1000, 2 * PART_BYTES + 5])
@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_byte_that_flips_on_the_way_leaves_nothing(
    make_store: BucketMaker, door: Door, sealed_door: Door, size_bytes: int, is_sealed: bool
) -> None:
    def flip(request: Request) -> None:
        if request.method == "PUT" and len(request.body) > 500:
            request.body[300] ^= 1

    way = sealed_door if is_sealed else door
    way.on_request = flip
    with make_store(endpoint=way.endpoint, verify=False) as store:
        upload = store.begin(NAME)
        upload.write(THREE_PARTS[:size_bytes])
        with pytest.raises(StoreFailed, match=f"{NAME}.* received other bytes than were sent") as seen:
            upload.finish()
        upload.abort()
    assert not seen.value.permanent
    assert nothing_remains(make_store())


def breaking_reads(after_bytes: int, count: int) -> Callable[[Request, Answer], None]:
    is_broken = times(count, lambda request: request.method == "GET" and "list-type" not in request.path)

    def cut(request: Request, answer: Answer) -> None:
        if answer.status in (200, 206) and is_broken(request):
            answer.sent_bytes = after_bytes

    return cut


def test_a_reading_that_breaks_off_goes_on_where_it_broke(make_store: BucketMaker, door: Door) -> None:
    with make_store(endpoint=door.endpoint) as store:
        put(store, NAME, THREE_PARTS)
        door.on_answer = breaking_reads((2 << 20) + 17, 4)
        door.requests.clear()
        assert got(store, NAME) == THREE_PARTS
        assert len(door.requests) == 5, "each got further"
        door.on_answer = breaking_reads(2 << 20, 2)
        assert got(store, NAME, offset=7, length=5 << 20) == THREE_PARTS[7 : 7 + (5 << 20)]


def test_a_reading_that_gets_no_further_ends(make_store: BucketMaker, door: Door) -> None:
    with make_store(endpoint=door.endpoint) as store:
        put(store, NAME, THREE_PARTS[: 3 << 20])
        door.on_answer = breaking_reads(0, 100)
        door.requests.clear()
        with pytest.raises(StoreFailed, match=f"{NAME}: 127.* breaks off again and again after 0 bytes") as seen:
            got(store, NAME)
        assert (len(door.requests), seen.value.permanent) == (3, False)


def test_an_object_that_is_replaced_while_it_is_read_is_never_mixed(make_store: BucketMaker, door: Door) -> None:
    with make_store(endpoint=door.endpoint) as store:
        put(store, NAME, b"a" * (5 << 20))
        door.on_answer = breaking_reads(3 << 20, 1)
        reading = store.read(NAME)
        next(reading)
        put(store, NAME, b"b" * (5 << 20))
        with pytest.raises(StoreFailed, match=r"it was replaced at 127.* while it was read"):
            list(reading)


@pytest.mark.usefixtures("no_patience")
def test_nobody_at_the_address_is_told(make_store: BucketMaker) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with (
            make_store(endpoint=f"http://127.0.0.1:{port}") as store,
            pytest.raises(
                StoreFailed, match=rf"^no answer from the store 127\.0\.0\.1:{port}: connection refused$"
            ) as seen,
        ):
            store.begin(NAME)
    assert not seen.value.permanent
    assert not isinstance(seen.value, NotStored)


@pytest.mark.usefixtures("no_patience")
def test_a_store_that_never_answers_is_told(make_store: BucketMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "READ_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with (
            make_store(endpoint=endpoint) as store,
            pytest.raises(StoreFailed, match="it does not answer in time") as seen,
        ):
            store.begin(NAME)
    assert not seen.value.permanent


def test_a_store_that_gives_the_whole_for_a_part_is_refused(make_store: BucketMaker, door: Door) -> None:
    with make_store(endpoint=door.endpoint) as store:
        put(store, NAME, b"0123456789")
        door.on_request = lambda request: Answer(status=200, body=b"0123456789") if "Range" in request.headers else None
        with pytest.raises(StoreFailed, match="does not give parts of an object"):
            got(store, NAME, offset=5, length=2)
