"""Copies that the catalogue knows, and of which nothing lies in their store any more, or no manifest."""

from __future__ import annotations

from collections.abc import Sequence

from opsrunner.archives.manifest import manifest_name
from opsrunner.model.backup import Copy, copy_name
from opsrunner.records import dataclass
from opsrunner.stores.base import Store

NOT_THERE = "nothing of it lies in its store any more"
"""Why a copy is gone that we did not remove."""
NO_MANIFEST = "its manifest is not there"
"""Why a copy is damaged of which the rest is there."""


def has_vanished(store: Store, name: str) -> bool:
    """Tell whether no object of a copy is there. Raises StoreFailed."""
    return store.find(manifest_name(name)) is None and next(iter(store.list(f"{name}.")), None) is None


@dataclass(frozen=True, kw_only=True)
class Missed:
    """Copies that do not lie in a store as they should."""

    gone: tuple[Copy, ...]
    """No object of them is there."""
    headless: tuple[Copy, ...]
    """Their manifest is not there; all else may be."""


def find_missed(store: Store, copies: Sequence[Copy], *, prefix: str = "") -> Missed:
    """Return what is missed of the copies under `prefix`. Raises StoreFailed."""
    there = {stored.name for stored in store.list(prefix)}
    parts = {copy_name(name) for name in there}
    without = [copy for copy in copies if copy.name.startswith(prefix) and manifest_name(copy.name) not in there]
    # A list of some stores is a little late, and what was just put there stands in none.
    lost = [copy for copy in without if store.find(manifest_name(copy.name)) is None]
    return Missed(
        gone=tuple(copy for copy in lost if copy.name not in parts),
        headless=tuple(copy for copy in lost if copy.name in parts),
    )
