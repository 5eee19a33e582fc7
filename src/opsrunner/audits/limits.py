"""The lines that the capacity audit draws: where somebody should look, and where somebody has to act."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from opsrunner.model.finding import Severity
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Two values of one measure. Past `look` it is a finding, past `act` an urgent one."""

    look: float
    act: float

    def above(self, value: float, *, worst: Severity = Severity.HIGH) -> Severity | None:
        """Return how bad a value is of which more is worse, None where it is fine."""
        if value >= self.act:
            return worst
        return Severity.MEDIUM if value >= self.look else None

    def below(self, value: float, *, worst: Severity = Severity.HIGH) -> Severity | None:
        """Return how bad a value is of which less is worse, None where it is fine."""
        if value <= self.act:
            return worst
        return Severity.MEDIUM if value <= self.look else None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a host may use. Percentages are of what the host's users can have."""

    disk_percent: Lines = Lines(look=85, act=95)
    inodes_percent: Lines = Lines(look=85, act=95)
    days_until_full: Lines = Lines(look=30, act=7)
    load_per_core: Lines = Lines(look=1.5, act=4)
    """Of the last 15 minutes."""
    memory_available_percent: Lines = Lines(look=10, act=3)
    swap_percent: Lines = Lines(look=60, act=90)
    mail_queue: Lines = Lines(look=500, act=5000)
    certificate_days: Lines = Lines(look=14, act=3)
    certificates: tuple[str, ...] = ()
    """Patterns of certificate files; without any, the usual places."""
    certificates_most: int = 200
    without: frozenset[str] = field(default_factory=frozenset)
    """Causes that the site does not want looked at."""


def environment_of(limits: Limits) -> Mapping[str, str]:
    """Return the variables that the script reads."""
    return {
        "OPS_CERTIFICATES": "\n".join(limits.certificates),
        "OPS_CERTIFICATES_MOST": str(limits.certificates_most),
        "OPS_WITHOUT": " ".join(sorted(limits.without)),
    }
