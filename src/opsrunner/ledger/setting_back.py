"""What a clock that was ahead has written of times that have not come."""

from __future__ import annotations

from datetime import datetime

from opsrunner.ledger.codec import to_text
from opsrunner.ledger.database import Ledger

_NOT_RUN = "started_at IS NULL AND status IN ('skipped', 'missed') AND finished_at > ?1 AND planned_at > ?1"
_SOON = "strftime('%Y-%m-%dT%H:%M:%f', ?1, '+1 day')"
"""Rungs that are due before then may be about the same as what went: of them nothing is told a second time."""
_STATEMENTS = (
    f"UPDATE runs SET rerun_of = NULL WHERE rerun_of IN (SELECT id FROM runs WHERE {_NOT_RUN})",  # noqa: S608
    "UPDATE routines SET watermark_at = ?1 WHERE watermark_at > ?1",
    "UPDATE meta SET value = ?1 WHERE (name = 'planned_at' OR name LIKE '%_digests_since') AND value > ?1",
    "UPDATE holds SET created_at = ?1 WHERE created_at > ?1",
    "UPDATE holds SET ended_at = ?1 WHERE ended_at > ?1",
    "UPDATE tasks SET settles_at = ?1 WHERE settles_at > ?1 AND closed_at > strftime('%Y-%m-%d', ?1, '-1 day')",
    f"DELETE FROM notices WHERE at > ?1 AND due_at > {_SOON} AND status = 'missed'",  # noqa: S608
    f"UPDATE notices SET due_at = ?1 WHERE at > ?1 AND due_at > {_SOON}",  # noqa: S608
    "UPDATE occasions SET since = ?1 WHERE ended_at IS NULL AND since > ?1",
    "UPDATE outbox SET created_at = ?1, next_try_at = ?1 WHERE created_at > ?1 AND sent_at IS NULL",
)


def set_back(ledger: Ledger, *, now: datetime) -> int:
    """Bring everything that waits for a moment, and stands in the future by mistake, back to `now`.

    Occurrences that were recorded as skipped or missed before their time came lose that record, so that they
    are decided when it comes; return how many. What ran keeps its record and does not run again. What customers
    were told stays told; of what was to be told much later nothing is missed.
    """
    values = (to_text(now),)
    with ledger.transaction():
        for statement in _STATEMENTS:
            ledger.change(statement, values)
        return ledger.change(f"DELETE FROM runs WHERE {_NOT_RUN}", values)  # noqa: S608 (fixed words)
