"""A copy, taken out of a store."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from opsrunner.archives.manifest import SUFFIX, manifest_name
from opsrunner.errors import StoreFailed
from opsrunner.stores.base import Store

_OURS = re.compile(r"(.*/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6}Z-r[0-9]+)\.")


def remove_copy(store: Store, name: str) -> str:
    """Remove a copy: its manifest first, for what is left half-way is no copy then, and goes with the orphans.

    Return why something is left without its manifest, '' where nothing is. Raises StoreFailed where it is a copy still.
    """
    lying = [stored.name for stored in store.list(f"{name}.")]
    if manifest_name(name) in lying:
        store.remove(manifest_name(name))
    try:
        for object_name in lying:
            if object_name != manifest_name(name):
                store.remove(object_name)
    except StoreFailed as exc:
        return exc.message
    return ""


def remove_orphans(
    store: Store, prefix: str, *, before: datetime, known: Collection[str], whole_too: bool = False
) -> int:
    """Remove what a killed run left whole and without a manifest under `prefix`; return how many objects.

    Only what bears the name of a copy of ours, and lay there before that moment. A copy that is `known` by its name had
    a manifest and lost it: it stays. With `whole_too` goes what has one, too, unless it is known. Raises StoreFailed.
    """
    lying = list(store.list(prefix))
    whole = {stored.name.removesuffix(SUFFIX) for stored in lying if stored.name.endswith(SUFFIX)}
    copies = set() if whole_too else whole
    removed = 0
    for stored in lying:
        found = _OURS.match(stored.name)
        if found and found[1] not in copies and found[1] not in known and stored.modified_at < before:
            store.remove(stored.name)
            removed += 1
    return removed
