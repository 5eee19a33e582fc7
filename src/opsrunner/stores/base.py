"""The contract of a store: whole objects by name, each either there and complete or not there at all.

A name is words of letters, digits, `.`, `_` and `-`, with `/` between them: `nightly/copy/2026-11-21T023000Z-r7.json`.
A word never begins with a dot: what does is the store's own, an upload under way. What else somebody put there under
a name that is none of ours is passed over. Every implementation runs the one contract test
(`tests/integration/stores/contract.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Protocol

from opsrunner.errors import NotStored
from opsrunner.model.store import Received, Stored

READ_BYTES = 1 << 20
"""What `read` hands out at once, at the most."""
_WORD = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}"
_NAME = re.compile(rf"{_WORD}(?:/{_WORD})*\Z")


class Upload(Protocol):
    """One object on its way into a store. Nothing lies under its final name before `finish`, and all of it after."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes, of any length; whoever calls may use their memory again. Raises StoreFailed.

        It returns when it has room again, so that memory stays bounded however slow the store is.
        """

    def finish(self) -> Received:
        """Make it durable under its final name, once the store has whole what was sent.

        Size and the store's own checksum of what arrived are compared with ours first; where they differ, the object
        is taken away again and StoreFailed is raised. An object of the same name is replaced. Where no answer comes,
        StoreFailed is raised too, and whole lies there what lay there before, or what was sent.
        """

    def abort(self) -> None:
        """Leave nothing behind, as far as that can be done now; never raises. After `finish` it does nothing."""


class Store(Protocol):
    """A place for objects. Safe among threads; an Upload belongs to one."""

    def begin(self, name: str) -> Upload:
        """Begin an object. Raises StoreFailed where the store cannot be reached or does not let us write."""

    def read(self, name: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield the bytes from `offset` on, `length` of them or all, READ_BYTES at the most at once.

        Raises NotStored where there is no such object, and StoreFailed where fewer bytes came than were asked for
        and the object has.
        """

    def find(self, name: str) -> Stored | None:
        """Return what lies under a name, None where nothing does. Raises StoreFailed."""

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Yield the objects whose names begin with `prefix`, in the order of their names. Raises StoreFailed.

        A store that nothing was ever put in is empty.
        """

    def survey(self, prefix: str = "", *, may_hold: Callable[[str], bool]) -> Iterator[Stored]:
        """Yield what lies there under whatever name that begins with `prefix`, in no order; it may be others' and odd.

        Only folders that `may_hold` something wanted are looked into, where the store has folders; links are not
        followed. Raises NotStored where the store's own folder is not there, StoreFailed where a part cannot be read.
        """

    def fetch(self, name: str) -> Iterator[bytes]:
        """Yield the bytes of what a survey told of, under whatever name. Raises as `read` does."""

    def remove(self, name: str) -> None:
        """Take an object away; one that is not there is no mistake. Raises StoreRefused, StoreFailed."""

    def sweep(self, prefix: str, *, before: datetime) -> int:
        """Clear away uploads under `prefix` that were begun before that moment and never ended; return how many.

        What cannot be cleared away is left for another time. Raises StoreFailed where the store cannot be reached.
        """

    def close(self) -> None:
        """Let go of connections."""

    def __enter__(self) -> Store: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def is_name(name: str) -> bool:
    """Tell whether an object of ours can bear that name."""
    return _NAME.match(name) is not None


def check_surveyed(name: str) -> str:
    """Return `name`. Raises NotStored where it leads out of a store, or cannot be asked for."""
    words = name.split("/")
    if "\0" in name or any(word in ("", ".", "..") for word in words):
        raise NotStored(f"{name!r} is no name that can be fetched")
    return name


def check_name(name: str) -> str:
    """Return `name`. Raises ValueError where it is no name of an object: a fault of ours, never of a user's."""
    if not is_name(name):
        raise ValueError(f"no name of an object: {name!r}")
    return name
