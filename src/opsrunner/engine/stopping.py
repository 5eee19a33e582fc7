"""The word to stop, for one run."""

from __future__ import annotations

import threading
from typing import Literal

Reason = Literal["", "shutdown", "asked"]


class StopWord:
    """Tells a run's step to end early, and why: the daemon stops, or a person asked."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason: Reason = ""

    def say(self, reason: Literal["shutdown", "asked"]) -> None:
        """Stop now; the first reason stands."""
        if not self._event.is_set():
            self.reason = reason
            self._event.set()

    def is_set(self) -> bool:
        """Tell whether to stop now."""
        return self._event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the word, at most `timeout` seconds; tell whether it came."""
        return self._event.wait(timeout)
