"""A store that is read only as long as its step may go on: a drill of a large copy ends when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType

from opsrunner.model.store import Stored
from opsrunner.stores.base import Store, Upload


class Watched:
    """Another store, where `require_time` is asked before every piece that is read; what it raises ends the reading."""

    def __init__(self, store: Store, *, require_time: Callable[[], None]) -> None:
        self._store, self._require_time = store, require_time

    def begin(self, name: str) -> Upload:
        return self._store.begin(name)

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        self._require_time()
        for piece in self._store.read(name, offset=offset, length=length):
            yield piece
            self._require_time()

    def fetch(self, name: str) -> Iterator[bytes]:
        self._require_time()
        for piece in self._store.fetch(name):
            yield piece
            self._require_time()

    def find(self, name: str) -> Stored | None:
        return self._store.find(name)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        return self._store.list(prefix)

    def survey(self, prefix: str = "", *, may_hold: Callable[[str], bool]) -> Iterator[Stored]:
        def asked(folder: str) -> bool:
            self._require_time()
            return may_hold(folder)

        for stored in self._store.survey(prefix, may_hold=asked):
            self._require_time()
            yield stored

    def remove(self, name: str) -> None:
        self._store.remove(name)

    def sweep(self, prefix: str, *, before: datetime) -> int:
        return self._store.sweep(prefix, before=before)

    def close(self) -> None:
        self._store.close()

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
