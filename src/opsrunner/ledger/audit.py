"""Who did what, when and from where: append-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from opsrunner.ledger.codec import dumps, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """One act. `subject` is like `task 12`, `run 7`, `routine nightly-backups`."""

    at: datetime
    actor: str
    address: str
    action: str
    subject: str
    detail: str


class Audit:
    """The table of acts by people."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(
        self, action: str, subject: str, *, actor: str, at: datetime, detail: str = "", address: str = "cli"
    ) -> None:
        """Append one record."""
        self._ledger.change(
            "INSERT INTO audit(at, actor, address, action, subject, detail) VALUES (?,?,?,?,?,?)",
            (to_text(at), actor, address, action, subject, detail),
        )

    def about(self, subject: str) -> list[AuditRecord]:
        """Return the records about a subject, oldest first."""
        return [
            _record(row) for row in self._ledger.all("SELECT * FROM audit WHERE subject = ? ORDER BY id", (subject,))
        ]

    def about_all(self, subjects: Sequence[str]) -> list[AuditRecord]:
        """Return the records about some subjects, those of one subject oldest first."""
        sql = "SELECT * FROM audit WHERE subject IN (SELECT value FROM json_each(?)) ORDER BY subject, id"
        return [_record(row) for row in self._ledger.all(sql, (dumps(list(subjects)),))]


def _record(row: sqlite3.Row) -> AuditRecord:
    return AuditRecord(
        at=to_moment(row["at"]),
        actor=row["actor"],
        address=row["address"],
        action=row["action"],
        subject=row["subject"],
        detail=row["detail"],
    )
