"""The ledger itself, into a store or a file and back: also where there is none any more to open."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from opsrunner.archives.copying import Copying, Order
from opsrunner.archives.manifest import Manifest
from opsrunner.archives.reader import fetch_manifest, read_plain
from opsrunner.archives.versions import archive_versions
from opsrunner.clock import Clock
from opsrunner.engine.state import LEDGER
from opsrunner.errors import ArchiveDamaged, LedgerDamaged, NotFound, NotStored, Refused
from opsrunner.ledger.whole_copies import copy_ledger, place_ledger, require_no_ledger
from opsrunner.model.backup import TRIED, NewCopy
from opsrunner.steps.backup import STATE_NAME
from opsrunner.stores.base import READ_BYTES, Store

BY_HAND = ("state", "ledger")
"""Routine and step that a copy made by hand is named after."""


def _tell_nobody(_line: str) -> None:
    """Pass by in silence."""


def store_ledger(state: Path, store_name: str, store: Store, *, site: str, clock: Clock) -> NewCopy:
    """Copy the ledger into a store. Raises StoreFailed, StateError, LedgerDamaged."""
    routine, step = BY_HAND
    order = Order(
        site=site,
        routine=routine,
        step=step,
        run=0,
        of="the ledger of opsrunner",
        form="stream",
        stream_name=STATE_NAME,
    )
    with tempfile.TemporaryDirectory(dir=state, prefix="ledger-copy-") as folder:
        draft = Path(folder) / STATE_NAME
        copy_ledger(state / LEDGER, draft)
        copying = Copying(order, {store_name: store}, clock=clock)
        try:
            with draft.open("rb") as file:
                while piece := file.read(READ_BYTES):
                    copying.take(piece)
            (copy,) = copying.finish(copying.store_archive(), doubts=(), made_by=archive_versions())
        except BaseException:
            copying.abort()
            raise
        finally:
            copying.close()
    return copy


def restore_ledger(
    state: Path, store: Store, *, site: str = "", copy: str = "", tell: Callable[[str], None] = _tell_nobody
) -> Manifest:
    """Put the newest copy of the ledger that can be read back into the state folder, and return what it is.

    Each copy that is passed by until then is told, and why: it is damaged, encrypted, no ledger, or of another site
    than `site`, where one is given. With `copy`, its name or the last word of it, that one is taken and no other.

    Raises NotFound where none can be put back, Refused where a ledger is there or the copy is encrypted, StoreFailed,
    ArchiveDamaged, StateError.
    """
    names = _newest_first(store)
    if not names:
        raise NotFound("the store has no copy of a ledger")
    require_no_ledger(state / LEDGER)
    if copy:
        return _put_back(state, store, fetch_manifest(store, _named(copy, names)))
    locked = ""
    for name in names:
        try:
            manifest = fetch_manifest(store, name)
            if site not in ("", manifest.site):
                tell(f"{name} is passed by: it is of the site '{manifest.site}'; --copy takes it all the same")
            elif not manifest.encrypted:
                return _put_back(state, store, manifest)
            elif not locked:  # what is to be done about it is the same for all of them
                locked = _by_hand(manifest)
                tell(locked)
        except (NotStored, ArchiveDamaged, LedgerDamaged) as exc:
            tell(f"{name} is passed by: {exc.message}")
    raise NotFound(
        f"none of the copies of a ledger can be put back ({len(names)} tried){f'; {locked}' if locked else ''}"
    )


def _newest_first(store: Store) -> list[str]:
    """Return the names of the copies that may be one of a ledger, but for those of a try. Raises StoreFailed."""
    ends = (f".{STATE_NAME}.zst", f".{STATE_NAME}.zst.age")
    names = {
        stored.name.removesuffix(end)
        for stored in store.list()
        for end in ends
        if stored.name.endswith(end) and not stored.name.startswith(TRIED)
    }
    return sorted(names, key=lambda name: (_last_word(name), name), reverse=True)


def _named(word: str, names: Sequence[str]) -> str:
    """Return the copy that is meant. Raises NotFound, and Refused where it is not clear which one is."""
    found = [name for name in names if name == word] or [name for name in names if _last_word(name) == word]
    if not found:
        newest = ", ".join(names[:3])
        raise NotFound(f"the store has no copy of a ledger called '{word}'; the newest there: {newest}")
    if len(found) > 1:
        raise Refused(f"'{word}' may be {' or '.join(found[:3])}; say the whole name")
    return found[0]


def _last_word(name: str) -> str:
    """Return what sorts as the time does at which the copy was begun."""
    return name.rpartition("/")[2]


def _put_back(state: Path, store: Store, manifest: Manifest) -> Manifest:
    if manifest.encrypted:
        raise Refused(_by_hand(manifest))
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state, prefix="ledger-copy-") as folder:
        draft = Path(folder) / STATE_NAME
        with draft.open("wb") as file:
            for piece in read_plain(store, manifest):
                file.write(piece)
        place_ledger(draft, state / LEDGER)
    return manifest


def _by_hand(manifest: Manifest) -> str:
    """Say how an encrypted copy is put back: we have no secret key, and ask for none."""
    files = " ".join(part.name for part in manifest.archive)
    what = "FILE" if len(manifest.archive) == 1 else "<(cat FILES)"
    return (
        f"{manifest.name} is encrypted: fetch {files} from the store, age -d -i KEY {what} | zstd -d > ledger.db,"
        " then --restore --from ledger.db"
    )
