"""How the days of a routine went: found by index, however many runs there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from opsrunner.ledger.codec import to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.run import RunStatus

MOST_OF_A_STATUS = 2_000
_NOT_FINE = (
    RunStatus.FAILED,
    RunStatus.INTERRUPTED,
    RunStatus.MISSED,
    RunStatus.WARNING,
    RunStatus.SKIPPED,
    RunStatus.CANCELLED,
)


class Strips:
    """Looks at runs by the days on which they were written."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def first_since(self, moment: datetime) -> int:
        """Return the number of the first run that was written at `moment` or later; one past the last where none was.

        Runs are numbered as they are written, so that the number is found by halving.
        """
        row = self._ledger.one("SELECT coalesce(max(id), 0) FROM runs")
        low, high, wanted = 1, int(row[0]) + 1 if row else 1, to_text(moment)
        while low < high:
            middle = (low + high) // 2
            sql = "SELECT id, created_at FROM runs WHERE id >= ? ORDER BY id LIMIT 1"
            found = self._ledger.one(sql, (middle,))
            if found is None or found["created_at"] >= wanted:
                high = middle
            else:
                low = int(found["id"]) + 1
        return low

    def days(self, routine: str, bounds: Sequence[int]) -> list[set[tuple[RunStatus, str]]]:
        """Return, for each day between two bounds (numbers of runs), the statuses and reasons that it saw."""
        days: list[set[tuple[RunStatus, str]]] = [set() for _ in bounds[1:]]
        if not days:
            return days
        sql = "SELECT id, reason FROM runs WHERE routine = ? AND status = ? AND id >= ? ORDER BY id DESC LIMIT ?"
        for status in _NOT_FINE:
            for row in self._ledger.all(sql, (routine, status.value, bounds[0], MOST_OF_A_STATUS)):
                day = sum(row["id"] >= bound for bound in bounds[1:])
                if day < len(days):
                    days[day].add((status, row["reason"]))
        fine = "SELECT 1 FROM runs WHERE routine = ? AND status = 'succeeded' AND id >= ? AND id < ? LIMIT 1"
        for day, (first, after) in enumerate(pairwise(bounds)):
            if first < after and self._ledger.one(fine, (routine, first, after)) is not None:
                days[day].add((RunStatus.SUCCEEDED, ""))
        return days
