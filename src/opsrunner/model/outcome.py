"""What a step answers with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from opsrunner.records import dataclass

Row: TypeAlias = Mapping[str, Any]
"""One typed row: column → str, int, float, bool, None, date or aware datetime."""


class SourceRows(tuple[Row, ...]):
    """Rows of a source that has parts of its own, such as feeds."""

    problems: tuple[str, ...] = ()
    """Which parts could not be read, and why, a line each."""
    parts: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """A column that names parts → the parts that were read, also those that had no rows."""

    @classmethod
    def of(
        cls, rows: Iterable[Row], *, problems: Iterable[str] = (), parts: Mapping[str, tuple[str, ...]]
    ) -> SourceRows:
        """Return `rows` with what is told of their source."""
        told = cls(rows)
        told.problems, told.parts = tuple(problems), parts
        return told


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

    @property
    def was_cut_off(self) -> bool:
        """Tell whether it was ended in the middle of its work: nobody knows how far it came."""
        is_begun = self.facts.get("begun", True) and self.facts.get("reached", True)
        return self.status is StepStatus.INTERRUPTED and bool(is_begun)


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

    @property
    def ended_badly(self) -> bool:
        """Tell whether it failed or was cut off: what it says is not of all that there was to do."""
        return self.status.is_bad or self.status is StepStatus.INTERRUPTED

    @property
    def was_cut_off(self) -> bool:
        """Tell whether it, or a part of it, was ended in the middle of its work, whatever became of the others."""
        return self.status is StepStatus.INTERRUPTED or any(part.was_cut_off for part in self.parts)
