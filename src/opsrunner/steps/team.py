"""What a step may know of the team: who is away, who holds what, and what is open."""

from __future__ import annotations

from collections.abc import Sequence

from opsrunner.model.person import Absence
from opsrunner.model.site import Site
from opsrunner.model.task import Task
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac


@dataclass(frozen=True, kw_only=True)
class Team:
    """The team and its calendar, as they stand."""

    site: Site
    absences: Sequence[Absence]
    """Those that are not over."""
    tasks: Sequence[Task]
    """All that is open."""
    almanac: Almanac
