"""A stream that goes one way, looked at through a window: what reads tar headers may skip ahead, and nothing is copied.

`tarfile` is the one parser of headers here (extended headers, long names, sparse files), and it wants to seek. Member
data of any size pass by without being joined or kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

MOST_AT_ONCE = 1 << 20
"""What one extended header may hold: attributes and names of a file, not a disk full of them."""
MOST_OF_HEADERS = 64 << 20
"""What the headers of one member may hold: the map of a sparse file has 40 bytes a hole at the most."""


class Window:
    """The part of a stream from what was released to what was pulled so far. Positions count from its begin."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held: deque[tuple[int, memoryview]] = deque()
        self._pulled = 0
        self._at = 0
        self._looked = 0

    def begin_member(self) -> None:
        """Let `read` look at the headers of one member more."""
        self._looked = 0

    def tell(self) -> int:
        """Return where the next `read` begins."""
        return self._at

    def seek(self, position: int) -> int:
        """Go to a position that was not released yet, also far ahead."""
        self._at = position
        return position

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer at the end of the stream only. They stay in the window.

        Raises ValueError where that is more than headers have, or was released.
        """
        self._looked += size
        if not 0 <= size <= MOST_AT_ONCE or self._looked > MOST_OF_HEADERS:
            raise ValueError("a header is longer than any that tar writes")
        data = b"".join(self.slices(self._at, self._at + size))
        self._at += len(data)
        return data

    def slices(self, begin: int, end: int) -> Iterator[memoryview]:
        """Yield what lies between two positions, piece by piece, fewer bytes at the end of the stream only.

        What lies before a piece that was handed out may be released meanwhile. Raises ValueError where it was before.
        """
        at = begin
        while at < end and self._reach(at):
            start, piece = self._piece_at(at)
            part = piece[at - start : min(end, start + len(piece)) - start]
            at += len(part)
            yield part

    def release(self, before: int) -> None:
        """Let go of what lies before a position, as far as it was pulled."""
        while self._held and self._held[0][0] + len(self._held[0][1]) <= before:
            self._held.popleft()

    def drain(self) -> None:
        """Pull the rest of the stream, and keep nothing of it."""
        self._held.clear()
        for chunk in self._chunks:
            self._pulled += len(chunk)

    def _piece_at(self, position: int) -> tuple[int, memoryview]:
        for start, piece in self._held:
            if start <= position < start + len(piece):
                return start, piece
        raise ValueError("a header leads back to what has passed")

    def _reach(self, position: int) -> bool:
        """Pull until a position is in the window. Return False where the stream ends before it."""
        while self._pulled <= position:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            if chunk:
                self._held.append((self._pulled, memoryview(chunk)))
                self._pulled += len(chunk)
        return True
