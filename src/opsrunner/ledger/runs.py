"""Runs: claimed before anything starts, changed only while they are not final."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from opsrunner.errors import NotFound
from opsrunner.ledger.codec import dumps, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.ends import NEXT_END
from opsrunner.model.run import QUEUED, Run, RunStatus, Trigger
from opsrunner.records import dataclass

_CLAIM = (
    'INSERT INTO runs(routine, nominal_at, planned_at, row_key, "trigger", status, reason, actor, rerun_of, created_at,'
    " started_at, finished_at, frozen, ended) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,"
    "{ended}) ON CONFLICT DO NOTHING"
)
_CLAIM_ACTIVE, _CLAIM_FINAL = _CLAIM.format(ended="NULL"), _CLAIM.format(ended=NEXT_END)
_CLAIM_NUMBERED = _CLAIM.format(ended="?")
_FINISH = (
    f"UPDATE runs SET status = ?, reason = ?, finished_at = ?, ended = {NEXT_END} WHERE id = ? AND finished_at IS NULL"  # noqa: S608 (fixed words)
)
_ALL = 2**62
PAGE = 200
CLOCK_SLACK = timedelta(days=2)
"""Runs are numbered as they are written: past one that is this much too old, none is looked for that is not."""


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
        self._ledger.change(
            "INSERT INTO frozen(hash, body) VALUES (?, ?)"
            " ON CONFLICT(hash) DO UPDATE SET body = excluded.body WHERE body = ''",  # it was forgotten meanwhile
            (name, body),
        )
        return name

    def frozen_body(self, name: str) -> str:
        """Return the text that `freeze` kept."""
        row = self._ledger.one("SELECT body FROM frozen WHERE hash = ?", (name,))
        if row is None:
            raise NotFound(f"the frozen routine {name} is not in the ledger")
        return str(row["body"])

    def claim(self, new: NewRun, *, at: datetime) -> Run | None:
        """Write a run, or return None where its occurrence is already accounted for."""
        is_final = new.status.is_final
        row = _row(new, to_text(at))
        run_id = self._ledger.insert(_CLAIM_FINAL if is_final else _CLAIM_ACTIVE, row)
        if run_id is None:
            return None
        started = at if new.status is RunStatus.RUNNING else None
        return Run(**vars(new), id=run_id, created_at=at, started_at=started, finished_at=at if is_final else None)

    def claim_ended(self, news: Sequence[NewRun], *, at: datetime) -> None:
        """Write runs that are final from the start, in their order, but for what is already accounted for."""
        written_at = to_text(at)
        with self._ledger.transaction():
            found = self._ledger.one(f"SELECT {NEXT_END}")
            first = int(found[0]) if found else 1
            rows = ((*_row(new, written_at), number) for number, new in enumerate(news, first))
            self._ledger.insert_many(_CLAIM_NUMBERED, rows)

    def get(self, run_id: int) -> Run:
        """Return a run. Raises NotFound."""
        row = self._ledger.one("SELECT * FROM runs WHERE id = ?", (run_id,))
        if row is None:
            raise NotFound(f"there is no run {run_id}")
        return run_of(row)

    def active(self, routine: str | None = None, *, status: RunStatus | None = None) -> list[Run]:
        """Return the runs that are `running` or `waiting` (or only those with `status`), oldest first."""
        sql = "SELECT * FROM runs WHERE status IN (?, ?)"
        statuses = (RunStatus.RUNNING, RunStatus.WAITING) if status is None else (status, status)
        if routine is None:
            return [run_of(row) for row in self._ledger.all(f"{sql} ORDER BY id", statuses)]
        return [run_of(row) for row in self._ledger.all(f"{sql} AND routine = ? ORDER BY id", (*statuses, routine))]

    def count_waiting(self) -> int:
        """Return how many runs wait for people; one that is queued waits for the run before it."""
        row = self._ledger.one("SELECT count(*) FROM runs WHERE status = 'waiting' AND reason <> ?", (QUEUED,))
        return int(row[0]) if row else 0

    def planned(self, *, after: datetime, until: datetime) -> list[Run]:
        """Return the runs of occurrences that were planned in (after, until]."""
        sql = "SELECT * FROM runs WHERE nominal_at IS NOT NULL AND planned_at > ? AND planned_at <= ? ORDER BY id"
        return [run_of(row) for row in self._ledger.all(sql, (to_text(after), to_text(until)))]

    def for_rows(self, *, after: datetime, until: datetime) -> list[Run]:
        """Return the runs for rows that were made in (after, until]."""
        sql = (
            "SELECT * FROM runs WHERE row_key IS NOT NULL AND created_at > ? AND created_at <= ?"
            " ORDER BY created_at, id"
        )
        return [run_of(row) for row in self._ledger.all(sql, (to_text(after), to_text(until)))]

    def recorded(self, occasions: Sequence[tuple[str, datetime]]) -> set[tuple[str, datetime]]:
        """Return which of these (routine, nominal due time) have a run."""
        sql = (
            "SELECT runs.routine, runs.nominal_at FROM json_each(?) AS one CROSS JOIN runs"
            " ON runs.routine = json_extract(one.value, '$[0]') AND runs.nominal_at = json_extract(one.value, '$[1]')"
        )
        told = dumps([[routine, to_text(nominal)] for routine, nominal in occasions])
        return {(row["routine"], to_moment(row["nominal_at"])) for row in self._ledger.all(sql, (told,))}

    def start_queued(self, run_id: int, *, at: datetime) -> bool:
        """Move a queued run to `running`, unless its routine runs (runs for rows aside) or someone was faster."""
        return (
            self._ledger.change(
                "UPDATE runs SET status = 'running', reason = '', started_at = ? WHERE id = ? AND status = 'waiting'"
                " AND reason = ? AND (row_key IS NOT NULL OR NOT EXISTS (SELECT 1 FROM runs AS other"
                " WHERE other.routine = runs.routine AND other.finished_at IS NULL AND other.status = 'running'"
                " AND other.row_key IS NULL))",
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
        return self._ledger.change(_FINISH, (status.value, reason, to_text(at), run_id)) == 1

    def listed(
        self,
        *,
        routine: str | None = None,
        statuses: Sequence[RunStatus] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
    ) -> list[Run]:
        """Return runs, newest first. `since` (in) and `until` (out) bound the moment they were written."""
        found: list[Run] = []
        size, before = limit if since is None and until is None else max(limit, PAGE), _ALL
        while True:
            page = self._page(routine, statuses, before=before, size=size)
            found += [
                run
                for run in page
                if (since is None or run.created_at >= since) and (until is None or run.created_at < until)
            ]
            is_past = since is not None and bool(page) and page[-1].created_at < since - CLOCK_SLACK
            if len(found) >= limit or len(page) < size or is_past:
                return found[:limit]
            before = page[-1].id

    def _page(self, routine: str | None, statuses: Sequence[RunStatus], *, before: int, size: int) -> list[Run]:
        """Return the newest runs below a number: by one look-up for each status, none walks over another's."""
        if routine is None and not statuses:
            return [
                run_of(row)
                for row in self._ledger.all("SELECT * FROM runs WHERE id < ? ORDER BY id DESC LIMIT ?", (before, size))
            ]
        wanted = list(dict.fromkeys(statuses or RunStatus))
        about = "status = ?" if routine is None else "routine = ? AND status = ?"
        branch = f"SELECT * FROM (SELECT * FROM runs WHERE {about} AND id < ? ORDER BY id DESC LIMIT ?)"  # noqa: S608 (fixed words)
        sql = f"{' UNION ALL '.join([branch] * len(wanted))} ORDER BY id DESC LIMIT ?"
        own = [] if routine is None else [routine]
        values = [item for status in wanted for item in (*own, status.value, before, size)]
        return [run_of(row) for row in self._ledger.all(sql, (*values, size))]

    def last(self, routine: str, *statuses: RunStatus) -> Run | None:
        """Return the newest run of a routine with one of `statuses` (any, without)."""
        found = self.listed(routine=routine, statuses=statuses, limit=1)
        return found[0] if found else None

    def good_after(self, run_id: int) -> Run | None:
        """Return the first run of the same routine after a run that succeeded, None where none did."""
        sql = (
            "SELECT later.* FROM runs AS one CROSS JOIN runs AS later WHERE one.id = ? AND later.routine = one.routine"
            " AND later.status = 'succeeded' AND later.id > one.id ORDER BY later.id LIMIT 1"
        )
        row = self._ledger.one(sql, (run_id,))
        return None if row is None else run_of(row)


def _row(new: NewRun, at: str) -> tuple[str | int | None, ...]:
    nominal_at = optional_text(new.nominal_at)
    return (
        new.routine,
        nominal_at,
        nominal_at if new.planned_at == new.nominal_at else optional_text(new.planned_at),
        new.row_key,
        new.trigger.value,
        new.status.value,
        new.reason,
        new.actor,
        new.rerun_of,
        at,
        at if new.status is RunStatus.RUNNING else None,
        at if new.status.is_final else None,
        new.frozen,
    )


def run_of(row: sqlite3.Row) -> Run:
    """Return the run that a row of `runs` is."""
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
