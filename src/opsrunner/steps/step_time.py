"""How long a step may go on whose work is ours, and no program's that could be ended."""

from __future__ import annotations

from opsrunner.errors import StepFailed
from opsrunner.steps.base import Means, StepCall


class StepTime:
    """Begins with the step."""

    def __init__(self, call: StepCall, means: Means) -> None:
        self._call, self._means = call, means
        self._ends_at = means.clock.monotonic() + call.timeout_seconds

    @property
    def left_seconds(self) -> float:
        """What is left of the step's time, at least a second."""
        return max(1.0, self._ends_at - self._means.clock.monotonic())

    def require(self) -> None:
        """Raise StepFailed where the step was told to stop, or its time is over."""
        if self._means.stopping.is_set():
            raise StepFailed("stopped before its end", status="interrupted", permanent=True)
        if self._means.clock.monotonic() > self._ends_at:
            raise StepFailed(f"no end after {self._call.timeout_seconds:g} s", status="timed_out")
