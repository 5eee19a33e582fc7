"""A thread that takes things in their order, with a short queue in front: memory stays bounded, errors come back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
LOOK_SECONDS = 0.2


class InOrder(Generic[T]):
    """Runs `act` over what is put in, in a thread of its own, until `end`.

    What `act` raises is raised to whoever puts the next thing in, or ends it.
    """

    def __init__(self, act: Callable[[Iterator[T]], None], *, name: str, depth: int) -> None:
        self._act = act
        self._waiting: queue.Queue[T | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._dropped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> None:
        """Hand over the next thing; waits while the queue is full."""
        self._hand_over(item)
        self._raise()

    def end(self) -> None:
        """Wait until all that was put in is done with."""
        self._hand_over(None)
        self._thread.join()
        self._raise()

    def drop(self) -> None:
        """Forget what still waits, and wait until what is under way has ended; never raises."""
        self._dropped.set()
        while self._thread.is_alive():
            self._hand_over(None)
            self._thread.join(LOOK_SECONDS)

    def _hand_over(self, item: T | None) -> None:
        while self._thread.is_alive():
            try:
                self._waiting.put(item, timeout=LOOK_SECONDS)
            except queue.Full:
                continue
            return

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._act(self._items())
        except BaseException as exc:  # noqa: BLE001 (it belongs to who puts things in)
            self._error = exc

    def _items(self) -> Iterator[T]:
        while (item := self._waiting.get()) is not None:
            if self._dropped.is_set():
                raise _Dropped
            yield item
        if self._dropped.is_set():
            raise _Dropped


class _Dropped(Exception):
    """What comes is not wanted any more."""
