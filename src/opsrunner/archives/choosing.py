"""Which members of a copy are to be restored, by its index."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from opsrunner.archives.frames import Frame
from opsrunner.archives.manifest import Manifest
from opsrunner.archives.members import Member
from opsrunner.archives.reader import fetch_index
from opsrunner.records import dataclass
from opsrunner.stores.base import Store

Wanted = Callable[[Member], bool]


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The members of a copy that are to be restored, in the archive's order, and the frames of the whole archive."""

    members: tuple[Member, ...]
    frames: tuple[Frame, ...]

    @property
    def files(self) -> int:
        """How many files they are."""
        return sum(member.is_file for member in self.members)


def choose(store: Store, manifest: Manifest, wanted: Wanted, *, identities: Sequence[str] = ()) -> Chosen:
    """Return the members that are `wanted`, with the folders that they stand in and what they are hard links to.

    Of a path that was archived twice the last one counts. Raises ArchiveDamaged, StoreFailed, Refused where no
    identity opens the index.
    """
    frames: list[Frame] = []
    chosen: dict[str, Member] = {}
    folders: dict[str, Member] = {}
    for item in fetch_index(store, manifest, identities=identities):
        if isinstance(item, Frame):
            frames.append(item)
        elif item.is_itself:
            continue
        elif wanted(item):
            chosen[item.path] = item
        elif item.kind == "folder":
            folders[item.path] = item
    missing = {item.target for item in chosen.values() if item.kind == "hard link"} - set(chosen)
    if missing:
        chosen |= {item.path: item for item in members_of(store, manifest, identities) if item.path in missing}
    for path in list(chosen):
        for parent in PurePosixPath(path).parents:
            if str(parent) in folders:
                chosen[str(parent)] = folders[str(parent)]
    in_order = sorted(chosen.values(), key=lambda member: member.begin)
    return Chosen(members=tuple(in_order), frames=tuple(frames))


def members_of(store: Store, manifest: Manifest, identities: Sequence[str] = ()) -> Iterator[Member]:
    """Yield the members that the index of a copy knows, each file once under each of its names."""
    index = fetch_index(store, manifest, identities=identities)
    return (item for item in index if isinstance(item, Member) and not item.is_itself)


def matches(patterns: Sequence[str]) -> Wanted:
    """Return what is wanted by patterns: paths, or signs for many (`*`, also over `/`), and all that stands under them.

    A path is found by its own letters first: `[` in it needs no quoting.
    """
    is_wanted = path_matches(patterns)
    return lambda member: is_wanted(member.path)


def path_matches(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells of a path whether patterns want it, as `matches` does of a member."""
    plain = [pattern.removeprefix("./").strip("/") or "*" for pattern in patterns]

    def is_wanted(path: str) -> bool:
        path = path.removeprefix("./").rstrip("/")
        return any(
            path == one or path.startswith(f"{one}/") or fnmatchcase(path, one) or fnmatchcase(path, f"{one}/*")
            for one in plain
        )

    return is_wanted
