"""Parts of a copy's plain stream, read by the frames that hold them, without the rest."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field

from opsrunner.archives.frames import Frame, unpack
from opsrunner.archives.manifest import Manifest
from opsrunner.errors import ArchiveDamaged, NotStored
from opsrunner.records import dataclass
from opsrunner.stores.base import Store

Range = tuple[int, int]
"""Where plain bytes begin, and where they end."""


@dataclass(kw_only=True)
class _Run:
    """Frames that follow each other, and what is wanted of them."""

    first: int
    last: int
    ranges: list[Range] = field(default_factory=list)


class Parts:
    """Reads parts of a copy that is not encrypted; what lies in one frame, or in frames side by side, in one go."""

    def __init__(self, store: Store, manifest: Manifest, frames: Sequence[Frame]) -> None:
        """`frames` are those of the whole archive. Raises ArchiveDamaged where they are not what the manifest says."""
        require_frames(frames, manifest)
        self._store, self._manifest, self._frames = store, manifest, frames
        self._begins = [frame.plain_begin for frame in frames]

    def read(self, ranges: Iterable[Range]) -> Iterator[bytes]:
        """Yield the plain bytes of ranges, which rise and do not overlap. Raises ArchiveDamaged, StoreFailed."""
        for run in self._runs(ranges):
            yield from self._cut(run)

    def _runs(self, ranges: Iterable[Range]) -> Iterator[_Run]:
        run: _Run | None = None
        for begin, end in ranges:
            if end > self._manifest.plain_size:
                raise ArchiveDamaged("the index of the copy leads beyond its end")
            first, last = self._frame_of(begin), self._frame_of(end - 1)
            if run is not None and first > run.last + 1:
                yield run
                run = None
            run = run or _Run(first=first, last=last)
            run.last = last
            run.ranges.append((begin, end))
        if run is not None:
            yield run

    def _frame_of(self, position: int) -> int:
        return bisect_right(self._begins, position) - 1

    def _cut(self, run: _Run) -> Iterator[bytes]:
        first, last = self._frames[run.first], self._frames[run.last]
        at, plain_end = first.plain_begin, last.plain_begin + last.plain_bytes
        wanted = iter(run.ranges)
        begin, end = next(wanted)
        for piece in unpack(self._stored(first.begin, last.begin + last.bytes)):
            if at + len(piece) > plain_end:
                break
            while begin < at + len(piece):
                yield piece[max(0, begin - at) : end - at]
                if end > at + len(piece):
                    break
                begin, end = next(wanted, (plain_end, plain_end))
            at += len(piece)
        if at != plain_end:
            raise ArchiveDamaged("a part of the copy does not unpack to what its index says")

    def _stored(self, begin: int, end: int) -> Iterator[bytes]:
        """Yield what lies between two places of the archive, over all its objects."""
        start = 0
        for file in self._manifest.archive:
            low, high = max(begin, start), min(end, start + file.size)
            if low < high:
                yield from self._read(file.name, offset=low - start, length=high - low)
            start += file.size

    def _read(self, name: str, *, offset: int, length: int) -> Iterator[bytes]:
        try:
            yield from self._store.read(name, offset=offset, length=length)
        except NotStored as exc:
            raise ArchiveDamaged(f"{name} is not there any more") from exc


def require_frames(frames: Sequence[Frame], manifest: Manifest) -> None:
    """Raise ArchiveDamaged where frames do not follow each other, or do not end where the archive does."""
    plain_end = end = 0
    for frame in frames:
        if (frame.plain_begin, frame.begin) != (plain_end, end) or not frame.plain_bytes or not frame.bytes:
            raise ArchiveDamaged("the index of the copy is wrong about where its parts stand")
        plain_end, end = plain_end + frame.plain_bytes, end + frame.bytes
    stored = sum(file.size for file in manifest.archive)
    if plain_end != manifest.plain_size or (end != stored and not manifest.encrypted):
        raise ArchiveDamaged("the index of the copy is wrong about where its parts stand")
