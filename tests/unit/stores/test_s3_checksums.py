"""What a store says of an object, held against what was sent."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest

from opsrunner.errors import StoreFailed
from opsrunner.stores.s3_body import Body
from opsrunner.stores.s3_checksums import Sent, Whole, compare, compare_whole

FIRST, SECOND = bytearray(b"the first part, "), bytearray(b"and the second")
MD5S = [hashlib.md5(part, usedforsecurity=False) for part in (FIRST, SECOND)]


def base64_crc32(data: bytes | bytearray) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def body_of(data: bytearray) -> Body:
    body = Body()
    body.add(memoryview(data))
    return body


COMPOSITE = base64_crc32(b"".join(zlib.crc32(part).to_bytes(4, "big") for part in (FIRST, SECOND)))
WHOLE_MD5 = hashlib.md5(b"".join(md5.digest() for md5 in MD5S), usedforsecurity=False).hexdigest()


def sent(*, by: str = "CRC32", etags: list[str] | None = None) -> Whole:
    names = etags or [md5.hexdigest() for md5 in MD5S]
    parts = [
        Sent(number=number, size_bytes=len(part), crc32=zlib.crc32(part), etag=etag, checked_by=by)
        for number, (part, etag) in enumerate(zip((FIRST, SECOND), names, strict=True), start=1)
    ]
    return Whole(size_bytes=30, parts=parts, in_parts=True)


@pytest.mark.parametrize(
    ("said", "by"),
    [
        pytest.param({"ChecksumCRC32": f"{COMPOSITE}-2"}, "CRC32", id="a CRC32 of the parts' CRC32s"),
        pytest.param({"ChecksumCRC32": base64_crc32(FIRST + SECOND)}, "CRC32", id="a CRC32 of all bytes"),
        pytest.param({"ETag": f'"{WHOLE_MD5}-2"'}, "MD5", id="an MD5 of the parts' MD5s"),
        pytest.param({"ETag": '"opaque"'}, "CRC32", id="nothing of the whole, where each part was compared"),
    ],
)
def test_an_object_in_parts_is_what_was_sent(said: dict[str, Any], by: str) -> None:
    assert compare_whole({"ContentLength": 30, **said}, sent(by=by), what="x") == f"{by} of 2 parts"


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"ContentLength": 29, "ChecksumCRC32": f"{COMPOSITE}-2"}, id="a byte is missing"),
        pytest.param({"ChecksumCRC32": f"{COMPOSITE}-2"}, id="no size"),
        pytest.param({"ContentLength": 30, "ChecksumCRC32": f"{COMPOSITE}-3"}, id="of three parts"),
        pytest.param({"ContentLength": 30, "ChecksumCRC32": base64_crc32(SECOND + FIRST)}, id="in another order"),
        pytest.param({"ContentLength": 30, "ETag": f'"{"0" * 32}-2"'}, id="another MD5"),
        pytest.param({"ContentLength": 30, "ETag": f'"{WHOLE_MD5}-1"'}, id="an MD5 of one part"),
    ],
)
def test_an_object_in_parts_is_not_what_was_sent(said: dict[str, Any]) -> None:
    with pytest.raises(StoreFailed):
        compare_whole(said, sent(), what="x")


def test_an_answer_without_crc32_is_compared_by_its_md5() -> None:
    answer = {"ETag": f'"{MD5S[0].hexdigest().upper()}"'}
    assert compare(answer, body_of(FIRST), what="x").checked_by == "MD5"
    with pytest.raises(StoreFailed, match="x: the store received other bytes than were sent"):
        compare(answer, body_of(SECOND), what="x")


def test_a_wrong_crc32_is_never_made_good_by_a_right_md5() -> None:
    answer = {"ChecksumCRC32": base64_crc32(SECOND), "ETag": MD5S[0].hexdigest()}
    with pytest.raises(StoreFailed, match="CRC32 differs"):
        compare(answer, body_of(FIRST), what="x")
