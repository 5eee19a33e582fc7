"""What stands between a stream and whoever takes it: a taker that fails ends the command, and is heard after that."""

from __future__ import annotations

from collections.abc import Callable

from opsrunner.model.fleet import Stopping

Take = Callable[[bytes], None]
NOT_WHOLE = "the command ended, and the end of its output never came: some of it may be missing"


class Taker:
    """Hands pieces on to `take` until that raises; from then on it says to stop, as `stopping` may do before.

    It belongs to one stream and one thread.
    """

    def __init__(self, take: Take, *, stopping: Stopping) -> None:
        self._take = take
        self._stopping = stopping
        self._error: Exception | None = None

    def take(self, piece: bytes) -> None:
        """Hand on the next piece; what comes after an error is let go."""
        if self._error is not None:
            return
        try:
            self._take(piece)
        except Exception as exc:  # noqa: BLE001 (it is the caller's own, and raised to him when the command has ended)
            self._error = exc

    def is_set(self) -> bool:
        """Tell whether the command is to end now."""
        return self._error is not None or self._stopping.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the word to stop from outside, at most `timeout` seconds; tell whether to stop."""
        return self._error is not None or self._stopping.wait(timeout)

    def raise_error(self) -> None:
        """Raise what `take` has raised, if anything."""
        if self._error is not None:
            raise self._error
