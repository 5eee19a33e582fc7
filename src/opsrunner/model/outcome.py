"""What a step answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

Row: TypeAlias = Mapping[str, Any]
"""One typed row: column → str, int, float, bool, None, date or aware datetime."""


class PartialRows(tuple[Row, ...]):
    """Rows of a source of which some part could not be read; `problems` says which part and why, a line each."""

    problems: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[Row], problems: Iterable[str]) -> PartialRows:
        """Return `rows` with what is missing among them."""
        partial = cls(rows)
        partial.problems = tuple(problems)
        return partial


class StepStatus(StrEnum):
    """Where a step stands; everything from `succeeded` on is an end."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    WARNING = "warning"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"

    @property
    def is_bad(self) -> bool:
        """Tell whether this end makes its run `failed`."""
        return self in (StepStatus.FAILED, StepStatus.TIMED_OUT, StepStatus.UNKNOWN)


_SEVERITY = (
    StepStatus.SKIPPED,
    StepStatus.SUCCEEDED,
    StepStatus.WARNING,
    StepStatus.INTERRUPTED,
    StepStatus.FAILED,
    StepStatus.TIMED_OUT,
    StepStatus.UNKNOWN,
)


def worst(statuses: list[StepStatus]) -> StepStatus:
    """Return the worst of several ends; nothing at all is `succeeded`."""
    return max(statuses, key=_SEVERITY.index, default=StepStatus.SUCCEEDED)


@dataclass(frozen=True, kw_only=True)
class Part:
    """The result for one host or one row of a step that ran over several."""

    key: str
    status: StepStatus
    message: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try of a step."""

    number: int
    status: StepStatus
    message: str
    started_at: datetime
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of one step.

    `message` is one line for people. `facts` are plain values that expressions reach as
    ``steps.ID.NAME`` (`exit_code`, `latency_ms`, `count` …). `rows` are typed rows for later steps.
    """

    status: StepStatus
    reason: str = ""
    message: str = ""
    rows: tuple[Row, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    attempts: tuple[Attempt, ...] = ()
