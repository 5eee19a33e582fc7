"""Copies that the catalogue knows, and of which nothing lies in their store any more, or no manifest."""

from __future__ import annotations

from collections.abc import Sequence

from opsrunner.archives.manifest import manifest_name
from opsrunner.model.backup import Copy, copy_name
from opsrunner.stores.base import Store

NOT_THERE = "nothing of it lies in its store any more"
"""Why a copy is gone that we did not remove."""
NO_MANIFEST = "its manifest is not there"
"""Why a copy is damaged of which the rest is there."""


def has_vanished(store: Store, name: str) -> bool:
    """Tell whether no object of a copy is there. Raises StoreFailed."""
    return store.find(manifest_name(name)) is None and next(iter(store.list(f"{name}.")), None) is None


def find_vanished(store: Store, copies: Sequence[Copy], *, prefix: str = "") -> tuple[Copy, ...]:
    """Return those of the copies under `prefix` of which no object is there. Raises StoreFailed."""
    there = {copy_name(stored.name) for stored in store.list(prefix)}
    missing = [copy for copy in copies if copy.name.startswith(prefix) and copy.name not in there]
    # A list of some stores is a little late, and what was just put there stands in none.
    return tuple(copy for copy in missing if store.find(manifest_name(copy.name)) is None)


def find_without_manifest(store: Store, copies: Sequence[Copy], *, prefix: str = "") -> tuple[Copy, ...]:
    """Return those of the copies under `prefix` of which all but the manifest may be there. Raises StoreFailed."""
    there = {stored.name for stored in store.list(prefix)}
    parts = {copy_name(name) for name in there}
    lost = [copy for copy in copies if copy.name in parts and manifest_name(copy.name) not in there]
    return tuple(copy for copy in lost if store.find(manifest_name(copy.name)) is None)
