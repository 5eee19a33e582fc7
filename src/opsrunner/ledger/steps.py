"""Steps of runs: each end is committed before the next step starts."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from opsrunner.ledger.codec import optional_moment, outcome_from_text, outcome_to_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import RunStatus, StepRecord
from opsrunner.records import dataclass

_ALL = 2**62
_GOOD = (StepStatus.SUCCEEDED, StepStatus.WARNING)
_END = "UPDATE steps SET status = ?, finished_at = ?, outcome = ? WHERE run = ? AND position = ?"
_END_AT_ONCE = "INSERT INTO steps(status, finished_at, outcome, run, position, id, kind) VALUES (?,?,?,?,?,?,?)"
_RECENT = 20
_RUNS_BEFORE = " UNION ALL ".join(
    "SELECT * FROM (SELECT id FROM runs WHERE routine = ?1 AND id < ?2"  # noqa: S608 (fixed words)
    f" AND status = '{status.value}' ORDER BY id DESC LIMIT {_RECENT})"
    for status in RunStatus
    if status not in (RunStatus.SKIPPED, RunStatus.MISSED)  # these never began: a pause has any number of them
)
_ENDS_BEFORE = (
    "SELECT steps.run, steps.status, steps.finished_at, steps.outcome"  # noqa: S608 (fixed words)
    f" FROM (SELECT id FROM ({_RUNS_BEFORE}) ORDER BY id DESC LIMIT {_RECENT}) AS before"
    " JOIN steps ON steps.run = before.id WHERE steps.id = ?3"
    " AND steps.status NOT IN ('running', 'skipped') ORDER BY steps.run DESC"
)
_END_BEFORE = f"{_ENDS_BEFORE} LIMIT 1"
_REMEMBER_GOOD = (
    "INSERT INTO last_good(routine, step, run, at) VALUES (?,?,?,?)"
    " ON CONFLICT(routine, step) DO UPDATE SET run = excluded.run, at = excluded.at"
)
_LAST_GOOD_END = (
    "SELECT steps.outcome FROM last_good JOIN steps ON steps.run = last_good.run AND steps.id = last_good.step"
    " WHERE last_good.routine = ? AND last_good.step = ?"
)
_REMEMBER_HOST = (
    "INSERT INTO hosts_seen(host, status, at) VALUES (?,?,?)"
    " ON CONFLICT(host) DO UPDATE SET status = excluded.status, at = excluded.at"
)


@dataclass(frozen=True, kw_only=True)
class HostSeen:
    """How the newest step that asked a host ended there, and when."""

    status: StepStatus
    at: datetime


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
        is_good = outcome.status in _GOOD
        if is_good and not plan.asks_hosts:
            self._end(run_id, position, plan, outcome, at=at)
            return
        with self._ledger.transaction():
            self._end(run_id, position, plan, outcome, at=at)
            if not is_good:
                self._remember_good(run_id, plan.id)
            for part in outcome.parts if plan.asks_hosts else ():
                self._remember_host(part, at=at)

    def _end(self, run_id: int, position: int, plan: StepPlan, outcome: Outcome, *, at: datetime) -> None:
        values = (outcome.status.value, to_text(at), outcome_to_text(outcome), run_id, position)
        if not self._ledger.change(_END, values):
            self._ledger.change(_END_AT_ONCE, (*values, plan.id, plan.kind))

    def _remember_host(self, part: Part, *, at: datetime) -> None:
        """Keep how a host ended: as unknown where it was not reached, whatever the step makes of that."""
        reached = part.facts.get("reached", True)
        if reached is not None:
            status = part.status if reached else StepStatus.UNKNOWN
            self._ledger.change(_REMEMBER_HOST, (part.key, status.value, to_text(at)))

    def of_run(self, run_id: int) -> list[StepRecord]:
        """Return the steps of a run that have begun or ended, in order."""
        sql = "SELECT * FROM steps WHERE run = ? ORDER BY position"
        return [_step(row) for row in self._ledger.all(sql, (run_id,))]

    def last_good(self, routine: str, step: str) -> datetime | None:
        """Return when a step last ended well, also where it has failed since or that run is forgotten; None: never."""
        end = self._end_before(routine, step, run=_ALL)
        if end is not None and end["status"] in _GOOD:
            return to_moment(end["finished_at"])
        row = self._ledger.one("SELECT at FROM last_good WHERE routine = ? AND step = ?", (routine, step))
        return None if row is None else to_moment(row["at"])

    def ends(self, routine: str, step: str) -> list[tuple[datetime, Outcome]]:
        """Return how a step ended in the last runs of its routine, newest first: when, and with what outcome."""
        rows = self._ledger.all(_ENDS_BEFORE, (routine, _ALL, step))
        return [(to_moment(row["finished_at"]), outcome_from_text(row["outcome"])) for row in rows if row["outcome"]]

    def last_keys(self, routine: str, step: str) -> tuple[str, ...]:
        """Return the keys of the parts of a step's last end: its rows or hosts; none where it had no parts.

        Where it was skipped ever since that is far to look for: then of the last end that was good.
        """
        end = self._end_before(routine, step, run=_ALL) or self._ledger.one(_LAST_GOOD_END, (routine, step))
        outcome = None if end is None or end["outcome"] is None else outcome_from_text(end["outcome"])
        return () if outcome is None else tuple(part.key for part in outcome.parts)

    def _remember_good(self, run_id: int, step: str) -> None:
        """Keep when a step was last good, where it was so the time before this: later that is far to look for.

        That is so of a step that fails, and of one that is skipped: neither is an end that `_END_BEFORE` finds good.
        """
        row = self._ledger.one("SELECT routine FROM runs WHERE id = ?", (run_id,))
        end = None if row is None else self._end_before(row["routine"], step, run=run_id)
        if row is not None and end is not None and end["status"] in _GOOD:
            self._ledger.change(_REMEMBER_GOOD, (row["routine"], step, end["run"], end["finished_at"]))

    def _end_before(self, routine: str, step: str, *, run: int) -> sqlite3.Row | None:
        """Return how a step ended the last time before a run, of the runs just before it."""
        return self._ledger.one(_END_BEFORE, (routine, run, step))

    def hosts_seen(self, *, since: datetime) -> dict[str, HostSeen]:
        """Return how the newest step that asked a host ended there, of the hosts asked after `since`.

        A host that was not reached is unknown.
        """
        rows = self._ledger.all("SELECT host, status, at FROM hosts_seen WHERE at > ?", (to_text(since),))
        return {row["host"]: HostSeen(status=StepStatus(row["status"]), at=to_moment(row["at"])) for row in rows}


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
