"""What all audits of hosts take: which hosts, and what becomes of what they find."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Annotated

from pydantic import Field

from opsrunner.model.finding import Severity, TaskRule
from opsrunner.model.routine import Due, Escalation
from opsrunner.steps.kind import StepOptions
from opsrunner.steps.task import DueText, EscalationOptions

DUE = {
    Severity.CRITICAL: Due(after_seconds=4 * 3600),
    Severity.HIGH: Due(after_seconds=8 * 3600, business=True),
    Severity.MEDIUM: Due(after_seconds=40 * 3600, business=True),
    Severity.LOW: Due(after_seconds=80 * 3600, business=True),
}
"""By severity: four hours, then one, five and ten working days of eight hours."""


class DueOptions(StepOptions):
    """When a task about findings is due, by the worst of them."""

    critical: DueText = DUE[Severity.CRITICAL]
    high: DueText = DUE[Severity.HIGH]
    medium: DueText = DUE[Severity.MEDIUM]
    low: DueText = DUE[Severity.LOW]


class FindingTaskOptions(StepOptions):
    """For whom the tasks about findings open, and when they are due."""

    open: bool = Field(default=True, strict=True)
    """Whether tasks open at all; without them findings are kept and told of."""
    role: str = ""
    """Role, roster or person; default: the routine's accountable."""
    due: DueOptions = DueOptions()
    escalate: tuple[EscalationOptions, ...] = ()

    @property
    def rule(self) -> TaskRule:
        """Return it as the ledger and the engine take it."""
        return TaskRule(
            opens=self.open,
            role=self.role,
            due={severity: getattr(self.due, severity.value) for severity in Severity},
            escalate=tuple(Escalation(after_seconds=rung.after, to=rung.to) for rung in self.escalate),
        )


def check_causes(named: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError where a cause is named that an audit does not know."""
    unknown = next((name for name in named if name not in known), None)
    if unknown is not None:
        raise ValueError(f"'{unknown[:40]}' is no cause; there are {', '.join(known)}")


def check_left_out(without: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError where a cause is left out that an audit does not know, or all of them are."""
    check_causes(without, known)
    if set(known) <= set(without):
        raise ValueError("leaves out every cause; leave the step out instead")


class AuditOptions(StepOptions):
    """Base of the options of every audit."""

    hosts: str | Annotated[tuple[str, ...], Field(min_length=1)]
    """Name of a host or of a group, several of them, or `all`: every host but `local`."""
    max_parallel: int = Field(default=10, ge=1, le=100, strict=True)
    tasks: FindingTaskOptions = FindingTaskOptions()
    """For whom the tasks about findings open, and when they are due by severity."""

    def where(self, causes: Iterable[str]) -> str:
        """Return in one line what would be looked for on which hosts, for `run --dry-run`."""
        hosts = self.hosts if isinstance(self.hosts, str) else ", ".join(self.hosts)
        return f"on {hosts}: look for {', '.join(causes)}; changes nothing"
