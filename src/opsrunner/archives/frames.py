"""Bytes into zstd frames (RFC 8878) and back: each frame stands for itself, so that a part is read without the rest.

Frames one after the other are one zstd file: `zstd -d` reads it. Each carries a checksum of what it unpacks to.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import IO, cast

import zstandard

from opsrunner.errors import ArchiveDamaged
from opsrunner.records import dataclass

FRAME_BYTES = 2 << 20
"""What one frame holds: a restored file costs this much of reading at each of its ends, at the most. It fits into a
processor's cache: larger ones are slower, and hardly smaller at the usual levels."""
PACKED_AHEAD = 4
"""How many pieces more than threads may be packed or wait for it: who takes them in their order now and then holds up
those that pack, by hashing or by a piece that packs slowly."""
READ_BYTES = 1 << 20
MOST_WINDOW_BYTES = 8 << 20
"""What unpacking may hold in memory, whatever a frame asks for: zstd's level 19 takes as much."""


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How to compress: zstd's level (1 to 19) and how many threads do it."""

    level: int = 3
    threads: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """Where one frame stands: in the plain stream and in what is stored, in bytes."""

    plain_begin: int
    plain_bytes: int
    begin: int
    bytes: int


class Packer:
    """Packs pieces in some threads and hands the frames back in their order."""

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(packing.threads, thread_name_prefix="pack")

    def pack(self, pieces: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
        """Yield a frame for each piece, with how much it holds; a few pieces ahead of who takes them."""
        ahead: deque[tuple[Future[bytes], int]] = deque()
        for piece in pieces:
            ahead.append((self._pool.submit(self._pack, piece), len(piece)))
            if len(ahead) > self._packing.threads + PACKED_AHEAD:
                yield self._first(ahead)
        while ahead:
            yield self._first(ahead)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    @staticmethod
    def _first(ahead: deque[tuple[Future[bytes], int]]) -> tuple[bytes, int]:
        future, size = ahead.popleft()
        return future.result(), size

    def _pack(self, piece: bytes) -> bytes:
        compressor = getattr(self._own, "compressor", None)
        if compressor is None:
            compressor = zstandard.ZstdCompressor(level=self._packing.level, write_checksum=True)
            self._own.compressor = compressor
        packed: bytes = compressor.compress(piece)
        return packed


def unpack(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what frames one after the other hold, READ_BYTES at the most at once.

    Raises ArchiveDamaged where they are none, or where the last one is cut short.
    """
    reading = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW_BYTES).stream_reader(
        cast("IO[bytes]", _Joined(chain(chunks, (_END_FRAME,)))), read_across_frames=True
    )
    held = b""
    try:
        while piece := reading.read(READ_BYTES):
            held += piece
            if len(held) > len(_END):
                yield held[: -len(_END)]
                held = held[-len(_END) :]
    except zstandard.ZstdError as exc:
        raise ArchiveDamaged(f"the copy does not unpack: {exc}") from exc
    if held != _END:
        raise ArchiveDamaged("the copy does not unpack: it is cut short")


_END = secrets.token_bytes(16)
_END_FRAME = zstandard.ZstdCompressor(write_checksum=True).compress(_END)
"""Put behind what is unpacked: zstandard tells nobody of a frame that is cut short, but this is only found behind
frames that are whole. It differs from process to process, so that nobody can write it into a copy."""


class _Joined:
    """Pieces as a file that is read to its end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)

    def read(self, size: int = -1) -> bytes:  # noqa: ARG002 (a piece at a time: who reads takes what comes)
        return next((chunk for chunk in self._chunks if chunk), b"")
