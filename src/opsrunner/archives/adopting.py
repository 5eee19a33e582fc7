"""Copies that lie in a store and stand in no catalogue: the ledger was lost, or a run died before it noted them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime

from opsrunner.archives.manifest import SUFFIX, Manifest, read_manifest
from opsrunner.archives.reader import fetch_manifest_bytes
from opsrunner.errors import ArchiveDamaged, NotStored
from opsrunner.model.backup import TRIED, NewCopy
from opsrunner.stores.base import Store


def find_unknown(
    store: Store, store_name: str, *, known: Collection[str], at: datetime, prefix: str = "", ledger: str = ""
) -> tuple[tuple[NewCopy, ...], tuple[str, ...]]:
    """Return the copies under `prefix` that are not `known`, by their manifests, and what reads as none.

    With `ledger` only those that it has made: another site may copy into the same store. A try's are passed by, unless
    `prefix` asks for them.

    Raises StoreFailed where the store cannot be reached.
    """
    names = [stored.name.removesuffix(SUFFIX) for stored in store.list(prefix) if stored.name.endswith(SUFFIX)]
    found: list[NewCopy] = []
    problems: list[str] = []
    for name in names:
        if name in known or (name.startswith(TRIED) and not prefix):
            continue
        try:
            data = fetch_manifest_bytes(store, name)
            manifest = read_manifest(data, name=name)
            if ledger in ("", manifest.ledger):
                sha256 = hashlib.sha256(data).hexdigest()
                found.append(_copy_of(store, store_name, manifest, sha256=sha256, at=at))
        except (ArchiveDamaged, NotStored) as exc:
            problems.append(exc.message)
    return tuple(found), tuple(problems)


def _copy_of(store: Store, store_name: str, manifest: Manifest, *, sha256: str, at: datetime) -> NewCopy:
    """Return what a manifest says, after a look that its objects lie there in their sizes.

    `sha256` is of its bytes as they lie there: another version of the program may write the same in another form.
    """
    for file in (*manifest.archive, manifest.index):
        stored = store.find(file.name)
        if stored is None or stored.size_bytes != file.size:
            raise ArchiveDamaged(f"{file.name} is not there as its manifest says")
    return NewCopy(
        name=manifest.name,
        store=store_name,
        routine=manifest.routine,
        step=manifest.step,
        run=manifest.run,
        key=manifest.key,
        made_at=manifest.made_at,
        received_at=at,
        checked_by="size, when it was adopted",
        size_bytes=manifest.size_bytes,
        plain_bytes=manifest.plain_size,
        files=manifest.files,
        manifest_sha256=sha256,
        of=manifest.of,
        doubts=manifest.doubts,
    )
