"""How full file systems were at earlier audits: what a trend is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from opsrunner.ledger.codec import clean, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.finding import Audited

KEEP = timedelta(days=90)
Past: TypeAlias = Mapping[str, Mapping[str, Sequence[tuple[datetime, int, int]]]]
"""By host and mount point: moment, used bytes and size in bytes, oldest first."""

_PUT = """
INSERT INTO samples(routine, step, host, subject, hour, at, used_bytes, size_bytes) VALUES (?,?,?,?,?,?,?,?)
ON CONFLICT(routine, step, host, subject, hour) DO UPDATE SET at = excluded.at, used_bytes = excluded.used_bytes,
  size_bytes = excluded.size_bytes
"""


class Samples:
    """The table of samples, one an hour at the most."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, routine: str, step: str) -> Past:
        """Return what a step measured in the last months."""
        sql = "SELECT * FROM samples WHERE routine = ? AND step = ? ORDER BY host, subject, hour"
        found: dict[str, dict[str, list[tuple[datetime, int, int]]]] = defaultdict(lambda: defaultdict(list))
        for row in self._ledger.all(sql, (routine, step)):
            found[row["host"]][row["subject"]].append((to_moment(row["at"]), row["used_bytes"], row["size_bytes"]))
        return found

    def write(self, audited: Audited) -> None:
        """Keep what an audit measured, and let go of what is too old for a trend."""
        of, at = (audited.routine, audited.step), to_text(audited.at)
        hour = to_text(audited.at.replace(minute=0, second=0, microsecond=0))
        rows = [
            (*of, clean(report.host), clean(one.subject), hour, at, one.used_bytes, one.size_bytes)
            for report in audited.reports
            for one in report.samples
        ]
        if not rows:
            return
        with self._ledger.transaction():
            self._ledger.insert_many(_PUT, rows)
            sql = "DELETE FROM samples WHERE routine = ? AND step = ? AND hour < ?"
            self._ledger.change(sql, (*of, to_text(audited.at - KEEP)))
