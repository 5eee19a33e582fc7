"""What one request sends is what was handed over, whatever its owner does with his memory afterwards."""

from __future__ import annotations

import hashlib
import random
import zlib

import pytest

from opsrunner.stores.s3_body import LEAST_KEPT_BYTES, Body

DICE = random.Random(7)
SIZES = [1, LEAST_KEPT_BYTES - 1, LEAST_KEPT_BYTES, 1, 2, 3 * LEAST_KEPT_BYTES, LEAST_KEPT_BYTES, 5]
PIECES = [DICE.randbytes(size) for size in SIZES]
WHOLE = b"".join(PIECES)


def read(body: Body) -> bytes:
    return b"".join(iter(lambda: bytes(body.read(1000)), b""))


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_it_is_read_as_it_was_handed_over_as_often_as_it_is_sent(kind: type[bytes] | type[bytearray]) -> None:
    body = Body()
    for piece in PIECES:
        body.add(memoryview(kind(piece)))
    assert (len(body), body.crc32, body.md5()) == (len(WHOLE), zlib.crc32(WHOLE), hashlib.md5(WHOLE).hexdigest())
    for _ in range(2):
        assert body.tell() == 0
        assert read(body) == WHOLE
        assert body.tell() == len(WHOLE)
        body.seek(0)


def test_memory_that_its_owner_uses_again_was_copied_and_what_cannot_change_was_not() -> None:
    theirs, fixed, body = bytearray(PIECES[6]), PIECES[5], Body()
    body.add(memoryview(theirs))
    body.add(memoryview(fixed)[1:])
    theirs[:] = bytes(len(theirs))
    assert read(body) == PIECES[6] + PIECES[5][1:]
    body.seek(0)
    body.read()
    kept = body.read()
    assert isinstance(kept, memoryview)
    assert kept.obj is fixed


def test_a_place_in_the_middle_is_not_gone_back_to() -> None:
    with pytest.raises(ValueError, match="from its begin"):
        Body().seek(1)
