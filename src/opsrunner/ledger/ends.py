"""How runs ended: counted in the order in which the ends were committed, so that a digest tells of each once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from opsrunner.ledger.codec import to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.run import RunStatus
from opsrunner.records import dataclass

NEXT_END = (
    "(1 + max(coalesce((SELECT max(ended) FROM runs WHERE ended IS NOT NULL), 0),"
    " coalesce((SELECT max(through) FROM digests), 0)))"
)
"""The number of an end that is being written: past all that are there, and past all that a digest has told of."""
TROUBLE = (RunStatus.WARNING, RunStatus.FAILED, RunStatus.INTERRUPTED, RunStatus.MISSED)
"""The ends that a reader must know of."""
_STAMP_OF_FORM_1 = {"daily": "daily", "weekly": "weekly", "monthly": "monthly"}


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The runs of one routine that ended alike."""

    routine: str
    status: RunStatus
    reason: str
    runs: int
    first: int
    """The number of the oldest run."""
    last: int


class Ends:
    """The ends in the table of runs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def tallies(self, series: str, *, after: int, through: int) -> list[Tally]:
        """Return the ends numbered from `after` (left out) to `through`, those that form 1 stamped left out.

        They come in the order of their newest run.
        """
        stamp = _STAMP_OF_FORM_1[series]
        sql = (
            "SELECT routine, status, reason, count(*) AS runs, min(id) AS first, max(id) AS last FROM runs"  # noqa: S608 (fixed words)
            f" WHERE ended > ? AND ended <= ? AND {stamp} IS NULL GROUP BY +routine, +status, +reason ORDER BY last"
        )
        return [
            Tally(
                routine=row["routine"],
                status=RunStatus(row["status"]),
                reason=row["reason"],
                runs=row["runs"],
                first=row["first"],
                last=row["last"],
            )
            for row in self._ledger.all(sql, (after, through))
        ]

    def newest(self, *, after: int, until: datetime | None = None) -> int:
        """Return the newest end past the one numbered `after` (that came by `until`), else `after`.

        Ends are committed in almost the order of their moments: one that was a moment late is before it, too.
        """
        sql = "SELECT ended FROM runs WHERE ended > ? AND +finished_at <= ? ORDER BY ended DESC LIMIT 1"
        row = self._ledger.one(sql, (after, "9" if until is None else to_text(until)))
        return after if row is None else int(row["ended"])

    def by(self, moment: datetime) -> int:
        """Return the number of the newest end by a moment, 0 where there is none."""
        where = "finished_at IS NOT NULL AND finished_at <= ?"
        sql = f"SELECT ended FROM runs WHERE {where} ORDER BY finished_at DESC LIMIT 1"  # noqa: S608 (fixed words)
        row = self._ledger.one(sql, (to_text(moment),))
        return 0 if row is None else int(row["ended"] or 0)

    def between(self, bounds: Sequence[datetime]) -> list[dict[tuple[RunStatus, str], int]]:
        """Return how many runs ended with each (status, reason), for each span between two of `bounds`, in one query.

        A span takes its first moment in and leaves its last one out.
        """
        spans = list(pairwise(bounds))
        ends: list[dict[tuple[RunStatus, str], int]] = [{} for _ in spans]
        if not spans:
            return ends
        sql = (
            f"WITH span(number, from_at, until_at) AS (VALUES {','.join(['(?,?,?)'] * len(spans))})"  # noqa: S608 (marks only)
            " SELECT number, status, reason, count(*) AS runs FROM span CROSS JOIN runs ON finished_at IS NOT NULL"
            " AND finished_at >= from_at AND finished_at < until_at GROUP BY number, +status, +reason"
        )
        values = [item for number, (start, end) in enumerate(spans) for item in (number, to_text(start), to_text(end))]
        for row in self._ledger.all(sql, values):
            ends[row["number"]][(RunStatus(row["status"]), row["reason"])] = row["runs"]
        return ends

    def good(self, routine: str) -> datetime | None:
        """Return when a routine last ended well, also where that run is forgotten; None where it never did."""
        row = self._ledger.one(
            "SELECT finished_at FROM runs WHERE routine = ? AND status = 'succeeded' ORDER BY id DESC LIMIT 1",
            (routine,),
        ) or self._ledger.one("SELECT at FROM last_good WHERE routine = ? AND step = ''", (routine,))
        return None if row is None else to_moment(row[0])

    def trouble_since_good(self, routine: str) -> datetime | None:
        """Return when the first run after a routine's last good one ended in trouble, None where none did."""
        good = "coalesce((SELECT max(id) FROM runs WHERE routine = ?1 AND status = 'succeeded'), 0)"
        branches = " UNION ALL ".join(
            f"SELECT * FROM (SELECT id, finished_at FROM runs WHERE routine = ?1 AND status = '{status.value}'"  # noqa: S608 (fixed words)
            f" AND id > {good} AND reason <> 'coalesced' ORDER BY id LIMIT 1)"
            for status in TROUBLE
        )
        sql = f"SELECT finished_at FROM ({branches}) ORDER BY id LIMIT 1"  # noqa: S608 (fixed words)
        row = self._ledger.one(sql, (routine,))
        return None if row is None else to_moment(row["finished_at"])
