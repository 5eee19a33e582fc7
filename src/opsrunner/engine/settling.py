"""What time does to tasks: those that expire with their due time."""

from __future__ import annotations

from datetime import datetime

from opsrunner.engine.checklists import Checklists
from opsrunner.engine.desk import Desk
from opsrunner.engine.expiry import miss_overdue


class Settling:
    """Called at every planner pass."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._checklists = Checklists(desk)

    def expire_due(self, now: datetime) -> int:
        """Close as missed what expires with its due time (`expires: due`), and return how many."""
        missed = miss_overdue(self._desk.books, now)
        self._checklists.write_about(missed, at=now)
        return len(missed)
