"""The CRC32 of what follows each other is that of all of it, as zlib makes it."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from opsrunner.stores.crc32 import crc32_joined


@given(pieces=st.lists(st.binary(max_size=300), max_size=6))
def test_the_crc32_of_all_pieces_comes_out_of_theirs(pieces: list[bytes]) -> None:
    crc32 = 0
    for piece in pieces:
        crc32 = crc32_joined(crc32, zlib.crc32(piece), len(piece))
    assert crc32 == zlib.crc32(b"".join(pieces))


def test_it_holds_for_parts_as_large_as_they_are_sent() -> None:
    first, second = bytes(range(256)) * 65_536, b"x" * (5 << 20) + b"end"
    joined = crc32_joined(zlib.crc32(first), zlib.crc32(second), len(second))
    assert joined == zlib.crc32(first + second)
    assert joined != crc32_joined(zlib.crc32(first), zlib.crc32(second), len(second) - 1)
