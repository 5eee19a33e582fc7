"""Who did what, when and from where: append-only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from opsrunner.ledger.codec import to_moment, to_text
from opsrunner.ledger.database import Ledger


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
        rows = self._ledger.all("SELECT * FROM audit WHERE subject = ? ORDER BY id", (subject,))
        return [
            AuditRecord(
                at=to_moment(row["at"]),
                actor=row["actor"],
                address=row["address"],
                action=row["action"],
                subject=row["subject"],
                detail=row["detail"],
            )
            for row in rows
        ]
