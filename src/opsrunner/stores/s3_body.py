"""What one request sends: blocks of bytes one after the other, as they were handed over, read as a file is."""

from __future__ import annotations

import hashlib
import zlib

LEAST_KEPT_BYTES = 256 << 10
"""Less than this is copied behind what was copied before: each block is sent by a call of its own."""


class Body:
    """Keeps large `bytes` as they are, which nobody can change, and copies of all else. It belongs to one thread.

    What botocore needs of a file is there: it reads to the end, and goes back to the begin where it sends once more.
    """

    def __init__(self) -> None:
        self._blocks: list[memoryview | bytearray] = []
        self._size = self._at = 0
        self.crc32 = 0
        """Of what was handed over; a block that changed afterwards would not fit to it."""

    def __len__(self) -> int:
        """Return how many bytes it has; botocore announces so many."""
        return self._size

    def add(self, data: memoryview) -> None:
        """Append bytes."""
        self.crc32 = zlib.crc32(data, self.crc32)
        self._size += len(data)
        if isinstance(data.obj, bytes) and len(data) >= LEAST_KEPT_BYTES:
            self._blocks.append(data)
        elif self._blocks and isinstance(last := self._blocks[-1], bytearray):
            last += data
        else:
            self._blocks.append(bytearray(data))

    def md5(self) -> str:
        """Return the MD5 of what it has now, in hexadecimal."""
        digest = hashlib.md5(usedforsecurity=False)
        for block in self._blocks:
            digest.update(block)
        return digest.hexdigest()

    def read(self, size: int = -1) -> bytes | memoryview | bytearray:  # noqa: ARG002 (a block is sent whole, from where it is)
        """Return the next block, however large it is; nothing at the end."""
        if self._at == len(self._blocks):
            return b""
        self._at += 1
        return self._blocks[self._at - 1]

    def seek(self, position: int) -> int:
        """Go back to the begin, the one place that is asked for."""
        if position:
            raise ValueError("what is sent again is sent from its begin")
        self._at = 0
        return 0

    def tell(self) -> int:
        """Return where the next block begins."""
        return sum(len(block) for block in self._blocks[: self._at])
