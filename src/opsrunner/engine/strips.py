"""The strip of a routine: the worst of each of the last days."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_runs import COALESCED
from opsrunner.model.run import RunStatus
from opsrunner.records import dataclass

DAYS = 14
Mark: TypeAlias = Literal["failed", "missed", "look", "fine", "skipped", "nothing"]
MARK_WORDS: dict[Mark, str] = {
    "failed": "failed",
    "missed": "missed",
    "look": "to look at",
    "fine": "fine",
    "skipped": "left out",
    "nothing": "nothing was due",
}


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day of a strip."""

    day: date
    mark: Mark

    @property
    def words(self) -> str:
        """What it says: `20 Nov: failed`."""
        return f"{self.day.day} {self.day:%b}: {MARK_WORDS[self.mark]}"


class StripMaker:
    """Makes strips as of a moment; what all routines share is looked up once."""

    def __init__(self, desk: Desk, *, now: datetime) -> None:
        self._strips = desk.books.strips
        zone = ZoneInfo(desk.site().timezone)
        today = now.astimezone(zone).date()
        self._days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
        midnights = (datetime.combine(day, datetime.min.time(), zone) for day in self._days)
        self._bounds = [*(self._strips.first_since(midnight) for midnight in midnights), 2**62]

    def of(self, routine: str) -> list[Day]:
        """Return the last days of a routine, today last."""
        seen = self._strips.days(routine, self._bounds)
        return [Day(day=day, mark=_worst(of_day)) for day, of_day in zip(self._days, seen, strict=True)]


def _worst(seen: AbstractSet[tuple[RunStatus, str]]) -> Mark:
    """Return the mark of a day; what a later run stands for counts for nothing."""
    statuses = {status for status, reason in seen if reason != COALESCED}
    if statuses & {RunStatus.FAILED, RunStatus.INTERRUPTED}:
        return "failed"
    if RunStatus.MISSED in statuses:
        return "missed"
    if RunStatus.WARNING in statuses:
        return "look"
    if RunStatus.SUCCEEDED in statuses:
        return "fine"
    return "skipped" if statuses else "nothing"
