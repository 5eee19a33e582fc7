"""A moment on the steady clock after which nobody waits any longer."""

from __future__ import annotations

from opsrunner.clock import Clock


class Deadline:
    """Ends `seconds` from now."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.seconds = seconds
        self._clock = clock
        self._at = clock.monotonic() + seconds

    @property
    def remaining_seconds(self) -> float:
        """Seconds left, 0 when it has passed."""
        return max(0.0, self._at - self._clock.monotonic())

    @property
    def passed(self) -> bool:
        """Tell whether it is over."""
        return self.remaining_seconds <= 0
