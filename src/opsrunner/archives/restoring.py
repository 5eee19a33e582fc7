"""A copy, or a part of it, back onto a disk."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from opsrunner.archives.choosing import Chosen
from opsrunner.archives.extracting import Manner, extract
from opsrunner.archives.manifest import Manifest
from opsrunner.archives.members import BLOCK, Member, printable_path
from opsrunner.archives.parts import Parts, Range
from opsrunner.archives.reader import read_plain
from opsrunner.errors import ArchiveDamaged, Refused, StateError
from opsrunner.records import dataclass
from opsrunner.stores.base import Store

Tell = Callable[[int], None]


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What was restored."""

    files: int
    bytes: int


def restore_all(
    store: Store,
    manifest: Manifest,
    to: Path,
    *,
    own: bool,
    replace: bool,
    tell: Tell,
    identities: Sequence[str] = (),
) -> Restored:
    """Restore everything into a folder; `tell` hears how many plain bytes have come so far.

    Every byte is hashed as it comes. `identities` are secret keys of age, for a copy that is encrypted. Raises
    ArchiveDamaged, StoreFailed, Refused where a file is there already or no identity opens it, StateError where the
    folder cannot be written.
    """
    chunks = _told(read_plain(store, manifest, identities=identities), tell)
    if manifest.form == "stream":
        return restore_stream(chunks, to / manifest.stream_name, replace=replace)
    files = size = 0
    manner = Manner(own=own, replace=replace, hashed_by=manifest.hashed_by)
    for member in extract(chunks, to, wanted=lambda _: True, manner=manner):
        files += member.is_file
        size += member.size_bytes
    return Restored(files=files, bytes=size)


def restore_chosen(
    store: Store,
    manifest: Manifest,
    chosen: Chosen,
    to: Path,
    *,
    own: bool,
    replace: bool,
    tell: Tell,
    identities: Sequence[str] = (),
) -> Restored:
    """Restore some members into a folder, by the frames that hold them alone; an encrypted copy streams through.

    Raises as `restore_all` does, and ArchiveDamaged where they are not what the index says.
    """
    begins = {member.begin for member in chosen.members}

    def is_chosen(member: Member) -> bool:
        return not manifest.encrypted or member.begin in begins

    if manifest.encrypted:
        chunks = read_plain(store, manifest, identities=identities)
    else:
        chunks = _bytes_of(Parts(store, manifest, chosen.frames), chosen)
    expected = iter(chosen.members)
    size = 0
    manner = Manner(own=own, replace=replace, hashed_by=manifest.hashed_by)
    for member in extract(_told(chunks, tell), to, wanted=is_chosen, manner=manner):
        if (promised := next(expected, None)) is None or not is_same(member, promised):
            raise ArchiveDamaged(f"the index of the copy is wrong about {printable_path(member.path)}")
        size += member.size_bytes
    if (missing := next(expected, None)) is not None:
        raise ArchiveDamaged(f"the copy does not hold {printable_path(missing.path)}")
    return Restored(files=chosen.files, bytes=size)


def is_same(found: Member, promised: Member) -> bool:
    """Tell whether a member of the archive is what the index says, wherever it stands."""
    return dataclasses.replace(found, begin=0, end=0) == dataclasses.replace(promised, begin=0, end=0)


def _bytes_of(parts: Parts, chosen: Chosen) -> Iterator[bytes]:
    """Yield the chosen members as an archive of their own."""
    yield from parts.read(_ranges(chosen.members))
    yield bytes(2 * BLOCK)


def _ranges(members: Iterable[Member]) -> Iterator[Range]:
    """Yield where members stand, those that follow each other as one."""
    begin = end = 0
    for member in members:
        if member.begin == end and end > begin:
            end = member.end
            continue
        if end > begin:
            yield begin, end
        begin, end = member.begin, member.end
    if end > begin:
        yield begin, end


def _told(chunks: Iterator[bytes], tell: Tell) -> Iterator[bytes]:
    total = 0
    for chunk in chunks:
        total += len(chunk)
        tell(total)
        yield chunk


def restore_stream(chunks: Iterator[bytes], path: Path, *, replace: bool) -> Restored:
    """Write what a program wrote into a file, under another name until it is whole."""
    if os.path.lexists(path) and not replace:
        raise Refused(f"{path} is there already; add --replace to write over it")
    hidden = path.with_name(f".{path.name}.part")
    size = 0
    try:
        hidden.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(hidden, flags, 0o600), "wb") as file:
            for chunk in chunks:
                file.write(chunk)
                size += len(chunk)
        hidden.replace(path)
    except OSError as exc:
        raise StateError(f"{path} cannot be written: {(exc.strerror or str(exc)).lower()}") from exc
    finally:
        with suppress(OSError):
            hidden.unlink(missing_ok=True)
    return Restored(files=1, bytes=size)
