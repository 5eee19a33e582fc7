"""The ledger's record of one occurrence, or of one run by hand."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.records import dataclass


class RunStatus(StrEnum):
    """Where a run stands; everything after `waiting` is final."""

    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    WARNING = "warning"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    MISSED = "missed"

    @property
    def is_final(self) -> bool:
        """Tell whether the run has ended."""
        return self not in (RunStatus.RUNNING, RunStatus.WAITING)


class Trigger(StrEnum):
    """What made a run."""

    SCHEDULE = "schedule"
    CATCH_UP = "catch_up"
    MANUAL = "manual"
    RERUN = "rerun"
    ROWS = "rows"


QUEUED = "queued"
"""The reason of a `waiting` run that waits for its turn instead of for people: for another run, or a window's end."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One row of `runs`. `frozen` names the copy of the routine that it runs under."""

    id: int
    routine: str
    nominal_at: datetime | None
    planned_at: datetime | None
    row_key: str | None = None
    trigger: Trigger
    status: RunStatus
    reason: str = ""
    actor: str = ""
    rerun_of: int | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    frozen: str | None = None

    @property
    def late_seconds(self) -> float:
        """Seconds between the planned moment and the start, 0 where there is no plan."""
        if self.planned_at is None or self.started_at is None:
            return 0.0
        return max(0.0, (self.started_at - self.planned_at).total_seconds())


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One row of `steps`: the state of one step of a run."""

    run: int
    position: int
    id: str
    kind: str
    status: StepStatus
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: Outcome | None = None
