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
from dataclasses import dataclass
from typing import Any

from opsrunner.errors import StoreFailed

_MD5 = re.compile(r"[0-9a-f]{32}\Z")
_POLYNOMIAL = 0xEDB88320
"""That of CRC32, its bits in reverse (ISO 3309)."""
_ONE = 1 << 31
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

    @property
    def crc32(self) -> int:
        """Of all bytes, by what is known of the parts."""
        crc32 = 0
        for part in self.parts:
            crc32 = joined_crc32(crc32, part.crc32, size_bytes=part.size_bytes)
        return crc32


def crc32_text(crc32: int) -> str:
    """Return a CRC32 as S3 writes it."""
    return base64.b64encode(crc32.to_bytes(4, "big")).decode()


def joined_crc32(first: int, second: int, *, size_bytes: int) -> int:
    """Return the CRC32 of bytes by those of their two ends; `size_bytes` is how many the second one is of.

    A CRC32 is a remainder modulo a polynomial: that of the first end is multiplied by x to the power of the bits behind
    it (zlib's crc32_combine).
    """
    power, square, left = _ONE, _ONE >> 8, size_bytes  # x to the power of 8: the bits of a byte
    while left:
        if left & 1:
            power = _product(square, power)
        square, left = _product(square, square), left >> 1
    return _product(power, first) ^ second


def etag_of(answer: Mapping[str, Any]) -> str:
    """Return the ETag of an answer without its quotes."""
    return str(answer.get("ETag", "")).strip('"').lower()


def compare(answer: Mapping[str, Any], body: bytearray, *, crc32: int, number: int = 1, what: str) -> Sent:
    """Return what was sent, after the answer was compared with it. Raises StoreFailed where they differ."""
    said, etag = answer.get("ChecksumCRC32"), etag_of(answer)
    if said:
        _require(said == crc32_text(crc32), "CRC32", what)
        return Sent(number=number, size_bytes=len(body), crc32=crc32, etag=etag, checked_by="CRC32")
    if not _MD5.match(etag):
        raise StoreFailed(f"{what}: the store answers neither CRC32 nor MD5, so nothing proves it", permanent=True)
    _require(etag == hashlib.md5(body, usedforsecurity=False).hexdigest(), "MD5", what)
    return Sent(number=number, size_bytes=len(body), crc32=crc32, etag=etag, checked_by="MD5")


def compare_whole(found: Mapping[str, Any], sent: Whole, *, what: str) -> str:
    """Compare what the store says of an object with what was sent; return in words by what. Raises StoreFailed.

    Each part was compared before, so that their ETags stand for the bytes.
    """
    said, etag, parts = str(found.get("ChecksumCRC32", "")), etag_of(found), sent.parts
    if found.get("ContentLength") != sent.size_bytes:
        has = found.get("ContentLength", "no")
        raise StoreFailed(f"{what}: the store has {has} bytes where {sent.size_bytes} were sent")
    if said:
        _require(said in (crc32_text(sent.crc32), _crc32_of_parts(parts)), "CRC32", what)
    elif not sent.in_parts:
        _require(etag == parts[0].etag, "ETag", what)
    elif _MD5_OF_PARTS.match(etag) and all(_MD5.match(part.etag) for part in parts):
        _require(etag == _md5_of_parts(parts), "MD5", what)
    kind = "CRC32" if all(part.checked_by == "CRC32" for part in parts) else "MD5"
    return f"{kind} of {len(parts)} parts" if sent.in_parts else kind


def _crc32_of_parts(sent: Sequence[Sent]) -> str:
    joined = b"".join(part.crc32.to_bytes(4, "big") for part in sent)
    return f"{crc32_text(zlib.crc32(joined))}-{len(sent)}"


def _md5_of_parts(sent: Sequence[Sent]) -> str:
    joined = b"".join(bytes.fromhex(part.etag) for part in sent)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(sent)}"


def _product(one: int, other: int) -> int:
    """Return the product of two polynomials over GF(2), modulo that of CRC32; the highest bit is the power of 0."""
    product = 0
    for place in range(31, -1, -1):
        if one >> place & 1:
            product ^= other
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product


def _require(is_same: bool, kind: str, what: str) -> None:
    if not is_same:
        raise StoreFailed(f"{what}: the store received other bytes than were sent ({kind} differs)")
