"""The way of a stream into a store: pieces, zstd frames, hashes, parts; in one pass, with memory bounded.

Beside it the members of a tar stream are read as they pass. Nothing of a copy bears its final name before its
archive, its index and at last its manifest are whole in the store.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import IO, Protocol, cast

from opsrunner.archives.encryption import SUFFIX, encrypt, read_recipients
from opsrunner.archives.frames import FRAME_BYTES, Frame, Packer, Packing
from opsrunner.archives.freed_memory import keep_freed_memory
from opsrunner.archives.in_order import InOrder
from opsrunner.archives.index import IndexWriter
from opsrunner.archives.manifest import StoredFile
from opsrunner.archives.members import read_members
from opsrunner.errors import StoreFailed
from opsrunner.records import dataclass
from opsrunner.stores.base import Upload

AHEAD = 2
"""How many pieces wait for each thread behind: with FRAME_BYTES this bounds what is held in memory."""
VOLUME_BYTES = 128 << 30
"""An archive goes on in another object then: S3 takes 10,000 parts of one."""
INDEX_SUFFIX = ".index.zst"
INDEX_IN_MEMORY = 8 << 20
CHUNK_BYTES = 1 << 20


class Target(Protocol):
    """Where objects are written to: a store, or several together."""

    def begin(self, name: str) -> Upload:
        """Begin an object; see Store."""

    def remove(self, name: str) -> None:
        """Take an object away; see Store."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """An archive that lies in a store, with its index."""

    archive: tuple[StoredFile, ...]
    index: StoredFile
    plain_size: int
    files: int


class ArchiveWriter:
    """Takes the bytes of a stream by `write`, which waits where the store is slow."""

    def __init__(
        self,
        store: Target,
        name: str,
        *,
        suffix: str,
        packing: Packing,
        is_tar: bool,
        volume_bytes: int = VOLUME_BYTES,
        recipients: Sequence[str] = (),
    ) -> None:
        """Begin the copy `name`; `suffix` (`.tar.zst`) is what its archive's name ends with.

        With `recipients` (public keys of age) archive and index are encrypted, and their names end with `.age`. Raises
        StoreFailed, and ConfigurationError where a recipient is none.
        """
        self._recipients = read_recipients(recipients) if recipients else []
        self._store, self._index_name = store, f"{name}{INDEX_SUFFIX}{self._end}"
        self._volumes = _Volumes(store, f"{name}{suffix}{self._end}", most_bytes=volume_bytes)
        self._spool = cast("IO[bytes]", tempfile.SpooledTemporaryFile(INDEX_IN_MEMORY))  # noqa: SIM115 (closed at the end)
        self._index = IndexWriter(self._spool)
        keep_freed_memory()
        self._packer = Packer(packing)
        self._piece: list[memoryview] = []
        self._piece_bytes = 0
        self._plain_size = self._files = 0
        self._storing = InOrder(self._store_pieces, name="store", depth=AHEAD)
        self._reading = InOrder(self._read_members, name="members", depth=AHEAD) if is_tar else None

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises StoreFailed, ArchiveDamaged."""
        left = memoryview(data)
        while len(left) >= FRAME_BYTES - self._piece_bytes:
            room = FRAME_BYTES - self._piece_bytes
            self._piece.append(left[:room])
            left = left[room:]
            self._hand_over()
        if left:
            self._piece.append(left)
            self._piece_bytes += len(left)

    def finish(self) -> Written:
        """Store what is left, and the index. Raises StoreFailed, ArchiveDamaged."""
        self._hand_over()
        if self._reading is not None:
            self._reading.end()
        self._storing.end()
        archive = self._volumes.finish()
        return Written(
            archive=archive,
            index=self._store_index(),
            plain_size=self._plain_size,
            files=self._files if self._reading is not None else 1,
        )

    def abort(self) -> None:
        """Leave nothing behind, as far as that can be done now; never raises. After `finish` it takes back all."""
        for line in (self._storing, self._reading):
            if line is not None:
                line.drop()
        self._volumes.abort()
        with suppress(StoreFailed):
            self._store.remove(self._index_name)

    def close(self) -> None:
        """Let go of threads and files; what was not finished is aborted."""
        for line in (self._storing, self._reading):
            if line is not None:
                line.drop()
        self._packer.close()
        self._spool.close()

    @property
    def _end(self) -> str:
        return SUFFIX if self._recipients else ""

    def _hand_over(self) -> None:
        if not self._piece:
            return
        piece = b"".join(self._piece)
        self._piece, self._piece_bytes = [], 0
        self._plain_size += len(piece)
        self._storing.put(piece)
        if self._reading is not None:
            self._reading.put(piece)

    def _sealed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        return encrypt(chunks, self._recipients) if self._recipients else chunks

    def _store_pieces(self, pieces: Iterator[bytes]) -> None:
        for chunk in self._sealed(self._packed(pieces)):
            self._volumes.write(chunk)

    def _packed(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        begin = plain_begin = 0
        for packed, plain_bytes in self._packer.pack(pieces):
            frame = Frame(plain_begin=plain_begin, plain_bytes=plain_bytes, begin=begin, bytes=len(packed))
            self._index.add_frame(frame)
            begin, plain_begin = begin + len(packed), plain_begin + plain_bytes
            yield packed

    def _read_members(self, pieces: Iterator[bytes]) -> None:
        for member in read_members(pieces):
            self._index.add_member(member)
            self._files += member.is_file

    def _store_index(self) -> StoredFile:
        self._index.close()
        self._spool.seek(0)
        packed = iter(lambda: self._spool.read(CHUNK_BYTES), b"")
        return store_chunks(self._store, self._index_name, self._sealed(packed))


class _Volumes:
    """The objects that are an archive one after the other; nearly always one."""

    def __init__(self, store: Target, name: str, *, most_bytes: int) -> None:
        self._store, self._name, self._most = store, name, most_bytes
        self._done: list[StoredFile] = []
        self._upload: Upload | None = store.begin(name)
        self._digest, self._size = hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._most:
            self._end_volume()
            self._upload = self._store.begin(self._volume_name)
        assert self._upload is not None  # noqa: S101  begun above
        self._digest.update(data)
        self._upload.write(data)
        self._size += len(data)

    def finish(self) -> tuple[StoredFile, ...]:
        self._end_volume()
        return tuple(self._done)

    def abort(self) -> None:
        if self._upload is not None:
            self._upload.abort()
        for volume in self._done:
            with suppress(StoreFailed):
                self._store.remove(volume.name)

    @property
    def _volume_name(self) -> str:
        return f"{self._name}.{len(self._done) + 1}" if self._done else self._name

    def _end_volume(self) -> None:
        assert self._upload is not None  # noqa: S101  begun before
        self._upload.finish()
        self._done.append(StoredFile(name=self._volume_name, size=self._size, sha256=self._digest.hexdigest()))
        self._upload, self._digest, self._size = None, hashlib.sha256(), 0


def store_chunks(store: Target, name: str, chunks: Iterable[bytes]) -> StoredFile:
    """Store a small object whole. Raises StoreFailed."""
    upload = store.begin(name)
    try:
        digest, size = hashlib.sha256(), 0
        for chunk in chunks:
            digest.update(chunk)
            upload.write(chunk)
            size += len(chunk)
        upload.finish()
    finally:
        upload.abort()
    return StoredFile(name=name, size=size, sha256=digest.hexdigest())
