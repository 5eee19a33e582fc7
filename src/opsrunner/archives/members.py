"""The members of a tar stream, one after the other, with where each stands and the hash of what it holds.

Python's `tarfile` reads the headers (POSIX.1-2001 extended headers, GNU long names and sparse files); the data pass by.
"""

from __future__ import annotations

import math
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import IO, Any, cast

from opsrunner.archives.hashing import HASHED_BY, begin_hash
from opsrunner.archives.window import Window
from opsrunner.errors import ArchiveDamaged
from opsrunner.records import dataclass

BLOCK = tarfile.BLOCKSIZE
_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
}
KINDS = frozenset(_KINDS.values())
_UNREADABLE = (tarfile.TarError, OSError, ValueError, LookupError, ArithmeticError, TypeError, RecursionError)
"""What tarfile raises of bytes that somebody made up."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One member of an archive. `begin` and `end` bound its headers and data in the tar stream, in bytes."""

    path: str
    """As it stands in the archive; bytes that are no UTF-8 as surrogates (PEP 383)."""
    kind: str
    """`file`, `folder`, `link`, `hard link`, `device` or `pipe`."""
    size_bytes: int
    """Of the file as it is read, holes included."""
    modified_at: float
    """Seconds since 1970."""
    begin: int
    end: int
    hash: str = ""
    """Of what a file holds, without its holes; in hexadecimal. Its manifest says by what."""
    target: str = ""
    """Where a link leads."""
    holes: tuple[tuple[int, int], ...] = ()
    """Of a sparse file: where what it holds stands in it, as (offset, size)."""

    @property
    def is_file(self) -> bool:
        """Whether people would call it a file: one under a second name is, one that is told a second time is not."""
        return self.kind == "file" or (self.kind == "hard link" and not self.is_itself)

    @property
    def is_itself(self) -> bool:
        """Whether it is only told a second time: tar writes a file of two names so, where its path was given twice."""
        return self.kind == "hard link" and self.path == self.target


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the headers of a member say, and where its data stand."""

    member: Member
    data_begin: int
    data_bytes: int


def read_members(chunks: Iterable[bytes]) -> Iterator[Member]:
    """Yield the members of a tar stream, hashed by HASHED_BY as they pass.

    Raises ArchiveDamaged where it is none, or cut short.
    """
    window = Window(chunks)
    for head in read_heads(window):
        digest = begin_hash(HASHED_BY)
        at = head.data_begin
        for part in window.slices(at, head.data_begin + head.data_bytes):
            digest.update(part)
            at += len(part)
            window.release(at - BLOCK)  # tarfile looks at the last byte before the next header
        if at < head.data_begin + head.data_bytes:
            raise cut_within(head.member)
        yield head.member if head.member.kind != "file" else replace(head.member, hash=digest.hexdigest())
    window.drain()


def read_heads(window: Window) -> Iterator[Head]:
    """Yield what headers say, at the begin of each member's data. Whoever iterates takes or releases the data.

    Raises ArchiveDamaged where the stream is no archive, ends without the mark of an end, or where a member is none
    that GNU tar writes into a copy.
    """
    end = 0
    try:
        window.begin_member()
        archive = tarfile.TarFile(fileobj=cast("IO[bytes]", window), encoding="utf-8", errors="surrogateescape")
        while (info := archive.next()) is not None:
            cast("Any", archive).members = []  # it would remember each
            _require_sound(info, archive, begin=end)
            end = archive.offset
            yield _head(info, end=end)
            window.begin_member()
        window.begin_member()
        window.seek(end)
        is_ended = window.read(2 * BLOCK) == bytes(2 * BLOCK)
    except _UNREADABLE as exc:
        raise ArchiveDamaged(f"no tar archive: {printable_path(str(exc))}") from exc
    if not is_ended:
        raise ArchiveDamaged("the archive does not end as a tar archive does: it is cut short, or damaged")


def require_inside(member: Member) -> None:
    """Raise ArchiveDamaged where a member would stand, or lead by a hard link, outside of the folder."""
    paths = [member.path, member.target] if member.kind == "hard link" else [member.path]
    for path in paths:
        if path.startswith("/") or "\0" in path or ".." in PurePosixPath(path).parts:
            raise ArchiveDamaged(f"the archive would write outside of the folder: {printable_path(path)}")


def cut_within(member: Member) -> ArchiveDamaged:
    """Return what is said of an archive that ends within a member."""
    return ArchiveDamaged(f"the archive ends within {printable_path(member.path)}")


def printable_path(path: str) -> str:
    """Return a path as one line that a terminal may show."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in path)


def _head(info: tarfile.TarInfo, *, end: int) -> Head:
    sparse = _sparse(info)
    stored = sum(size for _, size in sparse) if sparse is not None else info.size
    has_data = info.isreg()
    member = Member(
        path=info.name,
        kind=_KINDS[info.type],
        size_bytes=info.size if has_data else 0,
        modified_at=float(info.mtime),
        begin=info.offset,
        end=end,
        target=info.linkname if info.issym() or info.islnk() else "",
        holes=tuple((offset, size) for offset, size in sparse) if sparse else (),
    )
    return Head(member=member, data_begin=info.offset_data, data_bytes=stored if has_data else 0)


def _sparse(info: tarfile.TarInfo) -> list[tuple[int, int]] | None:
    return cast("list[tuple[int, int]] | None", getattr(info, "sparse", None))


def _require_sound(info: tarfile.TarInfo, archive: tarfile.TarFile, *, begin: int) -> None:
    """Raise ValueError where a header says what cannot be, or what two programs might read in two ways."""
    if info.type not in _KINDS:
        raise ValueError(f"{info.name} is of a kind that is not known")
    if archive.pax_headers:
        raise ValueError("it has a header for all files")
    if info.size < 0 or info.offset != begin or not begin < info.offset_data <= archive.offset:
        raise ValueError(f"{info.name} has a size or a place that cannot be")
    if not math.isfinite(info.mtime):
        raise ValueError(f"{info.name} has a time that cannot be")
    if not info.isreg() and not info.islnk() and info.size:
        raise ValueError(f"{info.name} holds data, and is no file")
    at = 0
    for offset, size in _sparse(info) or ():
        if offset < at or size < 0 or offset + size > info.size:
            raise ValueError(f"{info.name} has holes that cannot be")
        at = offset + size
