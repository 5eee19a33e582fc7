"""A stream through a window: whatever pieces it comes in, and only as much as was not released."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as any_of

from opsrunner.archives.window import MOST_AT_ONCE, MOST_OF_HEADERS, Window

WHOLE = bytes(range(256)) * 4


def pieces_of(cuts: list[int]) -> Iterator[bytes]:
    places = [0, *sorted(cuts), len(WHOLE)]
    return (WHOLE[begin:end] for begin, end in pairwise(places))


@given(any_of.lists(any_of.integers(0, 1024)), any_of.integers(0, 1100), any_of.integers(0, 1100))
def test_slices_are_what_stands_there_in_whatever_pieces_it_came(cuts: list[int], begin: int, size: int) -> None:
    window = Window(pieces_of(cuts))
    assert b"".join(window.slices(begin, begin + size)) == WHOLE[begin : begin + size]


@given(any_of.lists(any_of.integers(0, 1024)), any_of.lists(any_of.integers(0, 200)))
def test_reading_goes_on_where_it_ended(cuts: list[int], sizes: list[int]) -> None:
    window, at = Window(pieces_of(cuts)), 0
    for size in sizes:
        assert window.read(size) == WHOLE[at : at + size]
        at = min(at + size, len(WHOLE)) if at < len(WHOLE) else at
        window.release(at)
        assert window.tell() == at


def test_what_was_released_cannot_be_read_again() -> None:
    window = Window([b"abc", b"def"])
    assert window.read(6) == b"abcdef"
    window.release(3)
    window.seek(0)
    with pytest.raises(ValueError, match="leads back"):
        window.read(1)
    window.seek(-5)
    with pytest.raises(ValueError, match="leads back"):
        window.read(1)


@pytest.mark.parametrize("size", [-1, MOST_AT_ONCE + 1])
def test_a_header_of_no_or_any_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="longer than any"):
        Window([b"x"]).read(size)


def test_the_headers_of_one_member_are_bounded_together() -> None:
    window = Window([])
    for _ in range(MOST_OF_HEADERS // MOST_AT_ONCE):
        window.read(MOST_AT_ONCE)
    with pytest.raises(ValueError, match="longer than any"):
        window.read(1)
    window.begin_member()
    assert window.read(1) == b""


def test_draining_pulls_the_rest() -> None:
    pulled: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(5):
            pulled.append(number)
            yield b"x"

    window = Window(chunks())
    window.read(1)
    window.drain()
    assert pulled == [0, 1, 2, 3, 4]
