"""Putting nearly ordered streams in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import heappop, heappush
from typing import Any, TypeVar

Item = TypeVar("Item", bound=Any)


def in_order(stream: Iterable[tuple[datetime, datetime, Item]]) -> Iterator[Item]:
    """Yield the items of (bound, moment, item) by their moment; items of one moment in their own order.

    No entry may have a moment before the bound of an earlier entry. Only what waits for its bound is held.
    """
    waiting: list[tuple[datetime, Item]] = []
    for bound, moment, item in stream:
        heappush(waiting, (moment, item))
        while waiting and waiting[0][0] < bound:
            yield heappop(waiting)[1]
    while waiting:
        yield heappop(waiting)[1]
