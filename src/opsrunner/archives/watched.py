"""A store that is read only as long as its step may go on: a drill of a large copy ends when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from opsrunner.model.store import Stored
from opsrunner.stores.around import AroundStore
from opsrunner.stores.base import Store


class Watched(AroundStore):
    """Another store, where `require_time` is asked before every piece that is read; what it raises ends the reading."""

    def __init__(self, store: Store, *, require_time: Callable[[], None]) -> None:
        super().__init__(store)
        self._require_time = require_time

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        yield from self._in_time(super().read(name, offset=offset, length=length))

    def fetch(self, name: str) -> Iterator[bytes]:
        yield from self._in_time(super().fetch(name))

    def survey(self, prefix: str = "", *, may_hold: Callable[[str], bool]) -> Iterator[Stored]:
        def asked(folder: str) -> bool:
            self._require_time()
            return may_hold(folder)

        for stored in super().survey(prefix, may_hold=asked):
            self._require_time()
            yield stored

    def _in_time(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        self._require_time()
        for piece in pieces:
            yield piece
            self._require_time()
