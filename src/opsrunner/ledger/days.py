"""What became of the occurrences of each day: counted by index, however many there are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from opsrunner.ledger.codec import to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.run import RunStatus
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class DayTally:
    """The occurrences of one routine that were planned on one day and went alike."""

    day: int
    """The place of the day among those that were asked for, from 0."""
    routine: str
    status: RunStatus
    reason: str
    runs: int
    planned_at: datetime
    """The first planned moment of them."""
    nominal_at: datetime
    """The first nominal one; another moment where a holiday moved it."""
    last: int
    """The number of the newest run."""

    @property
    def is_moved(self) -> bool:
        """Tell whether they were not planned at their nominal time."""
        return self.planned_at != self.nominal_at


class Days:
    """Looks at runs by the days that they were planned on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def tallies(self, bounds: Sequence[datetime], *, routine: str | None = None) -> list[DayTally]:
        """Return what became of the occurrences between each bound (in) and the next one (out), of one routine or all.

        They come by day, then by the moment that the first of them was planned for.
        """
        spans = [[to_text(first), to_text(after)] for first, after in pairwise(bounds)]
        only = "" if routine is None else " AND +runs.routine = ?"
        sql = (
            "SELECT day.key AS day, runs.routine, runs.status, runs.reason, count(*) AS runs, max(runs.id) AS last,"  # noqa: S608 (fixed words)
            " min(runs.planned_at) AS first_at, min(runs.nominal_at) AS nominal_at"
            " FROM json_each(?) AS day CROSS JOIN runs ON runs.nominal_at IS NOT NULL"
            " AND runs.planned_at >= json_extract(day.value, '$[0]')"
            f" AND runs.planned_at < json_extract(day.value, '$[1]'){only}"
            " GROUP BY day.key, +runs.routine, +runs.status, runs.reason, runs.planned_at <> runs.nominal_at"
            " ORDER BY day.key, first_at, runs.routine"
        )
        asked = (json.dumps(spans),) if routine is None else (json.dumps(spans), routine)
        return [
            DayTally(
                day=row["day"],
                routine=row["routine"],
                status=RunStatus(row["status"]),
                reason=row["reason"],
                runs=row["runs"],
                planned_at=to_moment(row["first_at"]),
                nominal_at=to_moment(row["nominal_at"]),
                last=row["last"],
            )
            for row in self._ledger.all(sql, asked)
        ]
