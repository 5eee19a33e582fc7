"""A folder as the place that the catalogue knows, and not an empty mount point or another folder in its stead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from opsrunner.errors import StoreFailed
from opsrunner.model.backup import copy_name
from opsrunner.model.store import Stored
from opsrunner.stores.around import AroundStore
from opsrunner.stores.base import Store, Upload

Known = Callable[[], Sequence[str]]
"""Tells the names of objects that should lie in a store, one of each copy, the likeliest first."""

ASKED_SINGLY = 20
"""So many objects are asked for one by one; then the store is listed, which is little where it is empty."""


def nothing_known() -> Sequence[str]:
    """Tell of a store that nothing was put in, or that may be any place."""
    return ()


class KnownPlace(AroundStore):
    """Another store, which refuses all work on copies where nothing is there of any copy that it should have.

    A copy that lost an object, were it the one that is asked for, still tells the place. It is asked once, before the
    first work. A disk that is not mounted leaves a folder that reads as an empty store. What others put there
    (`survey`, `fetch`) is looked at in any place.
    """

    def __init__(self, store: Store, *, name: str, known: Known) -> None:
        """`name` is what the site calls the store."""
        super().__init__(store)
        self._name, self._known = name, known
        self._is_known = False

    def begin(self, name: str) -> Upload:
        return self._place.begin(name)

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._place.read(name, offset=offset, length=length)

    def find(self, name: str) -> Stored | None:
        return self._place.find(name)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        return self._place.list(prefix)

    def remove(self, name: str) -> None:
        self._place.remove(name)

    def sweep(self, prefix: str, *, before: datetime) -> int:
        return self._place.sweep(prefix, before=before)

    @property
    def _place(self) -> Store:
        """The store, once it was seen to be the one. Raises StoreFailed."""
        if not self._is_known:
            self._require_one()
            self._is_known = True
        return self._store

    def _require_one(self) -> None:
        names = self._known()
        if names and not self._has_one(names):
            had = "the copy" if len(names) == 1 else f"any of the {len(names)} copies"
            raise StoreFailed(
                f"the store {self._name} does not have {had} that should lie there; is its disk mounted?"
                f" If it is another place now: opsrunner backups adopt {self._name} --moved",
                permanent=True,
            )

    def _has_one(self, names: Sequence[str]) -> bool:
        if any(self._store.find(name) for name in names[:ASKED_SINGLY]):
            return True
        copies = {copy_name(name) for name in names}
        return any(copy_name(stored.name) in copies for stored in self._store.list())
