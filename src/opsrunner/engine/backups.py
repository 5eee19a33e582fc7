"""What people do to copies: look, prove, restore, thin out, and find again what a lost ledger has forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from opsrunner.archives.adopting import find_unknown
from opsrunner.archives.choosing import choose, matches
from opsrunner.archives.reader import fetch_manifest, read_again
from opsrunner.archives.removing import remove_copy
from opsrunner.archives.restoring import Restored, Tell, restore_all, restore_chosen
from opsrunner.archives.retention import BEYOND
from opsrunner.archives.vanished import NOT_THERE, find_missed, has_vanished
from opsrunner.engine.copies_in_use import CopiesInUse
from opsrunner.engine.desk import Desk
from opsrunner.engine.standing_copies import standings
from opsrunner.engine.thinning import Thinning, thin
from opsrunner.errors import (
    ArchiveDamaged,
    NotFound,
    NotStored,
    Refused,
    SecretUnavailable,
    StateError,
    StoreFailed,
)
from opsrunner.model.backup import MOVED, Copy, CopyNote, CopyState, Gone, Keep, NewCopy, Reread
from opsrunner.model.foreign import ForeignDrill
from opsrunner.records import dataclass
from opsrunner.stores.base import Store

OpenStore = Callable[[str], Store]


_TRUST = (CopyState.GOOD, CopyState.DOUBTFUL, CopyState.DAMAGED, CopyState.GONE)


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """What was found in a store: copies that the catalogue did not know, and what reads as none."""

    copies: tuple[NewCopy, ...]
    problems: tuple[str, ...]
    gone: tuple[Copy, ...] = ()
    """Copies that the catalogue knew, and that do not lie in the place that the store is now."""


class Backups:
    """The copies of a site.

    `open_store` opens a store by its name; `open_moved` does, too, where it is another place than the catalogue knows.
    """

    def __init__(self, desk: Desk, *, open_store: OpenStore, open_moved: OpenStore) -> None:
        self._desk, self._open, self._open_moved = desk, open_store, open_moved
        self._in_use = CopiesInUse(desk.state)

    def find(self, name: str, *, store: str = "") -> Copy:
        """Return the copy of a name, of the last word of one, or of a number; one that is gone by its whole name.

        Of the same in several stores it is the one that is known best, then that of the first store.

        Raises NotFound, and Refused where it is not clear which is meant.
        """
        copies = self._desk.books.copies
        lying = copies.lying(store=store)
        if name.isdigit():
            found = [copy for copy in lying if copy.id == int(name)]
        else:
            found = [copy for copy in lying if name in (copy.name, copy.name.rpartition("/")[2])]
        found = found or copies.named(name, store=store)
        if not found:
            raise NotFound(
                f"there is no copy '{name}'{f' in {store}' if store else ''}; opsrunner backups list shows all"
            )
        names = sorted({copy.name for copy in found})
        if len(names) > 1:
            raise Refused(f"'{name}' may be {' or '.join(names[:3])}; say the whole name, or the number")
        return min(found, key=lambda copy: (_TRUST.index(copy.state), copy.id))

    def verify(self, copy: Copy, *, actor: str, at: datetime) -> int:
        """Fetch every byte of a copy and hash it again; return how many. Raises ArchiveDamaged, StoreFailed.

        One of which nothing is there any more is noted as gone; one that is so already stays as it was noted, and so
        does one that is removed meanwhile by other means. Raises NotStored, and Refused while it is being removed.
        """
        with self._in_use.reading(copy), self._open(copy.store) as store:
            if has_vanished(store, copy.name):
                if copy.ended_at is not None:
                    since = f"{copy.ended_at:%Y-%m-%d %H:%M} UTC"
                    raise NotStored(f"{copy.name} is gone from {copy.store} since {since}: {copy.why}")
                self._note(Gone(copy=copy.id, at=at, why=NOT_THERE), "verify", copy, actor=actor, at=at)
                raise NotStored(f"{copy.name}: nothing of it lies in {copy.store} any more; it is noted as gone")
            try:
                size = read_again(store, fetch_manifest(store, copy.name, sha256=copy.manifest_sha256))
            except (ArchiveDamaged, NotStored) as exc:
                self._note(Reread(copy=copy.id, at=at, problem=exc.message), "verify", copy, actor=actor, at=at)
                raise
        was_gone = copy.ended_at is not None
        self._note(Reread(copy=copy.id, at=at, was_gone=was_gone), "verify", copy, actor=actor, at=at)
        (known,) = self._desk.books.copies.named(copy.name, store=copy.store)
        if known.ended_at is not None:
            raise NotStored(f"{copy.name} was removed from {copy.store} meanwhile: {known.why}")
        return size

    def restore(
        self,
        copy: Copy,
        to: Path,
        *,
        only: tuple[str, ...],
        own: bool,
        replace: bool,
        tell: Tell,
        identities: Sequence[str] = (),
        actor: str,
        at: datetime,
    ) -> Restored:
        """Restore a copy, or what `only` names of it, into a folder. Raises as restore_all does, and NotFound.

        Nobody removes it meanwhile; while it is being removed, Refused is raised. `identities` are texts that hold
        secret keys of age.
        """
        with self._in_use.reading(copy), self._open(copy.store) as store:
            manifest = fetch_manifest(store, copy.name, sha256=copy.manifest_sha256)
            self._desk.books.audit.add("restore", f"copy {copy.name}", actor=actor, at=at, detail=str(to))
            _make_folder(to)
            if not only:
                return restore_all(store, manifest, to, own=own, replace=replace, tell=tell, identities=identities)
            if manifest.form == "stream":
                raise Refused(f"{copy.name} is one file, {manifest.stream_name}; leave out --only")
            chosen = choose(store, manifest, matches(only), identities=identities)
            if not chosen.members:
                raise NotFound(f"{copy.name} holds nothing of {', '.join(only)}")
            return restore_chosen(
                store, manifest, chosen, to, own=own, replace=replace, tell=tell, identities=identities
            )

    def thinnings(self, *, now: datetime) -> Iterator[Thinning]:
        """Yield what retention comes to for each step that says what to keep."""
        zone = ZoneInfo(self._desk.site().timezone)
        for standing in standings(self._desk, at=now):
            if standing.keep != Keep():
                yield from thin(standing, now=now, zone=zone)

    def prune(self, plans: Sequence[Thinning], *, actor: str, at: datetime) -> dict[int, str]:
        """Remove what retention does not keep, each as far as its store is there and lets us.

        Return why copies stay that should go, by their numbers.
        """
        problems: dict[int, str] = {}
        for copy in (copy for plan in plans for copy in plan.retention.removed):
            try:
                self.remove(copy, actor=actor, at=at)
            except (StoreFailed, NotFound, SecretUnavailable, Refused) as exc:
                problems[copy.id] = f"{copy.name} stays in {copy.store}: {exc.message}"
        return problems

    def remove(self, copy: Copy, *, actor: str, at: datetime) -> None:
        """Remove a copy that retention does not keep.

        Raises NotFound, SecretUnavailable, Refused where somebody reads it, and StoreFailed, the last also where only
        its manifest went: then it is gone.
        """
        with self._in_use.removing(copy), self._open(copy.store) as store:
            left = remove_copy(store, copy.name)
        self._note(Gone(copy=copy.id, at=at, why=BEYOND), "prune", copy, actor=actor, at=at)
        if left:
            raise StoreFailed(f"only in part, which the next copy of its step clears away: {left}")

    def adopt(self, store_name: str, *, is_moved: bool = False, actor: str, at: datetime) -> Adopted:
        """Put every copy that lies in a store into the catalogue, as far as it is not known.

        Where the store `is_moved` to another place, the copies that do not lie there are noted as gone: where that is
        not said, a folder that has none of them is taken for a disk that is not mounted. Raises StoreFailed.
        """
        lying = self._desk.books.copies.lying(store=store_name)
        found: tuple[NewCopy, ...] = ()
        problems: tuple[str, ...] = ()
        gone: Sequence[Copy] = ()
        if is_moved and lying and store_name not in self._desk.site().stores:
            gone = lying
        else:
            with (self._open_moved if is_moved else self._open)(store_name) as store:
                found, problems = find_unknown(store, store_name, known={copy.name for copy in lying}, at=at)
                gone = find_missed(store, lying).gone if is_moved else ()
        detail = f"{len(found)} copies" + (f", {len(gone)} gone" if is_moved else "")
        with self._desk.books.transaction():
            self._desk.books.copies.note(found)
            self._desk.books.copies.note([Gone(copy=copy.id, at=at, why=MOVED) for copy in gone])
            self._desk.books.audit.add("adopt", f"store {store_name}", actor=actor, at=at, detail=detail)
        return Adopted(copies=found, problems=problems, gone=tuple(gone))

    def prove_foreign(self, check: str, key: str, *, note: str, actor: str, at: datetime) -> ForeignDrill:
        """Record that somebody restored a backup of another tool, which `check` (routine/step) knows.

        Raises NotFound, and Refused where there is none.
        """
        routine, _, step = check.partition("/")
        known = {one.key: one for one in self._desk.books.foreign.of(routine, step)}
        if not known:
            raise NotFound(f"no backup_check step '{check}' has found anything; opsrunner backups others shows all")
        if key not in known:
            raise NotFound(f"'{key}' is nothing that {check} expects; opsrunner backups others --all shows all")
        newest = known[key].newest
        if newest is None:
            raise Refused(f"{check} has found no backup of '{key}': there is none that could have been restored")
        drill = ForeignDrill(routine=routine, step=step, key=key, at=at, by=actor, name=newest.name, note=note)
        with self._desk.books.transaction():
            self._desk.books.copies.note([drill])
            self._desk.books.audit.add("prove", f"backup of {key} in {check}", actor=actor, at=at, detail=note)
        return drill

    def _note(self, note: CopyNote, action: str, copy: Copy, *, actor: str, at: datetime) -> None:
        with self._desk.books.transaction():
            self._desk.books.copies.note([note])
            self._desk.books.audit.add(action, f"copy {copy.name}", actor=actor, at=at, detail=copy.store)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise StateError(f"{folder} cannot be made: {(exc.strerror or str(exc)).lower()}") from exc
