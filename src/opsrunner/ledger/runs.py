"""Runs: claimed before anything starts, changed only while they are not final."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from opsrunner.errors import NotFound
from opsrunner.ledger.codec import optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.run import QUEUED, Run, RunStatus, Trigger

_COLUMN_OF_SERIES = {"daily": "daily", "weekly": "weekly", "monthly": "monthly"}


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run to be claimed. A final status closes it at once."""

    routine: str
    trigger: Trigger
    status: RunStatus
    reason: str = ""
    actor: str = ""
    nominal_at: datetime | None = None
    planned_at: datetime | None = None
    row_key: str | None = None
    rerun_of: int | None = None
    frozen: str | None = None


class Runs:
    """The table of runs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def freeze(self, body: str) -> str:
        """Keep one copy of a routine's frozen text and return its name."""
        name = hashlib.sha256(body.encode()).hexdigest()[:32]
        self._ledger.change("INSERT OR IGNORE INTO frozen(hash, body) VALUES (?, ?)", (name, body))
        return name

    def frozen_body(self, name: str) -> str:
        """Return the text that `freeze` kept."""
        row = self._ledger.one("SELECT body FROM frozen WHERE hash = ?", (name,))
        if row is None:
            raise NotFound(f"the frozen routine {name} is not in the ledger")
        return str(row["body"])

    def claim(self, new: NewRun, *, at: datetime) -> Run | None:
        """Write a run, or return None where its occurrence is already accounted for."""
        started = at if new.status is RunStatus.RUNNING else None
        finished = at if new.status.is_final else None
        run_id = self._ledger.insert(
            'INSERT INTO runs(routine, nominal_at, planned_at, row_key, "trigger", status, reason, actor, rerun_of,'
            " created_at, started_at, finished_at, frozen) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
            " ON CONFLICT DO NOTHING",
            (
                new.routine,
                optional_text(new.nominal_at),
                optional_text(new.planned_at),
                new.row_key,
                new.trigger.value,
                new.status.value,
                new.reason,
                new.actor,
                new.rerun_of,
                to_text(at),
                optional_text(started),
                optional_text(finished),
                new.frozen,
            ),
        )
        return None if run_id is None else self.get(run_id)

    def get(self, run_id: int) -> Run:
        """Return a run. Raises NotFound."""
        row = self._ledger.one("SELECT * FROM runs WHERE id = ?", (run_id,))
        if row is None:
            raise NotFound(f"there is no run {run_id}")
        return _run(row)

    def active(self, routine: str | None = None) -> list[Run]:
        """Return the runs that are `running` or `waiting`, oldest first."""
        sql = "SELECT * FROM runs WHERE finished_at IS NULL"
        if routine is None:
            return [_run(row) for row in self._ledger.all(f"{sql} ORDER BY id")]
        return [_run(row) for row in self._ledger.all(f"{sql} AND routine = ? ORDER BY id", (routine,))]

    def planned(self, *, after: datetime, until: datetime) -> list[Run]:
        """Return the runs of occurrences that were planned in (after, until]."""
        sql = "SELECT * FROM runs WHERE nominal_at IS NOT NULL AND planned_at > ? AND planned_at <= ? ORDER BY id"
        return [_run(row) for row in self._ledger.all(sql, (to_text(after), to_text(until)))]

    def start_queued(self, run_id: int, *, at: datetime) -> bool:
        """Move a queued run to `running`, unless its routine runs or someone was faster."""
        return (
            self._ledger.change(
                "UPDATE runs SET status = 'running', reason = '', started_at = ? WHERE id = ? AND status = 'waiting'"
                " AND reason = ? AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.routine = runs.routine"
                " AND other.finished_at IS NULL AND other.status = 'running')",
                (to_text(at), run_id, QUEUED),
            )
            == 1
        )

    def wait(self, run_id: int) -> bool:
        """Move a run from `running` to `waiting` for people."""
        sql = "UPDATE runs SET status = 'waiting', reason = '' WHERE id = ? AND status = 'running'"
        return self._ledger.change(sql, (run_id,)) == 1

    def go_on(self, run_id: int) -> bool:
        """Move a run that waited for people back to `running`; False where someone was faster."""
        sql = "UPDATE runs SET status = 'running' WHERE id = ? AND status = 'waiting' AND reason <> ?"
        return self._ledger.change(sql, (run_id, QUEUED)) == 1

    def finish(self, run_id: int, *, status: RunStatus, reason: str, at: datetime) -> bool:
        """Close a run for good; False where it was closed already."""
        sql = "UPDATE runs SET status = ?, reason = ?, finished_at = ? WHERE id = ? AND finished_at IS NULL"
        return self._ledger.change(sql, (status.value, reason, to_text(at), run_id)) == 1

    def listed(
        self,
        *,
        routine: str | None = None,
        statuses: Sequence[RunStatus] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Return runs, newest first. `since` and `until` bound the moment they were written."""
        where, values = ["1"], list[object]()
        if routine is not None:
            where.append("routine = ?")
            values.append(routine)
        if statuses:
            where.append(f"status IN ({','.join('?' * len(statuses))})")
            values.extend(status.value for status in statuses)
        if since is not None:
            where.append("created_at >= ?")
            values.append(to_text(since))
        if until is not None:
            where.append("created_at < ?")
            values.append(to_text(until))
        sql = f"SELECT * FROM runs WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"  # noqa: S608 (fixed words)
        return [_run(row) for row in self._ledger.all(sql, (*values, limit))]

    def last(self, routine: str, *statuses: RunStatus) -> Run | None:
        """Return the newest run of a routine with one of `statuses` (any, without)."""
        found = self.listed(routine=routine, statuses=statuses, limit=1)
        return found[0] if found else None

    def troubled_since(self, routine: str, *, after: int) -> datetime | None:
        """Return when the first run of a routine after run `after` ended in trouble, None where none did."""
        sql = (
            "SELECT finished_at FROM runs WHERE routine = ? AND id > ? AND finished_at IS NOT NULL"
            " AND status IN ('warning', 'failed', 'interrupted', 'missed') AND reason <> 'coalesced'"
            " ORDER BY id LIMIT 1"
        )
        row = self._ledger.one(sql, (routine, after))
        return None if row is None else to_moment(row["finished_at"])

    def ends_between(self, bounds: Sequence[datetime]) -> list[dict[tuple[RunStatus, str], int]]:
        """Return how many runs ended with each (status, reason), for each span between two of `bounds`, in one query.

        A span takes its first moment in and leaves its last one out.
        """
        spans = list(pairwise(bounds))
        ends: list[dict[tuple[RunStatus, str], int]] = [{} for _ in spans]
        if not spans:
            return ends
        sql = (
            f"WITH span(number, from_at, until_at) AS (VALUES {','.join(['(?,?,?)'] * len(spans))})"  # noqa: S608 (marks only)
            " SELECT number, status, reason, count(*) AS runs FROM span CROSS JOIN runs"
            " ON finished_at >= from_at AND finished_at < until_at GROUP BY number, +status, +reason"
        )
        values = [item for number, (start, end) in enumerate(spans) for item in (number, to_text(start), to_text(end))]
        for row in self._ledger.all(sql, values):
            ends[row["number"]][(RunStatus(row["status"]), row["reason"])] = row["runs"]
        return ends

    def unreported(self, series: str) -> list[Run]:
        """Return the final runs that no digest of `series` has told of, oldest first."""
        column = _COLUMN_OF_SERIES[series]
        sql = f"SELECT * FROM runs WHERE {column} IS NULL AND finished_at IS NOT NULL ORDER BY id"  # noqa: S608 (fixed words)
        return [_run(row) for row in self._ledger.all(sql)]

    def report(self, run_ids: Sequence[int], *, series: str, digest: int) -> None:
        """Stamp runs as told by a digest, in the caller's transaction."""
        column = _COLUMN_OF_SERIES[series]
        sql = f"UPDATE runs SET {column} = ? WHERE id = ? AND {column} IS NULL"  # noqa: S608 (fixed words)
        for run_id in run_ids:
            self._ledger.change(sql, (digest, run_id))

    def prune(self, *, before: datetime, told_in: Sequence[str] = ("daily",)) -> list[int]:
        """Remove final runs that ended before a moment, with their steps; return their ids.

        Those that a series in `told_in` has not told of yet stay.
        """
        told = "".join(f" AND {_COLUMN_OF_SERIES[series]} IS NOT NULL" for series in told_in)
        sql = f"SELECT id FROM runs WHERE finished_at < ?{told}"  # noqa: S608 (fixed words)
        gone = [int(row["id"]) for row in self._ledger.all(sql, (to_text(before),))]
        with self._ledger.transaction():
            for run_id in gone:
                self._ledger.change("UPDATE runs SET rerun_of = NULL WHERE rerun_of = ?", (run_id,))
                self._ledger.change("DELETE FROM runs WHERE id = ?", (run_id,))
        return gone


def _run(row: sqlite3.Row) -> Run:
    return Run(
        id=row["id"],
        routine=row["routine"],
        nominal_at=optional_moment(row["nominal_at"]),
        planned_at=optional_moment(row["planned_at"]),
        row_key=row["row_key"],
        trigger=Trigger(row["trigger"]),
        status=RunStatus(row["status"]),
        reason=row["reason"],
        actor=row["actor"],
        rerun_of=row["rerun_of"],
        created_at=to_moment(row["created_at"]),
        started_at=optional_moment(row["started_at"]),
        finished_at=optional_moment(row["finished_at"]),
        frozen=row["frozen"],
    )
