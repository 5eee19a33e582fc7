"""How the runs stand that have not ended: asked at every pass, and answered by one statement each."""

from __future__ import annotations

from datetime import datetime

from opsrunner.ledger.codec import to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.run import QUEUED
from opsrunner.records import dataclass

_HOLDS = "tasks.kind = 'routine' AND (tasks.wait OR tasks.\"key\" IS NULL)"
"""As `Task.holds_run` has it."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What of one routine has not ended; runs for rows stand in nobody's way, and are not counted."""

    running: int = 0
    queued: int = 0


class ActiveRuns:
    """The runs that are `running` or `waiting`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def by_routine(self) -> dict[str, Standing]:
        """Return how many runs of each routine run, and how many wait for the one before them."""
        rows = self._ledger.all(
            "SELECT routine, sum(status = 'running') AS running, sum(reason = ?) AS queued FROM runs"
            " WHERE status IN ('running', 'waiting') AND row_key IS NULL GROUP BY +routine",
            (QUEUED,),
        )
        return {row["routine"]: Standing(running=row["running"], queued=row["queued"]) for row in rows}

    def next_queued(self) -> list[int]:
        """Return of each routine of which nothing runs the first run that waits behind another."""
        rows = self._ledger.all(
            "SELECT min(id) AS id FROM runs WHERE status = 'waiting' AND reason = ? AND row_key IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.routine = runs.routine"
            " AND other.status = 'running' AND other.row_key IS NULL) GROUP BY +routine ORDER BY 1",
            (QUEUED,),
        )
        return [row["id"] for row in rows]

    def next_for_rows(self, *, most: int) -> list[int]:
        """Return the first runs for rows that wait for their turn: so many that at most `most` run at once."""
        sql = "SELECT count(*) FROM runs WHERE status = 'running' AND row_key IS NOT NULL AND finished_at IS NULL"
        row = self._ledger.one(sql)
        room = most - (int(row[0]) if row else 0)
        if room <= 0:
            return []
        rows = self._ledger.all(
            "SELECT id FROM runs WHERE status = 'waiting' AND row_key IS NOT NULL AND finished_at IS NULL"
            " AND reason = ? ORDER BY id LIMIT ?",
            (QUEUED, room),
        )
        return [row["id"] for row in rows]

    def ready(self, now: datetime) -> list[int]:
        """Return the runs that people have answered: their next `wait` is over, or nothing holds them any more.

        A tick counts when its undo is over. A run that stands at a step waits for the tasks with `wait` alone.
        """
        rows = self._ledger.all(
            "SELECT id FROM runs WHERE status = 'waiting' AND reason <> ? AND NOT EXISTS (SELECT 1 FROM tasks"  # noqa: S608 (fixed words)
            f" WHERE tasks.run = runs.id AND {_HOLDS} AND (tasks.status = 'open' OR tasks.settles_at > ?)"
            " AND (tasks.wait OR NOT EXISTS (SELECT 1 FROM steps WHERE steps.run = runs.id AND finished_at IS NULL)))"
            " ORDER BY id",
            (QUEUED, to_text(now)),
        )
        return [row["id"] for row in rows]
