"""How many findings stand on each host: counted where they lie, so that a list of all hosts is quick."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from opsrunner.ledger.codec import optional_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.finding import Severity
from opsrunner.model.host_facts import CauseCount

_COUNTED = """
SELECT findings.routine, findings.step, findings.host, findings.cause, findings.severity, count(*) AS findings,
  count(live.id) AS accepted, min(CASE WHEN live.id IS NULL THEN findings.first_seen_at END) AS since
FROM findings LEFT JOIN acceptances AS live ON live.host = findings.host AND live.cause = findings.cause
  AND live.subject = findings.subject AND live.mark = findings.mark AND live.ended_at IS NULL AND live.until_at > ?
WHERE findings.gone_at IS NULL
"""
_EACH = "GROUP BY findings.routine, findings.step, findings.host, findings.cause, findings.severity"


class FindingCounts:
    """Counts in the tables of findings."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def standing(self, *, at: datetime) -> list[CauseCount]:
        """Return what stands and what of it is accepted at `at`, by step, host, cause and severity."""
        return [_count(row) for row in self._ledger.all(f"{_COUNTED} {_EACH}", (to_text(at),))]

    def of_cause(self, cause: str, *, at: datetime) -> list[CauseCount]:
        """Return the same of one cause."""
        sql = f"{_COUNTED} AND findings.cause = ? {_EACH}"
        return [_count(row) for row in self._ledger.all(sql, (to_text(at), cause))]

    def of_host(self, host: str, *, at: datetime) -> list[CauseCount]:
        """Return the same of one host."""
        sql = f"{_COUNTED} AND findings.host = ? {_EACH}"
        return [_count(row) for row in self._ledger.all(sql, (to_text(at), host))]


def _count(row: sqlite3.Row) -> CauseCount:
    return CauseCount(
        routine=row["routine"],
        step=row["step"],
        host=row["host"],
        cause=row["cause"],
        severity=Severity(row["severity"]),
        findings=row["findings"],
        accepted=row["accepted"],
        since=optional_moment(row["since"]),
    )
