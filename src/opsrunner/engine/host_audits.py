"""What the audits in force know of each host: its facts, and how many findings stand there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from opsrunner.engine.asking import STEP as QUESTION
from opsrunner.engine.asking import is_asked_name
from opsrunner.engine.automated import THIS_MACHINE
from opsrunner.engine.desk import Desk
from opsrunner.model.finding import Acceptance, KnownFinding, Severity
from opsrunner.model.host_facts import CauseCount, HostFacts
from opsrunner.model.site import Site
from opsrunner.records import dataclass

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
    books, force = desk.books, _InForce(desk.site())
    sources: dict[str, list[HostFacts]] = defaultdict(list)
    for one in books.host_facts.all():
        if force.audits(one):
            sources[one.host].append(one)
    counts: dict[str, list[CauseCount]] = defaultdict(list)
    for count in books.finding_counts.standing(at=at):
        if force.sees(count.routine, count.step, count.host):
            counts[count.host].append(count)
    return {host: _audit(sources.get(host, ()), counts.get(host, ())) for host in sources.keys() | counts.keys()}


def host_audit(desk: Desk, host: str, *, at: datetime) -> HostAudit:
    """Return what is known of one host."""
    books, force = desk.books, _InForce(desk.site())
    return _audit(
        [one for one in books.host_facts.of_host(host) if force.audits(one)],
        [one for one in books.finding_counts.of_host(host, at=at) if force.sees(one.routine, one.step, one.host)],
    )


def waiting_since(desk: Desk, cause: str, *, at: datetime) -> dict[str, datetime]:
    """Return the hosts that have a cause which is not accepted, each with since when."""
    force = _InForce(desk.site())
    found: dict[str, datetime] = {}
    for one in desk.books.finding_counts.of_cause(cause, at=at):
        if one.since is not None and force.sees(one.routine, one.step, one.host):
            found[one.host] = min(one.since, found.get(one.host, one.since))
    return found


def standing_acceptances(desk: Desk, *, at: datetime) -> list[Acceptance]:
    """Return what is accepted of what stands, each once, the first to end first."""
    force = _InForce(desk.site())
    found = desk.books.findings.accepted_and_there(at=at)
    return list({one.key: one for step, one in found if force.sees(*step, one.host)}.values())


def standing_findings(desk: Desk, *, at: datetime, host: str = "") -> list[KnownFinding]:
    """Return what stands on all hosts, or on one.

    What no step of the site looks for any more is not known, nor what hosts have that left the inventory.
    """
    force = _InForce(desk.site())
    found = desk.books.findings.standing(at=at, host=host)
    return [one for one in found if force.sees(one.routine, one.step, one.finding.host)]


class _InForce:
    """The steps whose word on hosts still counts: those of the site, and questions, which stand until asked again."""

    def __init__(self, site: Site) -> None:
        self._kinds = {(routine.id, step.id): step.kind for routine in site.routines.values() for step in routine.steps}
        self._hosts = {*site.hosts, THIS_MACHINE.name}

    def sees(self, routine: str, step: str, host: str) -> bool:
        """Tell whether what a step found on a host still is known: nobody looks at one that left the inventory."""
        return host in self._hosts and ((routine, step) in self._kinds or is_asked_name(routine))

    def audits(self, told: HostFacts) -> bool:
        """Tell whether facts are an audit's: one answer to a question says nothing of the host as a whole."""
        return self._kinds.get((told.routine, told.step), QUESTION) != QUESTION


def _audit(sources: Iterable[HostFacts], counts: Iterable[CauseCount]) -> HostAudit:
    in_order = tuple(sources)
    facts: dict[str, Any] = {}
    for one in in_order:
        facts |= one.facts
    return HostAudit(sources=in_order, counts=tuple(counts), facts=facts)
