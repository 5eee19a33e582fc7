"""What a run tells while it goes, for whoever watches."""

from __future__ import annotations

from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class RunEvent:
    """One thing that happened.

    `kind` is `run_started`, `step_started`, `step_finished`, `task_opened`, `run_waiting`, `run_left`
    or `run_finished`; `seconds` is the step's duration.
    """

    kind: str
    run: int
    routine: str
    name: str
    step: str = ""
    status: str = ""
    message: str = ""
    seconds: float = 0.0


def ignore(event: RunEvent) -> None:
    """Tell nobody."""
    del event
