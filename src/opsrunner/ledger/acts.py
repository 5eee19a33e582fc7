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
