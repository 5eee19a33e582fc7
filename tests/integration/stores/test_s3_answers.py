"""What a store answers, and that none of it is taken on trust."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from opsrunner.errors import StoreFailed, StoreRefused

from ...seaweed import S3Server
from .conftest import PART_BYTES, BucketMaker
from .contract import NAME, later, names, nothing_remains, put
from .door import Answer, Door, Request, says, times

pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("small_parts")]
THREE_PARTS = random.Random(3).randbytes(2 * PART_BYTES + 5)


def test_a_store_that_is_busy_three_times_gets_the_part_the_fourth_time(make_store: BucketMaker, door: Door) -> None:
    is_busy = times(3, lambda request: request.part == "2")
    door.on_request = lambda request: says(503, "ServiceUnavailable") if is_busy(request) else None
    with make_store(endpoint=door.endpoint) as store:
        put(store, NAME, THREE_PARTS)
    assert [request.part for request in door.requests].count("2") == 4


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize(
    ("status", "code", "kind", "message", "is_permanent"),
    [
        (500, "InternalError", StoreFailed, "answered 500 InternalError", False),
        (503, "SlowDown", StoreFailed, "answered 503 SlowDown", False),
        (403, "AccessDenied", StoreRefused, r"does not let us write .* \(AccessDenied\); look at the rights", True),
        (403, "RequestTimeTooSkewed", StoreRefused, "set the clock of this machine", True),
        (507, "InsufficientStorage", StoreFailed, "no room left at 127", True),
        (403, "bad\u2028word canary", StoreRefused, r"\(403\)", True),
        (400, "InvalidRequest", StoreFailed, "answered 400 InvalidRequest", True),
        (404, "NoSuchBucket", StoreFailed, "there is no bucket 'copies'", True),
    ],
)
def test_what_a_store_answers_is_told_in_a_sentence(
    make_store: BucketMaker,
    door: Door,
    status: int,
    code: str,
    kind: type[StoreFailed],
    message: str,
    is_permanent: bool,
) -> None:
    door.on_request = lambda request: says(status, code) if request.method == "PUT" else None
    with make_store(endpoint=door.endpoint) as store:
        upload = store.begin(NAME)
        upload.write(b"x")
        with pytest.raises(kind, match=message) as seen:
            upload.finish()
        upload.abort()
    assert (seen.value.permanent, "canary" in str(seen.value), "\n" in str(seen.value)) == (is_permanent, False, False)
    assert nothing_remains(make_store())


def without_checksum(_request: Request, answer: Answer) -> None:
    """Answer as a store that knows no CRC32."""
    for name in [name for name in answer.headers if name.lower().startswith("x-amz-checksum")]:
        del answer.headers[name]


def begins_without_checksum(s3_server: S3Server, bucket: str) -> Callable[[Request], Answer | None]:
    """Begin uploads of parts as a store that knows no CRC32: SeaweedFS asks for it once it was announced."""

    def begin(request: Request) -> Answer | None:
        if request.method != "POST" or not request.path.endswith("?uploads"):
            return None
        key = request.path.partition("?")[0].removeprefix(f"/{bucket}/")
        upload = s3_server.client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        said = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
        return Answer(status=200, headers={"Content-Type": "application/xml"}, body=said.encode())

    return begin


def another_word(answer: Answer, *, suffix: str) -> None:
    """Answer what is said of other bytes."""
    words = {"x-amz-checksum-crc32": f"AAAAAA=={suffix}", "etag": f'"{"0" * 32}{suffix}"'}
    answer.headers = {name: words.get(name.lower(), value) for name, value in answer.headers.items()}


@pytest.mark.parametrize(
    ("size_bytes", "checked_by"), [(0, "MD5"), (1000, "MD5"), (2 * PART_BYTES + 5, "MD5 of 3 parts")]
)
def test_a_store_that_knows_no_crc32_is_held_to_its_md5(
    make_store: BucketMaker, door: Door, s3_server: S3Server, bucket: str, size_bytes: int, checked_by: str
) -> None:
    door.on_answer = without_checksum
    door.on_request = begins_without_checksum(s3_server, bucket)
    with make_store(endpoint=door.endpoint) as store:
        upload = store.begin(NAME)
        upload.write(THREE_PARTS[:size_bytes])
        assert upload.finish().checked_by == checked_by


@pytest.mark.parametrize("size_bytes", [1000, 2 * PART_BYTES + 5])
@pytest.mark.parametrize("has_checksum", [False, True])
@pytest.mark.parametrize("method", ["PUT", "HEAD"])
def test_a_store_that_has_other_bytes_keeps_nothing(
    make_store: BucketMaker,
    door: Door,
    s3_server: S3Server,
    bucket: str,
    size_bytes: int,
    has_checksum: bool,
    method: str,
) -> None:
    def lie(request: Request, answer: Answer) -> None:
        if not has_checksum:
            without_checksum(request, answer)
        if request.method == method:
            suffix = "-3" if method == "HEAD" and size_bytes > PART_BYTES else ""
            another_word(answer, suffix=suffix)

    door.on_answer = lie
    if not has_checksum:
        door.on_request = begins_without_checksum(s3_server, bucket)
    with make_store(endpoint=door.endpoint) as store:
        upload = store.begin(NAME)
        upload.write(THREE_PARTS[:size_bytes])
        with pytest.raises(StoreFailed, match=r"received other bytes than were sent \((CRC32|MD5|ETag) differs\)"):
            upload.finish()
        upload.abort()
    assert nothing_remains(make_store())


def test_a_store_that_says_nothing_of_what_it_received_proves_nothing(make_store: BucketMaker, door: Door) -> None:
    def keep_silent(request: Request, answer: Answer) -> None:
        without_checksum(request, answer)
        answer.headers.pop("ETag", None)

    door.on_answer = keep_silent
    with make_store(endpoint=door.endpoint) as store, pytest.raises(StoreFailed, match="so nothing proves it"):
        put(store, NAME, b"x")
    assert nothing_remains(make_store())


def test_a_store_that_has_fewer_bytes_keeps_nothing(make_store: BucketMaker, door: Door) -> None:
    def shorten(request: Request, answer: Answer) -> None:
        if request.method == "HEAD":
            answer.headers["Content-Length"] = "3"

    door.on_answer = shorten
    with make_store(endpoint=door.endpoint) as store, pytest.raises(StoreFailed, match="has 3 bytes where 5 were sent"):
        put(store, NAME, b"12345")
    assert nothing_remains(make_store())


@pytest.mark.usefixtures("no_patience")
@pytest.mark.parametrize("body", [b"<html><body>Please sign in</body></html>", b"<html>", b"", b"{}"])
def test_what_is_no_s3_store_is_never_an_empty_one(make_store: BucketMaker, door: Door, body: bytes) -> None:
    door.on_request = lambda _request: Answer(status=200, headers={"Content-Type": "text/html"}, body=body)
    with make_store(endpoint=door.endpoint) as store:
        for act in (lambda: names(store), lambda: store.begin(NAME), lambda: store.sweep("", before=later())):
            with pytest.raises(
                StoreFailed, match=r"does not answer as an S3 store; is the endpoint right|answered 500$"
            ):
                act()
        with pytest.raises(StoreFailed):
            store.find(NAME)


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (409, "ObjectLocked"), (405, "MethodNotAllowed")])
def test_a_store_that_keeps_what_it_has_says_so(make_store: BucketMaker, door: Door, status: int, code: str) -> None:
    with make_store(endpoint=door.endpoint) as store:
        put(store, NAME, b"x")
        door.on_request = lambda request: says(status, code) if request.method == "DELETE" else None
        with pytest.raises(StoreRefused, match=rf"does not let us delete {NAME} \({code}\).*and at locks"):
            store.remove(NAME)
        assert names(store) == [NAME]


def test_an_upload_that_gets_no_number_is_not_begun(make_store: BucketMaker, door: Door) -> None:
    page = Answer(status=200, headers={"Content-Type": "application/xml"}, body=b"<html><body>Hello</body></html>")
    door.on_request = lambda request: page if request.method == "POST" else None
    upload = make_store(endpoint=door.endpoint).begin(NAME)
    with pytest.raises(StoreFailed, match="does not answer as an S3 store"):
        upload.write(THREE_PARTS)
    upload.abort()
    assert nothing_remains(make_store())
