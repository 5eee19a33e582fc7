"""Another store with something around it: all that is asked is handed on, and a subclass says what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Self

from opsrunner.model.store import Stored
from opsrunner.stores.base import Store, Upload


class AroundStore:
    """Hands everything on to another store, and is closed with it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin(self, name: str) -> Upload:
        return self._store.begin(name)

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._store.read(name, offset=offset, length=length)

    def fetch(self, name: str) -> Iterator[bytes]:
        return self._store.fetch(name)

    def find(self, name: str) -> Stored | None:
        return self._store.find(name)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        return self._store.list(prefix)

    def survey(self, prefix: str = "", *, may_hold: Callable[[str], bool]) -> Iterator[Stored]:
        return self._store.survey(prefix, may_hold=may_hold)

    def remove(self, name: str) -> None:
        self._store.remove(name)

    def sweep(self, prefix: str, *, before: datetime) -> int:
        return self._store.sweep(prefix, before=before)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
