"""What audits learned about hosts, apart from what somebody should act on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from opsrunner.model.finding import Severity
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class HostFacts:
    """What one audit step last learned about one host: of the last time that the host answered it."""

    routine: str
    step: str
    host: str
    at: datetime
    examined: int
    """How many causes were looked for to the end; 0: nothing was."""
    problems: int
    """How many things could not be looked at."""
    facts: Mapping[str, Any]
    """Single plain values: `system`, `kernel`, `updates`, `disk_percent` …; None: the host does not tell it."""


@dataclass(frozen=True, kw_only=True)
class CauseCount:
    """How many findings of one cause and severity stand on a host, by the step that sees them."""

    routine: str
    step: str
    host: str
    cause: str
    severity: Severity
    findings: int
    accepted: int
    """So many of them are accepted."""
    since: datetime | None
    """Since when the oldest of the others stands; None where all are accepted."""

    @property
    def left(self) -> int:
        """How many are not accepted."""
        return self.findings - self.accepted
