"""Several stores that get the same objects in one pass: what fails in one of them does not spoil the others."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from opsrunner.errors import StoreFailed
from opsrunner.model.store import Received
from opsrunner.stores.base import Store, Upload


class Together:
    """Begins objects in every store that has not failed yet. Raises the last failure where none is left."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = stores
        self._received: dict[str, dict[str, Received]] = {name: {} for name in stores}
        self.failures: dict[str, StoreFailed] = {}
        """Why a store has not the copy, by its name."""

    @property
    def whole(self) -> list[str]:
        """The stores that have everything so far."""
        return [name for name in self._stores if name not in self.failures]

    def begin(self, name: str) -> TogetherUpload:
        """Begin an object in each of them."""
        upload = TogetherUpload(self)
        for store in self.whole:
            try:
                upload.uploads[store] = self._stores[store].begin(name)
            except StoreFailed as exc:
                self.note(store, exc)
        return upload

    def remove(self, name: str) -> None:
        """Remove an object from each, as far as they let us; never raises."""
        for store in self._stores.values():
            with suppress(StoreFailed):
                store.remove(name)

    def receive(self, store: str, received: Received) -> None:
        """Remember what a store has whole."""
        self._received[store][received.name] = received

    def checked_by(self, store: str, name: str) -> str:
        """Return by what an object that a store has was compared, beside its size."""
        return self._received[store][name].checked_by

    def note(self, store: str, failure: StoreFailed) -> None:
        """Remember that a store has failed, and take back what it has of the copy as far as it lets us.

        Raises the failure where it was the last one.
        """
        self.failures[store] = failure
        for name in self._received[store]:
            with suppress(StoreFailed):
                self._stores[store].remove(name)
        if not self.whole:
            raise failure


class TogetherUpload:
    """One object on its way into several stores."""

    def __init__(self, together: Together) -> None:
        self._together = together
        self.uploads: dict[str, Upload] = {}

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hand the bytes to each; waits for the slowest."""
        for store, upload in list(self.uploads.items()):
            try:
                upload.write(data)
            except StoreFailed as exc:
                self._drop(store, exc)

    def finish(self) -> Received:
        """End it in each; return what the last one said."""
        received: Received | None = None
        for store, upload in list(self.uploads.items()):
            try:
                received = upload.finish()
            except StoreFailed as exc:
                self._drop(store, exc)
            else:
                self._together.receive(store, received)
        assert received is not None  # noqa: S101  the last failure was raised
        return received

    def abort(self) -> None:
        """Leave nothing behind."""
        for upload in self.uploads.values():
            upload.abort()

    def _drop(self, store: str, failure: StoreFailed) -> None:
        self.uploads.pop(store).abort()
        self._together.note(store, failure)
