"""What people accept of what audits found: it is quiet until a day, and then comes up again by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from opsrunner.engine.desk import Desk
from opsrunner.engine.findings import FindingTasks
from opsrunner.engine.host_audits import standing_findings
from opsrunner.engine.routine_acts import checked_reason
from opsrunner.errors import NotFound, Refused, UsageError
from opsrunner.model.finding import Acceptance, KnownFinding
from opsrunner.steps.suggestions import nearest

LONGEST = timedelta(days=400)
"""Nothing is accepted for longer: what nobody looks at for a year is forgotten, not decided."""


def is_cause(name: str) -> bool:
    """Tell whether some audit looks for that, whether or not it stands anywhere: `held`, `held:nginx`."""
    from opsrunner.audits import block_lists, capacity, hardening, patches  # noqa: PLC0415 - few verbs ask

    cause = name.partition(":")[0]
    return any(cause in one.CAUSES for one in (patches, capacity, hardening, block_lists))


class Accepting:
    """Every method writes the act and its record together. Raises NotFound, UsageError or Refused."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks = FindingTasks(desk)

    def named(self, name: str, *, hosts: Collection[str] = (), at: datetime) -> list[KnownFinding]:
        """Return what stands under a name: of a cause (`held`), or of one finding (`held:nginx`), on these hosts."""
        standing = standing_findings(self._desk, at=at)
        known = [one for one in standing if name in (one.finding.cause, one.finding.name)]
        if not known:
            causes = sorted({one.finding.cause for one in standing})
            hint = nearest(name, causes).rstrip("?")
            raise NotFound(f"nothing that stands is called '{name}'{hint}; see: opsrunner findings")
        found = [one for one in known if not hosts or one.finding.host in hosts]
        if not found:
            has = ", ".join(sorted({one.finding.host for one in known})[:5])
            raise NotFound(f"{name} is not found on {', '.join(sorted(hosts))}; it is on {has}")
        return found

    def accept(
        self,
        found: Sequence[KnownFinding],
        *,
        until: datetime,
        reason: str,
        actor: str,
        at: datetime,
        address: str = "cli",
    ) -> list[Acceptance]:
        """Accept findings as they stand until a moment. One that changes (a newer version waits) comes up again."""
        if until <= at:
            raise UsageError("it has to be accepted until a day to come")
        if until - at > LONGEST:
            raise UsageError(f"nothing is accepted for more than {LONGEST.days} days; look at it again then")
        said = checked_reason(reason)
        accepted = [
            Acceptance(
                host=one.finding.host,
                cause=one.finding.cause,
                subject=one.finding.subject,
                mark=one.finding.mark,
                until=until,
                reason=said,
                by=actor,
                at=at,
            )
            for one in found
        ]
        with self._desk.books.transaction():
            self._desk.books.findings.accept(accepted)
            for one in accepted:
                detail = f"{one.host} until {until.isoformat()}: {said}"
                self._record("accept", one, detail, actor=actor, at=at, address=address)
            for routine, step in sorted({(one.routine, one.step) for one in found}):
                self._tasks.accepted(routine, step, by=actor, at=at)
        return accepted

    def lift(
        self, found: Sequence[KnownFinding], *, actor: str, at: datetime, address: str = "cli"
    ) -> list[Acceptance]:
        """Take back what was accepted; the next audit opens its task. Raises Refused where nothing was."""
        accepted = list({id(one.accepted): one.accepted for one in found if one.accepted is not None}.values())
        if not accepted:
            raise Refused(f"{found[0].finding.name} is not accepted")
        with self._desk.books.transaction():
            self._desk.books.findings.lift(accepted, at=at)
            for one in accepted:
                self._record("take back", one, one.host, actor=actor, at=at, address=address)
        return accepted

    def _record(self, action: str, one: Acceptance, detail: str, *, actor: str, at: datetime, address: str) -> None:
        subject = f"finding {one.cause}:{one.subject}" if one.subject else f"finding {one.cause}"
        self._desk.books.audit.add(action, subject, actor=actor, at=at, detail=detail, address=address)
