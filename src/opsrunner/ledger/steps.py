"""Steps of runs: each end is committed before the next step starts."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from opsrunner.ledger.codec import optional_moment, outcome_from_text, outcome_to_text, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import StepRecord

GOOD = (StepStatus.SUCCEEDED, StepStatus.WARNING)
_FINISH = (
    "INSERT INTO steps(run, position, id, kind, status, finished_at, outcome) VALUES (?,?,?,?,?,?,?)"
    " ON CONFLICT(run, position) DO UPDATE SET status = excluded.status, outcome = excluded.outcome,"
    " finished_at = excluded.finished_at"
)
_REMEMBER_GOOD = (
    "INSERT INTO last_good(routine, step, run, at) SELECT routine, ?, id, ? FROM runs WHERE id = ?"
    " ON CONFLICT(routine, step) DO UPDATE SET run = excluded.run, at = excluded.at WHERE excluded.run >= run"
)
_REMEMBER_HOST = (
    "INSERT INTO hosts_seen(host, status, at) VALUES (?,?,?)"
    " ON CONFLICT(host) DO UPDATE SET status = excluded.status, at = excluded.at"
)


class Steps:
    """The table of steps."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def start(self, run_id: int, position: int, plan: StepPlan, *, at: datetime) -> None:
        """Record that a step begins (again, after a crash)."""
        self._ledger.change(
            "INSERT INTO steps(run, position, id, kind, status, started_at) VALUES (?,?,?,?,'running',?)"
            " ON CONFLICT(run, position) DO UPDATE SET status = 'running', started_at = excluded.started_at,"
            " finished_at = NULL, outcome = NULL",
            (run_id, position, plan.id, plan.kind, to_text(at)),
        )

    def unstart(self, run_id: int, position: int) -> None:
        """Take back the start of a step that was never entered."""
        sql = "DELETE FROM steps WHERE run = ? AND position = ? AND finished_at IS NULL"
        self._ledger.change(sql, (run_id, position))

    def finish(self, run_id: int, position: int, plan: StepPlan, *, outcome: Outcome, at: datetime) -> None:
        """Record a step's end; also for a step that never started."""
        ended, text = to_text(at), outcome_to_text(outcome)
        with self._ledger.transaction():
            self._ledger.change(_FINISH, (run_id, position, plan.id, plan.kind, outcome.status.value, ended, text))
            if outcome.status in GOOD and not plan.is_human:
                self._ledger.change(_REMEMBER_GOOD, (plan.id, ended, run_id))
            if plan.kind == "ssh":
                for part in outcome.parts:
                    self._ledger.change(_REMEMBER_HOST, (part.key, part.status.value, ended))

    def of_run(self, run_id: int) -> list[StepRecord]:
        """Return the steps of a run that have begun or ended, in order."""
        sql = "SELECT * FROM steps WHERE run = ? ORDER BY position"
        return [_step(row) for row in self._ledger.all(sql, (run_id,))]

    def hosts_seen(self, *, since: datetime) -> dict[str, StepStatus]:
        """Return how the newest SSH step that asked a host ended there, of the hosts asked after `since`."""
        rows = self._ledger.all("SELECT host, status FROM hosts_seen WHERE at > ?", (to_text(since),))
        return {row["host"]: StepStatus(row["status"]) for row in rows}


def _step(row: sqlite3.Row) -> StepRecord:
    return StepRecord(
        run=row["run"],
        position=row["position"],
        id=row["id"],
        kind=row["kind"],
        status=StepStatus(row["status"]),
        started_at=optional_moment(row["started_at"]),
        finished_at=optional_moment(row["finished_at"]),
        outcome=None if row["outcome"] is None else outcome_from_text(row["outcome"]),
    )
