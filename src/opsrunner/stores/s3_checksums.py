"""What a store says of the bytes that it received, held against the bytes that were sent.

A store that computes a CRC32 of what arrives answers it; of others the ETag is the MD5 (Amazon S3, "Checking object
integrity"). Of an object in parts the CRC32 is either that of all bytes, or that of the parts' CRC32s one after the
other with `-` and their number behind; its ETag is the MD5 of the parts' MD5s, with the number behind as well.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from opsrunner.errors import StoreFailed
from opsrunner.records import dataclass
from opsrunner.stores.crc32 import crc32_joined
from opsrunner.stores.s3_body import Body

_MD5 = re.compile(r"[0-9a-f]{32}\Z")
_MD5_OF_PARTS = re.compile(r"[0-9a-f]{32}-[0-9]+\Z")


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Bytes that were sent in one request, and that the store has answered for."""

    number: int = 1
    """Which part they are, from 1."""
    size_bytes: int
    crc32: int
    etag: str
    """As the store answered it, without quotes; only sometimes an MD5."""
    checked_by: str
    """`CRC32` or `MD5`."""


@dataclass(frozen=True, kw_only=True)
class Whole:
    """All that was sent of an object."""

    size_bytes: int
    parts: Sequence[Sent]
    """In their order; one where it was not sent in parts."""
    in_parts: bool


def crc32_text(crc32: int) -> str:
    """Return a CRC32 as S3 writes it."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def etag_of(answer: Mapping[str, Any]) -> str:
    """Return the ETag of an answer without its quotes."""
    return str(answer.get("ETag", "")).strip('"').lower()


def compare(answer: Mapping[str, Any], body: Body, *, number: int = 1, what: str) -> Sent:
    """Return what was sent, after the answer was compared with it. Raises StoreFailed where they differ."""
    said, etag = answer.get("ChecksumCRC32"), etag_of(answer)
    if said:
        _require(said == crc32_text(body.crc32), "CRC32", what)
        return Sent(number=number, size_bytes=len(body), crc32=body.crc32, etag=etag, checked_by="CRC32")
    if not _MD5.match(etag):
        raise StoreFailed(f"{what}: the store answers neither CRC32 nor MD5, so nothing proves it", permanent=True)
    _require(etag == body.md5(), "MD5", what)
    return Sent(number=number, size_bytes=len(body), crc32=body.crc32, etag=etag, checked_by="MD5")


def compare_whole(found: Mapping[str, Any], sent: Whole, *, what: str) -> str:
    """Compare what the store says of an object with what was sent; return in words by what. Raises StoreFailed.

    Each part was compared before, so that their ETags stand for the bytes.
    """
    said, etag, parts = str(found.get("ChecksumCRC32", "")), etag_of(found), sent.parts
    if found.get("ContentLength") != sent.size_bytes:
        has = found.get("ContentLength", "no")
        raise StoreFailed(f"{what}: the store has {has} bytes where {sent.size_bytes} were sent")
    if said:
        _require(said in (_crc32_of_parts(parts), _crc32_of_all(parts)), "CRC32", what)
    elif not sent.in_parts:
        _require(etag == parts[0].etag, "ETag", what)
    elif _MD5_OF_PARTS.match(etag) and all(_MD5.match(part.etag) for part in parts):
        _require(etag == _md5_of_parts(parts), "MD5", what)
    kind = "CRC32" if all(part.checked_by == "CRC32" for part in parts) else "MD5"
    return f"{kind} of {len(parts)} parts" if sent.in_parts else kind


def _crc32_of_parts(sent: Sequence[Sent]) -> str:
    joined = b"".join(part.crc32.to_bytes(4, "big") for part in sent)
    return f"{crc32_text(zlib.crc32(joined))}-{len(sent)}"


def _crc32_of_all(sent: Sequence[Sent]) -> str:
    crc32 = 0
    for part in sent:
        crc32 = crc32_joined(crc32, part.crc32, part.size_bytes)
    return crc32_text(crc32)


def _md5_of_parts(sent: Sequence[Sent]) -> str:
    joined = b"".join(bytes.fromhex(part.etag) for part in sent)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(sent)}"


def _require(is_same: bool, kind: str, what: str) -> None:
    if not is_same:
        raise StoreFailed(f"{what}: the store received other bytes than were sent ({kind} differs)")
