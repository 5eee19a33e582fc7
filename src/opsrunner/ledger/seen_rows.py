"""Rows that a routine's step has shown: what is in here is not new, whatever its source makes of it later.

A digest stands for a row's key, so that years of threads take little room. Rows that only a run without a good end
has shown count as not shown: better twice than never.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from opsrunner.ledger.codec import to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.look import Look

KEEP = timedelta(days=400)
"""How long a row is known that its source no longer has."""
_TOUCH = timedelta(days=7)
"""How exactly it is known when a row was seen last: a row a day is not written anew each day."""
_AT_ONCE = 500
_PUT = """
INSERT INTO seen_rows(routine, step, digest, run, last_at) VALUES (?1,?2,?3,?4,?5)
ON CONFLICT(routine, step, digest) DO UPDATE SET last_at = excluded.last_at, run = CASE WHEN EXISTS
  (SELECT 1 FROM runs WHERE runs.id = seen_rows.run AND runs.status IN ('failed', 'interrupted', 'cancelled'))
  THEN excluded.run ELSE seen_rows.run END
WHERE seen_rows.last_at < ?6 OR EXISTS
  (SELECT 1 FROM runs WHERE runs.id = seen_rows.run AND runs.status IN ('failed', 'interrupted', 'cancelled'))
"""


class SeenRows:
    """The table of rows that were shown."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def known(self, routine: str, step: str, digests: Collection[bytes]) -> frozenset[bytes]:
        """Return those of `digests` that the step has shown in a run that did not fail."""
        found: set[bytes] = set()
        asked = list(digests)
        for start in range(0, len(asked), _AT_ONCE):
            piece = asked[start : start + _AT_ONCE]
            sql = (
                "SELECT seen_rows.digest FROM seen_rows LEFT JOIN runs ON runs.id = seen_rows.run"  # noqa: S608 (marks)
                f" WHERE seen_rows.routine = ? AND seen_rows.step = ? AND digest IN ({','.join('?' * len(piece))})"
                " AND coalesce(runs.status, '') NOT IN ('failed', 'interrupted', 'cancelled')"
            )
            found.update(bytes(row["digest"]) for row in self._ledger.all(sql, (routine, step, *piece)))
        return frozenset(found)

    def write(self, look: Look, *, run: int, at: datetime) -> None:
        """Remember what a run's step has shown, and let go of what its source has not had for KEEP."""
        moment, touched = to_text(at), to_text(at - _TOUCH)
        rows = [(look.routine, look.step, digest, run, moment, touched) for digest in sorted(look.digests)]
        if not rows:
            return
        with self._ledger.transaction():
            self._ledger.insert_many(_PUT, rows)
            sql = "DELETE FROM seen_rows WHERE routine = ? AND step = ? AND last_at < ?"
            self._ledger.change(sql, (look.routine, look.step, to_text(at - KEEP)))
