"""Steps of runs: each end is committed before the next step starts."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from opsrunner.ledger.codec import optional_moment, outcome_from_text, outcome_to_text, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import StepRecord


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
        self._ledger.change(
            "INSERT INTO steps(run, position, id, kind, status, finished_at, outcome) VALUES (?,?,?,?,?,?,?)"
            " ON CONFLICT(run, position) DO UPDATE SET status = excluded.status, outcome = excluded.outcome,"
            " finished_at = excluded.finished_at",
            (
                run_id,
                position,
                plan.id,
                plan.kind,
                outcome.status.value,
                to_text(at),
                outcome_to_text(outcome),
            ),
        )

    def of_run(self, run_id: int) -> list[StepRecord]:
        """Return the steps of a run that have begun or ended, in order."""
        sql = "SELECT * FROM steps WHERE run = ? ORDER BY position"
        return [_step(row) for row in self._ledger.all(sql, (run_id,))]

    def last_end(self, routine: str, step: str, *statuses: StepStatus) -> StepRecord | None:
        """Return the newest record of a routine's step that ended with one of `statuses`."""
        marks = ",".join("?" * len(statuses))
        sql = (
            "SELECT steps.* FROM runs JOIN steps ON steps.run = runs.id WHERE runs.routine = ? AND steps.id = ?"  # noqa: S608
            f" AND steps.status IN ({marks}) ORDER BY runs.id DESC LIMIT 1"
        )
        row = self._ledger.one(sql, (routine, step, *(status.value for status in statuses)))
        return None if row is None else _step(row)

    def hosts_seen(self, *, since: datetime, until: datetime) -> dict[str, StepStatus]:
        """Return how the newest SSH step that asked a host ended there, of the runs that ended in (since, until]."""
        sql = (
            "SELECT json_extract(part.value, '$.key') AS host, json_extract(part.value, '$.status') AS status,"
            " max(steps.run * 1000 + steps.position) FROM runs CROSS JOIN steps ON steps.run = runs.id"
            " CROSS JOIN json_each(steps.outcome, '$.parts') AS part"
            " WHERE runs.finished_at > ? AND runs.finished_at <= ? AND steps.kind = 'ssh' AND steps.outcome IS NOT NULL"
            " GROUP BY host"
        )
        rows = self._ledger.all(sql, (to_text(since), to_text(until)))
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
