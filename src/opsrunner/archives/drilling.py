"""A drill: members of a copy into an empty folder, within bounds, and compared one by one with the copy's index.

What could harm outside of the folder is not made: devices, pipes, links that lead out, hard links to one of these; nor
is what stands deeper than tar and we could follow. They are counted. Names with `..` and absolute ones are refused,
and so is a member that the index does not know.
"""

from __future__ import annotations

import os
import random
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from opsrunner.archives.choosing import Chosen, choose, matches, members_of
from opsrunner.archives.comparing import find_difference
from opsrunner.archives.extracting import Manner, extract, leads_out
from opsrunner.archives.frames import Frame
from opsrunner.archives.manifest import Manifest
from opsrunner.archives.members import Member, printable_path
from opsrunner.archives.parts import require_frames
from opsrunner.archives.reader import fetch_index, read_plain
from opsrunner.archives.restoring import restore_all, restore_chosen
from opsrunner.errors import ArchiveDamaged, NotFound, StateError
from opsrunner.records import dataclass
from opsrunner.stores.base import Store

DEEPEST = 200
LONGEST_PATH_BYTES = 3000
"""With the scratch folder in front a path of Linux has 4096 bytes at the most. Anybody can make longer ones."""
MOST_PROBLEMS = 100
"""As many files may differ because they stand in the archive twice; with more nobody looks at why."""


@dataclass(frozen=True, kw_only=True)
class Drilled:
    """What was restored and found right."""

    files: int = 0
    bytes: int = 0
    left_out: int = 0
    is_whole: bool = False


class Lacking(NotFound):
    """The copy does not hold what it should."""


class Harmless:
    """Tells which members may be made in a scratch folder, asked for each in the archive's order."""

    def __init__(self) -> None:
        self._left_out: set[str] = set()

    def __call__(self, member: Member) -> bool:
        """Tell whether a member may be made."""
        harms = member.kind in ("device", "pipe") or leads_out(member) or is_too_deep(member.path)
        if harms or (member.kind == "hard link" and member.target in self._left_out):
            self._left_out.add(member.path)
            return False
        return True


def is_too_deep(path: str) -> bool:
    """Tell whether a path is longer, or has more folders, than could be made and cleared away again."""
    return path.count("/") > DEEPEST or len(path.encode("utf-8", "surrogatepass")) > LONGEST_PATH_BYTES


def drill_all(
    store: Store, manifest: Manifest, to: Path, *, must_include: Sequence[str], identities: Sequence[str] = ()
) -> Drilled:
    """Restore everything into the empty folder `to`, and compare.

    Raises ArchiveDamaged, StoreFailed, Refused where no identity opens it, StateError where there is no room, and
    Lacking where `must_include` names what is not in it, or there is no file in it.
    """
    _require_room(to, manifest.plain_size)
    frames = [item for item in fetch_index(store, manifest, identities=identities) if isinstance(item, Frame)]
    require_frames(frames, manifest)
    if manifest.form == "stream":
        restored = restore_all(
            store, manifest, to, own=False, replace=False, tell=lambda _: None, identities=identities
        )
        return Drilled(files=1, bytes=restored.bytes, is_whole=True)
    _require_all(must_include, members_of(store, manifest, identities))
    expected = _all_members(store, manifest, identities)
    harmless = Harmless()
    chunks = read_plain(store, manifest, identities=identities)
    manner = Manner(own=False, replace=False, hashed_by=manifest.hashed_by)
    for found in extract(chunks, to, wanted=harmless, manner=manner):
        _require_expected(found, expected)
    _make_readable(to)
    return replace(_compared(lambda: members_of(store, manifest, identities), to, manifest), is_whole=True)


def drill_sample(
    store: Store,
    manifest: Manifest,
    to: Path,
    *,
    count: int,
    must_include: Sequence[str],
    dice: random.Random,
    room_bytes: int,
    identities: Sequence[str] = (),
) -> Drilled:
    """Restore some files by chance and all that `must_include` names, by the frames that hold them; compare them.

    Raises ArchiveDamaged, StoreFailed, Refused where no identity opens it, StateError where it would take more than
    `room_bytes`, and Lacking where `must_include` names what is not in it, or no file was restored.
    """
    _require_all(must_include, members_of(store, manifest, identities))
    sample = {member.path for member in _sample(members_of(store, manifest, identities), count, dice)}
    is_named = matches(must_include)
    chosen = choose(store, manifest, lambda member: member.path in sample or is_named(member), identities=identities)
    harmless = Harmless()
    made = Chosen(members=tuple(member for member in chosen.members if harmless(member)), frames=chosen.frames)
    needed = sum(member.end - member.begin for member in made.members)
    if needed > room_bytes:
        raise StateError(f"no room for the drill: it takes {needed:,} bytes, {room_bytes:,} are free")
    restore_chosen(store, manifest, made, to, own=False, replace=False, tell=lambda _: None, identities=identities)
    _make_readable(to)
    return _compared(lambda: iter(chosen.members), to, manifest)


def _require_room(to: Path, needed: int) -> None:
    free = shutil.disk_usage(to).free
    if needed > free:
        raise StateError(f"no room for the drill: it takes {needed:,} bytes, {free:,} are free")


def _all_members(store: Store, manifest: Manifest, identities: Sequence[str]) -> Iterator[Member]:
    return (item for item in fetch_index(store, manifest, identities=identities) if isinstance(item, Member))


def _sample(members: Iterator[Member], count: int, dice: random.Random) -> list[Member]:
    """Return `count` files by chance, each with the same; one pass, whatever their number (reservoir sampling)."""
    chosen: list[Member] = []
    seen = 0
    for member in members:
        if member.kind != "file":
            continue
        seen += 1
        if len(chosen) < count:
            chosen.append(member)
        elif (place := dice.randrange(seen)) < count:
            chosen[place] = member
    return chosen


def _require_all(patterns: Sequence[str], members: Iterator[Member]) -> None:
    """Raise Lacking where a pattern finds nothing in the copy: it may be whole, and lack what it should have."""
    missing = {pattern: matches([pattern]) for pattern in patterns}
    for member in members:
        if not missing:
            return
        for pattern in [pattern for pattern, is_wanted in missing.items() if is_wanted(member)]:
            del missing[pattern]
    if missing:
        raise Lacking(f"the copy has no {', '.join(sorted(missing))}")


def _require_expected(found: Member, expected: Iterator[Member]) -> None:
    """See that the archive goes on as its index says; members that are not made stand in the index alone."""
    for member in expected:
        if member == found:
            return
        if member.begin >= found.begin:
            break
    raise ArchiveDamaged(f"the copy holds {printable_path(found.path)}, and its index does not say so")


def _make_readable(folder: Path) -> None:
    """Let us read what was restored with rights that let nobody; root needs none."""
    if os.geteuid() == 0:
        return
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent) / name for name in (*folders, *files)):
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) | (stat.S_IRWXU if path.is_dir() else stat.S_IRUSR))


def _compared(members: Callable[[], Iterable[Member]], to: Path, manifest: Manifest) -> Drilled:
    """Return what was restored, each compared. Raises ArchiveDamaged, and Lacking where that is nothing."""
    files = size = left_out = 0
    harmless = Harmless()
    problems: dict[str, tuple[int, str]] = {}
    for member in members():
        if not harmless(member):
            left_out += 1
            continue
        if problem := find_difference(member, to, hashed_by=manifest.hashed_by):
            problems[member.path] = (member.begin, problem)
        if len(problems) > MOST_PROBLEMS:
            break
        files += member.is_file
        size += member.size_bytes
    _require_no_problem(problems, members())
    if not files and not left_out:
        raise Lacking("there is no file in the copy")
    return Drilled(files=files, bytes=size, left_out=left_out)


def _require_no_problem(problems: dict[str, tuple[int, str]], members: Iterable[Member]) -> None:
    """Raise ArchiveDamaged with the first problem of a file that was not written over by a later member."""
    if not problems:
        return
    last = {member.path: member.begin for member in members if member.path in problems}
    for path, (begin, problem) in problems.items():
        if begin == last[path]:
            raise ArchiveDamaged(problem)
