"""An edit that cannot be written, as on a full disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opsrunner.errors import StateError


@contextmanager
def no_edit_is_written(books: Any) -> Iterator[None]:
    """Let the last part of each reload fail."""

    def add(*_: object, **__: object) -> None:
        raise StateError("the disk is full")

    books.audit.add = add
    try:
        yield
    finally:
        del books.audit.add
