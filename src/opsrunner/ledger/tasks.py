"""Tasks: at most one open for a (routine, item, key); every close is a conditional update."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from opsrunner.errors import LedgerConflict, NotFound
from opsrunner.ledger.codec import dumps, loads, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.outbox import Outbox
from opsrunner.model.outcome import Row
from opsrunner.model.routine import Escalation, EvidenceSpec, FormField
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus
from opsrunner.records import dataclass

_COLUMNS = tuple(field.name for field in dataclasses.fields(NewTask))
_JSON = frozenset({"remind", "escalate", "rows", "row"})
_INSERT = (
    f"INSERT INTO tasks(status, {', '.join(chr(34) + name + chr(34) for name in _COLUMNS)})"  # noqa: S608 (field names)
    f" VALUES ('open', {','.join('?' * len(_COLUMNS))})"
)


@dataclass(frozen=True, kw_only=True)
class ClosedTasks:
    """What the tasks closed in a period came to."""

    of_routines: Mapping[tuple[str, TaskStatus], int]
    """How many tasks of each routine's lists were closed so."""
    mended: Mapping[str, int]
    """The routines of which a follow-up was closed: how often the newest of them had counted."""


class Tasks:
    """The table of tasks."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._outbox = Outbox(ledger)
        self._opened: Mapping[int, tuple[tuple[Any, ...], Task]] = {}
        """The open tasks as `opened` read them last, each with its row: most have not changed since."""

    def open(self, new: NewTask) -> tuple[Task, bool]:
        """Open a task, or find the open one about the same; tell whether it is new.

        The one that is found keeps its people and dates; its row becomes the newest.
        """
        with self._ledger.transaction():
            found = self.open_about(new.routine, new.item, new.kind, new.key)
            if found is not None:
                self._ledger.change("UPDATE tasks SET row = ? WHERE id = ?", (dumps(new.row), found.id))
                return self.get(found.id), False
            task_id = self._ledger.insert(_INSERT, [_plain(new, name) for name in _COLUMNS])
            return self.get(int(task_id or 0)), True

    def open_about(self, routine: str | None, item: str, kind: TaskKind, key: str | None) -> Task | None:
        """Return the open task about a key, if there is one."""
        if key is None or routine is None:
            return None
        row = self._ledger.one(
            "SELECT * FROM tasks WHERE routine = ? AND item = ? AND kind = ? AND \"key\" = ? AND status = 'open'",
            (routine, item, kind.value, key),
        )
        return None if row is None else _task(row)

    def last_closed(self, routine: str, item: str, keys: Sequence[str]) -> dict[str, datetime]:
        """Return when the last task about each of some keys ended; keys that never had one are left out."""
        sql = (
            'SELECT "key", max(closed_at) AS closed_at FROM tasks WHERE routine = ? AND item = ?'
            ' AND closed_at IS NOT NULL AND "key" IN (SELECT value FROM json_each(?)) GROUP BY "key"'
        )
        rows = self._ledger.all(sql, (routine, item, dumps(list(keys))))
        return {row["key"]: to_moment(row["closed_at"]) for row in rows}

    def open_of_step(self, routine: str, item: str, kind: TaskKind) -> list[Task]:
        """Return the open tasks of a kind about a step, whatever their keys, oldest first."""
        sql = (
            'SELECT * FROM tasks WHERE routine = ? AND item = ? AND kind = ? AND "key" IS NOT NULL'
            " AND status = 'open' ORDER BY id"
        )
        return [_task(row) for row in self._ledger.all(sql, (routine, item, kind.value))]

    def get(self, task_id: int) -> Task:
        """Return a task. Raises NotFound."""
        row = self._ledger.one("SELECT * FROM tasks WHERE id = ?", (task_id,))
        if row is None:
            raise NotFound(f"there is no task {task_id}")
        return _task(row)

    def opened(self, *, routine: str | None = None) -> list[Task]:
        """Return the open tasks, the most urgent due time first, then the oldest."""
        sql = "SELECT * FROM tasks WHERE status = 'open'"
        order = "ORDER BY due_at IS NULL, due_at, id"
        if routine is None:
            before, opened = self._opened, {}
            for row in self._ledger.all(f"{sql} {order}"):
                values, known = tuple(row), before.get(row["id"])
                opened[row["id"]] = known if known is not None and known[0] == values else (values, _task(row))
            self._opened = opened
            return [task for _, task in opened.values()]
        return [_task(row) for row in self._ledger.all(f"{sql} AND routine = ? {order}", (routine,))]

    def overdue(self, now: datetime) -> list[Task]:
        """Return the open tasks that expire with their due time and are past it."""
        sql = "SELECT * FROM tasks WHERE status = 'open' AND expires = 'due' AND due_at < ? ORDER BY due_at, id"
        return [_task(row) for row in self._ledger.all(sql, (to_text(now),))]

    def climbing(self) -> list[Task]:
        """Return the open tasks that have a reminder or an escalation left to go, as `opened` orders them."""
        sql = (
            "SELECT * FROM tasks WHERE status = 'open' AND due_at IS NOT NULL"
            " AND json_array_length(remind) + json_array_length(escalate)"
            " > (SELECT count(*) FROM rungs WHERE task = tasks.id) ORDER BY due_at, id"
        )
        return [_task(row) for row in self._ledger.all(sql)]

    def of_run(self, run_id: int) -> list[Task]:
        """Return the tasks that a run opened, in order."""
        return [_task(row) for row in self._ledger.all("SELECT * FROM tasks WHERE run = ? ORDER BY id", (run_id,))]

    def of_planned(self, *, after: datetime, until: datetime) -> list[Task]:
        """Return the tasks on the lists of the runs that were planned in (after, until], in order."""
        sql = (
            "SELECT tasks.* FROM runs JOIN tasks ON tasks.run = runs.id WHERE tasks.kind = 'routine'"
            " AND runs.nominal_at IS NOT NULL AND runs.planned_at > ? AND runs.planned_at <= ? ORDER BY tasks.id"
        )
        return [_task(row) for row in self._ledger.all(sql, (to_text(after), to_text(until)))]

    def closed(self, *, since: datetime, until: datetime | None = None, status: TaskStatus | None = None) -> list[Task]:
        """Return the tasks closed in a period, with one mark or (None) with any, oldest first."""
        mark = "status = coalesce(?, status)"
        sql = f"SELECT * FROM tasks WHERE closed_at >= ? AND closed_at < ? AND {mark} ORDER BY closed_at, id"  # noqa: S608 (fixed words)
        bound = "9999" if until is None else to_text(until)
        return [_task(row) for row in self._ledger.all(sql, (to_text(since), bound, status))]

    def closed_counts(self, *, since: datetime, until: datetime) -> ClosedTasks:
        """Return what the tasks closed in a period came to, counted."""
        period = (to_text(since), to_text(until))
        counts = self._ledger.all(
            "SELECT routine, status, count(*) AS tasks FROM tasks WHERE closed_at >= ? AND closed_at < ?"
            " AND kind = 'routine' AND routine IS NOT NULL GROUP BY +routine, +status",
            period,
        )
        mended = self._ledger.all(
            "SELECT routine, count FROM tasks WHERE closed_at >= ? AND closed_at < ? AND kind = 'follow_up'"
            " AND routine IS NOT NULL ORDER BY closed_at, id",
            period,
        )
        return ClosedTasks(
            of_routines={(row["routine"], TaskStatus(row["status"])): row["tasks"] for row in counts},
            mended={row["routine"]: row["count"] for row in mended},
        )

    def close(
        self,
        task_id: int,
        *,
        status: TaskStatus,
        by: str,
        evidence: Evidence,
        at: datetime,
        settles_at: datetime | None = None,
        struck: Sequence[int] = (),
    ) -> bool:
        """Close an open task and take back its mails that wait; False where someone was faster.

        Of what could not be done, those that it was escalated to still hear.
        """
        with self._ledger.transaction():
            changed = self._ledger.change(
                "UPDATE tasks SET status = ?, closed_by = ?, evidence = ?, closed_at = ?, settles_at = ?, struck = ?"
                " WHERE id = ? AND status = 'open'",
                (
                    status.value,
                    by,
                    dumps(dataclasses.asdict(evidence)),
                    to_text(at),
                    to_text(settles_at or at),
                    dumps(list(struck)),
                    task_id,
                ),
            )
            if changed:
                self._outbox.withdraw(task_id, at=at, but_escalations=status is TaskStatus.COULD_NOT)
        return changed == 1

    def reopen(self, task_id: int, *, now: datetime) -> bool:
        """Take a tick back while undo lasts, and put its mails back; False when it is over or the task is open.

        Raises nothing when an open task about the same key has come meanwhile: then it answers False.
        """
        try:
            with self._ledger.transaction():
                changed = self._ledger.change(
                    "UPDATE tasks SET status = 'open', closed_by = '', closed_at = NULL, settles_at = NULL,"
                    " evidence = '{}', struck = '[]' WHERE id = ? AND status <> 'open' AND settles_at > ?",
                    (task_id, to_text(now)),
                )
                if changed:
                    self._outbox.put_back(task_id)
        except LedgerConflict:
            return False
        return changed == 1

    def assign(self, task_id: int, person: str | None) -> bool:
        """Give an open task to a person, or back to its role."""
        sql = "UPDATE tasks SET person = ? WHERE id = ? AND status = 'open'"
        return self._ledger.change(sql, (person, task_id)) == 1

    def claim(self, task_id: int, person: str) -> bool:
        """Give an open task to the first person who claims it; False where someone has it."""
        sql = "UPDATE tasks SET person = ? WHERE id = ? AND status = 'open' AND (person IS NULL OR person = ?)"
        return self._ledger.change(sql, (person, task_id, person)) == 1

    def repeat(self, task_id: int, *, message: str, run: int | None, how: str | None = None) -> bool:
        """Count one more of the same cause on an open task; None leaves its run and its `how` as they are."""
        sql = (
            "UPDATE tasks SET count = count + 1, message = ?, run = coalesce(?, run), how = coalesce(?, how)"
            " WHERE id = ? AND status = 'open'"
        )
        return self._ledger.change(sql, (message, run, how, task_id)) == 1

    def renew(self, task_id: int, new: NewTask) -> bool:
        """Give an open task the texts, the row and the due time of `new`, and count one more; its people stay."""
        sql = (
            "UPDATE tasks SET title = ?, how = ?, row = ?, message = ?, due_at = ?, count = count + 1"
            " WHERE id = ? AND status = 'open'"
        )
        said = (new.title, new.how, dumps(new.row), new.message, optional_text(new.due_at), task_id)
        return self._ledger.change(sql, said) == 1

    def climb(self, task_id: int, rung: str, *, at: datetime) -> bool:
        """Record that a reminder or escalation went; False where it went before."""
        sql = "INSERT OR IGNORE INTO rungs(task, rung, at) VALUES (?,?,?)"
        return self._ledger.change(sql, (task_id, rung, to_text(at))) == 1

    def rungs(self, task_id: int) -> dict[str, datetime]:
        """Return the rungs that went, with their moments."""
        rows = self._ledger.all("SELECT rung, at FROM rungs WHERE task = ?", (task_id,))
        return {row["rung"]: to_moment(row["at"]) for row in rows}

    def rungs_of(self, task_ids: Sequence[int]) -> dict[int, set[str]]:
        """Return the names of the rungs that went, by task, for those that have any."""
        found: dict[int, set[str]] = {}
        sql = "SELECT task, rung FROM rungs WHERE task IN (SELECT value FROM json_each(?))"
        for row in self._ledger.all(sql, (dumps(list(task_ids)),)):
            found.setdefault(row["task"], set()).add(row["rung"])
        return found


def _plain(new: NewTask, name: str) -> Any:
    value = getattr(new, name)
    if name in _JSON:
        return dumps(value)
    if isinstance(value, datetime):
        return optional_text(value)
    if isinstance(value, EvidenceSpec):
        return dumps(dataclasses.asdict(value))
    if isinstance(value, TaskKind):
        return value.value
    return value


def _task(row: sqlite3.Row) -> Task:
    data: dict[str, Any] = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a Row iterates over values)
    rows: list[Row] = loads(data["rows"])
    spec = data["evidence_spec"]
    return Task(
        **{
            **data,
            "kind": TaskKind(data["kind"]),
            "status": TaskStatus(data["status"]),
            "remind": tuple(loads(data["remind"])),
            "escalate": tuple(Escalation(**item) for item in loads(data["escalate"])),
            "rows": tuple(rows),
            "struck": tuple(loads(data["struck"])),
            "row": loads(data["row"]),
            "evidence_spec": None if spec is None else _spec(loads(spec)),
            "evidence": Evidence(**loads(data["evidence"])),
            "closes_when_gone": bool(data["closes_when_gone"]),
            "wait": bool(data["wait"]),
            "approve_not_self": bool(data["approve_not_self"]),
            "opened_at": to_moment(data["opened_at"]),
            "due_at": optional_moment(data["due_at"]),
            "closed_at": optional_moment(data["closed_at"]),
            "settles_at": optional_moment(data["settles_at"]),
        }
    )


def _spec(data: dict[str, Any]) -> EvidenceSpec:
    form = tuple(FormField(**{**one, "choice": tuple(one["choice"])}) for one in data.get("form", ()))
    return EvidenceSpec(**{**data, "choice": tuple(data["choice"]), "form": form})
