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
from opsrunner.schedules.window_rules import free_from, is_of_window

EDITED = "edited"
"""The reason of what was due, waited, and is not due any more by the schedule as it is now, or without its file."""
LONGEST_WAIT = timedelta(days=31)
MOST_WAITING = 10_000
MOST_LOOKED_AT = 50_000
"""What is planned within the longest wait, each minute."""
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Reckoning:
    """A schedule and what it is reckoned by."""

    schedule: Schedule
    almanac: Almanac

    def planned_from(self, nominal: datetime) -> datetime:
        """Return since when something may be planned that is due at `nominal` or later."""
        return nominal - LONGEST_WAIT if self._moves("previous business day") else nominal

    def planned_by(self, nominal: datetime) -> datetime:
        """Return until when something may be planned that is due at `nominal` or before."""
        moved = nominal + LONGEST_WAIT if self._moves("next business day") else nominal
        return free_from(self.schedule, moved, self.almanac)

    def _moves(self, on_holiday: str) -> bool:
        """Tell whether holidays move anything that way; a maintenance window may be moved either way."""
        return any(is_of_window(rule) or rule.frame.on_holiday == on_holiday for rule in self.schedule.rules)

    def between(self, after: datetime, until: datetime) -> Iterator[Occurrence]:
        """Yield what is planned in (after, until], so far as it is looked at."""
        found = occurrences(self.schedule, after=after, until=until, almanac=self.almanac)
        return islice(found, MOST_LOOKED_AT)


def waiting(reckoning: Reckoning, *, at: datetime) -> list[Occurrence]:
    """Return what was due until `at` and is planned later: after a holiday, or at the end of a window."""
    until = reckoning.planned_by(at)
    found = (one for one in reckoning.between(at, until) if one.nominal_at <= at)
    return list(islice(found, MOST_WAITING)) if until > at else []


def stranded(left: list[Occurrence], reckoning: Reckoning, *, mark: datetime) -> list[Occurrence]:
    """Return what the new reckoning would never come to of what waited under the old one.

    `left` is what waited, `mark` up to when the routine is accounted for. What the new reckoning plans before `mark` is
    returned as it is planned there; what is not due any more by it is left out as `edited`. Where there is too much to
    look at all of it, what was not found may well be due still: it is not returned.
    """
    first, last = min(one.nominal_at for one in left), max(one.nominal_at for one in left)
    wanted, found, looked_at = {one.nominal_at for one in left}, dict[datetime, Occurrence](), 0
    for one in reckoning.between(reckoning.planned_from(first) - _INSTANT, reckoning.planned_by(last)):
        looked_at += 1
        if one.nominal_at in wanted:
            found[one.nominal_at] = one
        if len(found) == len(wanted):
            break
    is_whole = looked_at < MOST_LOOKED_AT
    return [
        found.get(one.nominal_at, replace(one, planned_at=one.nominal_at, skip_reason=EDITED, shift=""))
        for one in left
        if (found[one.nominal_at].planned_at <= mark if one.nominal_at in found else is_whole)
    ]
