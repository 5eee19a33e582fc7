"""What the audits in force know of each host: its facts, and how many findings stand there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from opsrunner.engine.desk import Desk
from opsrunner.model.finding import Acceptance, KnownFinding, Severity
from opsrunner.model.host_facts import CauseCount, HostFacts
from opsrunner.model.site import Site

REBOOT = "reboot"
"""The cause that a host has which waits for a restart."""


@dataclass(frozen=True, kw_only=True)
class HostAudit:
    """What is known of one host; without anything in it, the host was not audited."""

    sources: tuple[HostFacts, ...] = ()
    """What each audit step learned, in the order of time."""
    counts: tuple[CauseCount, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The newest word on each; None: the host did not tell it then, whatever it told before."""

    @property
    def at(self) -> datetime | None:
        """When it answered an audit last."""
        return self.sources[-1].at if self.sources else None

    @property
    def is_whole(self) -> bool:
        """Tell whether something was looked for, and all of it to the end: only then is no finding a good sign."""
        return any(one.examined for one in self.sources) and not any(one.problems for one in self.sources)

    @property
    def severities(self) -> dict[Severity, int]:
        """How many findings stand that are not accepted, the worst first; those that none has are left out."""
        found: dict[Severity, int] = defaultdict(int)
        for one in self.counts:
            found[one.severity] += one.left
        return {severity: found[severity] for severity in Severity if found[severity]}

    @property
    def left(self) -> int:
        """How many findings are not accepted."""
        return sum(one.left for one in self.counts)

    @property
    def accepted(self) -> int:
        """How many findings are."""
        return sum(one.accepted for one in self.counts)

    @property
    def causes(self) -> frozenset[str]:
        """The causes of what stands, accepted or not."""
        return frozenset(one.cause for one in self.counts)

    def since(self, cause: str) -> datetime | None:
        """Return since when the oldest finding of a cause stands that is not accepted; None where there is none."""
        return min((one.since for one in self.counts if one.cause == cause and one.since is not None), default=None)


def host_audits(desk: Desk, *, at: datetime) -> dict[str, HostAudit]:
    """Return what is known of every host that was audited; findings are told from what is accepted at `at`."""
    steps = _steps_in_force(desk.site())
    sources: dict[str, list[HostFacts]] = defaultdict(list)
    for one in desk.books.host_facts.all():
        if (one.routine, one.step) in steps:
            sources[one.host].append(one)
    counts: dict[str, list[CauseCount]] = defaultdict(list)
    for count in desk.books.finding_counts.standing(at=at):
        if (count.routine, count.step) in steps:
            counts[count.host].append(count)
    return {host: _audit(sources.get(host, ()), counts.get(host, ())) for host in sources.keys() | counts.keys()}


def host_audit(desk: Desk, host: str, *, at: datetime) -> HostAudit:
    """Return what is known of one host."""
    steps, books = _steps_in_force(desk.site()), desk.books
    return _audit(
        [one for one in books.host_facts.of_host(host) if (one.routine, one.step) in steps],
        [one for one in books.finding_counts.of_host(host, at=at) if (one.routine, one.step) in steps],
    )


def waiting_since(desk: Desk, cause: str, *, at: datetime) -> dict[str, datetime]:
    """Return the hosts that have a cause which is not accepted, each with since when."""
    steps = _steps_in_force(desk.site())
    found: dict[str, datetime] = {}
    for one in desk.books.finding_counts.of_cause(cause, at=at):
        if one.since is not None and (one.routine, one.step) in steps:
            found[one.host] = min(one.since, found.get(one.host, one.since))
    return found


def standing_acceptances(desk: Desk, *, at: datetime) -> list[Acceptance]:
    """Return what is accepted of what the audits in force find, each once, the first to end first."""
    steps = _steps_in_force(desk.site())
    found = desk.books.findings.accepted_and_there(at=at)
    return list({one.key: one for step, one in found if step in steps}.values())


def standing_findings(desk: Desk, *, at: datetime, host: str = "") -> list[KnownFinding]:
    """Return what stands on all hosts, or on one, of the audits in force: what no step looks for is no longer known."""
    steps = _steps_in_force(desk.site())
    found = desk.books.findings.standing(at=at, host=host)
    return [one for one in found if (one.routine, one.step) in steps]


def _audit(sources: Iterable[HostFacts], counts: Iterable[CauseCount]) -> HostAudit:
    in_order = tuple(sources)
    facts: dict[str, Any] = {}
    for one in in_order:
        facts |= one.facts
    return HostAudit(sources=in_order, counts=tuple(counts), facts=facts)


def _steps_in_force(site: Site) -> frozenset[tuple[str, str]]:
    return frozenset((routine.id, step.id) for routine in site.routines.values() for step in routine.steps)
