"""Due times that waited when their schedule was changed: what becomes of them by the new one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from opsrunner.model.schedule import Occurrence, Schedule
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import occurrences
from opsrunner.schedules.window_rules import windows_of

EDITED = "edited"
"""The reason of what was due, waited, and is not due any more by the schedule as it is now."""
LONGEST_WAIT = timedelta(days=31)
MOST_LOOKED_AT = 10_000
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Reckoning:
    """A schedule and what it is reckoned by."""

    schedule: Schedule
    almanac: Almanac

    @property
    def is_shifting(self) -> bool:
        """Tell whether anything may be planned at another moment than its nominal one."""
        moves = any("business day" in rule.frame.on_holiday for rule in self.schedule.rules)
        return moves or bool(windows_of(self.schedule))

    def between(self, after: datetime, until: datetime) -> Iterator[Occurrence]:
        """Yield what is planned in (after, until], so far as it is looked at."""
        found = occurrences(self.schedule, after=after, until=until, almanac=self.almanac)
        return islice(found, MOST_LOOKED_AT)


def waiting(reckoning: Reckoning, *, at: datetime) -> list[Occurrence]:
    """Return what was due until `at` and is planned later: after a holiday, or at the end of a window."""
    if not reckoning.is_shifting:
        return []
    return [one for one in reckoning.between(at, at + LONGEST_WAIT) if one.nominal_at <= at]


def stranded(left: list[Occurrence], reckoning: Reckoning, *, mark: datetime) -> list[Occurrence]:
    """Return what the new reckoning would never come to of what waited under the old one.

    `left` is what waited, `mark` up to when the routine is accounted for. What the new reckoning plans before `mark` is
    returned as it is planned there; what is not due any more by it is left out as `edited`.
    """
    shift = LONGEST_WAIT if reckoning.is_shifting else timedelta()
    first = min(one.nominal_at for one in left)
    found = {one.nominal_at: one for one in reckoning.between(first - _INSTANT - shift, max(mark, first) + shift)}
    return [
        found.get(one.nominal_at, replace(one, planned_at=one.nominal_at, skip_reason=EDITED, shift=""))
        for one in left
        if one.nominal_at not in found or found[one.nominal_at].planned_at <= mark
    ]
