"""Findings: what an audit of hosts sees that somebody should act on, with its history and what was accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from opsrunner.model.routine import Due, Escalation
from opsrunner.records import dataclass

BASELINE = "baseline"
"""The key of the one task about all that a host's first audit found."""


class Severity(StrEnum):
    """How soon somebody has to act."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, kw_only=True)
class About:
    """What a finding, or a word about one, is about."""

    host: str
    cause: str
    """Lower case letters, digits and hyphens."""
    subject: str = ""
    """One line of text; never holds a comma."""
    mark: str = ""
    """What an acceptance holds for (the version that waits): when it changes, the finding comes up again."""

    @property
    def name(self) -> str:
        """What people call it: `security:openssl`, `reboot`."""
        return f"{self.cause}:{self.subject}" if self.subject else self.cause

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same one at the next audit: host, cause, subject."""
        return (self.host, self.cause, self.subject)


@dataclass(frozen=True, kw_only=True)
class Finding(About):
    """One thing that one host has.

    `cause` is what a person acts on at once, on all hosts that have it, and what a task is opened for:
    `security`, `reboot`, `held`, `disk`. `subject` tells apart what is accepted or mended one by one: a package, a
    mount point, a port; '' where the cause says it all.
    """

    severity: Severity
    detail: str
    """How it stands on this host, in one line: `3.0.11-1~deb12u2 → 3.0.17-1~deb12u3`, `91 % of 40 GB`."""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What a task about all findings of one cause says."""

    name: str
    title: str
    """The task's title without the hosts, as an order: `Install the security updates`."""
    how: str
    """Markdown, trusted: what to look at and what to do."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """How full something was, for its trend."""

    subject: str
    """A mount point."""
    used_bytes: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class HostReport:
    """What an audit learned about one host from its own output.

    A finding stays as it stood where its cause is not among `examined`: what was not looked at proves nothing.
    """

    host: str
    examined: frozenset[str]
    """The causes that were looked for to the end."""
    findings: tuple[Finding, ...] = ()
    problems: tuple[str, ...] = ()
    """What could not be looked at and why, one line each; any of them keeps the host from being green."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Plain values about the host: `system`, `kernel`, `updates` …; one row a host."""
    samples: tuple[Sample, ...] = ()
    """What is kept for a trend."""


@dataclass(frozen=True, kw_only=True)
class Acceptance(About):
    """Somebody's word that a finding may stand until a day."""

    until: datetime
    """It ends at this moment."""
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class KnownFinding:
    """A finding that stands, as the ledger knows it."""

    finding: Finding
    routine: str
    step: str
    first_seen_at: datetime
    seen_at: datetime
    """When the host was last audited for it."""
    title: str = ""
    """The title of its cause."""
    is_baseline: bool = False
    """It was there when its cause was first looked for on this host, and has not become worse."""
    accepted: Acceptance | None = None
    """By whom it was accepted, while that lasts."""
    why: str = ""
    """Why it stands no longer: `not found again`, or its host is no longer audited; '' while it stands."""


@dataclass(frozen=True, kw_only=True)
class TaskRule:
    """For whom the tasks about findings open, and when they are due."""

    opens: bool = True
    """False: findings are kept and told of, and nobody is asked; a task that is open is kept up to date."""
    role: str = ""
    """Role, roster or person; empty: the routine's accountable."""
    due: Mapping[Severity, Due] = field(default_factory=dict)
    """By the worst severity of what a task is about; one that is not named has no due time."""
    escalate: tuple[Escalation, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Audited:
    """The end of one audit: what is written down together with the step's outcome."""

    routine: str
    step: str
    run: int
    at: datetime
    reports: tuple[HostReport, ...]
    """Of the hosts that answered."""
    hosts: frozenset[str]
    """All that the audit came to, answered or not; what is known of any other host ends: it is no longer audited."""
    causes: Mapping[str, Cause]
    """The words for each cause that was looked for; what stands of any other ends: it is no longer looked for."""
    tasks: TaskRule = TaskRule()
    has_baseline: bool = True
    """What is there at the first look is a baseline; False: it is a finding like any later one."""


@dataclass(frozen=True, kw_only=True)
class AuditChange:
    """What an audit wrote: which findings went, each as host, cause and why."""

    ended: tuple[tuple[str, str, str], ...] = ()
