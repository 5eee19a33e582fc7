"""What a host answers, and how whoever waits for it is told to stop."""

from __future__ import annotations

from typing import Protocol

from opsrunner.model.outcome import StepStatus
from opsrunner.records import dataclass


class Stopping(Protocol):
    """Told when the step should end early: the run was cancelled, or the daemon stops."""

    def is_set(self) -> bool:
        """Tell whether to stop now."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the word to stop, at most `timeout` seconds; tell whether it came."""


@dataclass(frozen=True, kw_only=True)
class HostAnswer:
    """What one host answered. Streams are capped; `exit_code` None: it never told."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    truncated: bool = False
    status: StepStatus | None = None
    """How a command that started ended where it did not end by itself (`timed_out`, `unknown`,
    `interrupted`, or `failed` by a signal); None: it did, and `exit_code` tells the rest."""
    message: str = ""
    """One line for people that belongs to `status`."""
