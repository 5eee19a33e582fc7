"""Who holds a role, a roster or a name at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opsrunner.model.person import Absence, Holding
from opsrunner.model.site import Site


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A time when nobody holds a roster."""

    roster: str
    from_: datetime
    until: datetime
    why: str


@dataclass(frozen=True, kw_only=True)
class Handover:
    """The moment when a roster passes from one person to another."""

    roster: str
    at: datetime
    person: str | None
    from_person: str | None


def holder(name: str, *, at: datetime, site: Site, absences: Sequence[Absence] = ()) -> Holding:
    """Return who holds `name` (a role, a roster or a person) at that moment. Raises NotFound."""
    raise NotImplementedError


def gaps(site: Site, absences: Sequence[Absence] = (), *, from_: datetime, until: datetime) -> list[Gap]:
    """Return the times in [from_, until) when nobody holds a roster."""
    raise NotImplementedError


def upcoming_handovers(
    site: Site, absences: Sequence[Absence] = (), *, from_: datetime, until: datetime
) -> list[Handover]:
    """Return the moments in (from_, until] when a roster passes to somebody else."""
    raise NotImplementedError
