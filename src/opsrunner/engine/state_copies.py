"""The ledger itself, into a store or a file and back: also where there is none any more to open."""

from __future__ import annotations

import tempfile
from pathlib import Path

from opsrunner.archives.copying import Copying, Order
from opsrunner.archives.manifest import Manifest
from opsrunner.archives.reader import fetch_manifest, read_plain
from opsrunner.archives.versions import archive_versions
from opsrunner.clock import Clock
from opsrunner.engine.state import LEDGER
from opsrunner.errors import ArchiveDamaged, NotFound, NotStored
from opsrunner.ledger.whole_copies import copy_ledger, place_ledger
from opsrunner.model.backup import NewCopy
from opsrunner.steps.backup import STATE_NAME
from opsrunner.stores.base import READ_BYTES, Store

BY_HAND = ("state", "ledger")
"""Routine and step that a copy made by hand is named after."""


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


def restore_ledger(state: Path, store: Store) -> Manifest:
    """Put the newest copy of the ledger that lies in a store into the state folder, and return what it is.

    Raises NotFound where the store has none, Refused where a ledger is there, StoreFailed, ArchiveDamaged, StateError.
    """
    manifest = _newest(store)
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state, prefix="ledger-copy-") as folder:
        draft = Path(folder) / STATE_NAME
        with draft.open("wb") as file:
            for piece in read_plain(store, manifest):
                file.write(piece)
        place_ledger(draft, state / LEDGER)
    return manifest


def _newest(store: Store) -> Manifest:
    wanted = f".{STATE_NAME}.zst"
    names = [stored.name.removesuffix(wanted) for stored in store.list() if stored.name.endswith(wanted)]
    found: list[Manifest] = []
    for name in names:
        try:
            found.append(fetch_manifest(store, name))
        except (NotStored, ArchiveDamaged):
            continue  # another one may be whole
    if not found:
        raise NotFound("the store has no copy of a ledger")
    return max(found, key=lambda manifest: manifest.made_at)
