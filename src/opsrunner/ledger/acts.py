"""Outward acts that must never happen twice: recorded before they start."""

from __future__ import annotations

from datetime import datetime

from opsrunner.ledger.codec import to_text
from opsrunner.ledger.database import Ledger


class Acts:
    """The table of acts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(self, name: str, *, run: int, step: str, at: datetime) -> bool:
        """Record that the act starts; False where it was started before, by whomever."""
        sql = "INSERT OR IGNORE INTO acts(name, run, step, started_at) VALUES (?,?,?,?)"
        return self._ledger.change(sql, (name, run, step, to_text(at))) == 1

    def finish(self, name: str, *, at: datetime) -> None:
        """Record that the act is done."""
        self._ledger.change("UPDATE acts SET finished_at = ? WHERE name = ?", (to_text(at), name))

    def withdraw(self, name: str) -> None:
        """Forget an act that certainly did not happen (its step failed before it reached out)."""
        self._ledger.change("DELETE FROM acts WHERE name = ? AND finished_at IS NULL", (name,))

    def is_finished(self, name: str) -> bool:
        """Tell whether the act is known to have been done."""
        row = self._ledger.one("SELECT finished_at FROM acts WHERE name = ?", (name,))
        return row is not None and row["finished_at"] is not None
