"""What the command line asks of the daemon: a run by hand, a cancellation. Taken within a second."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Literal

from opsrunner.ledger.codec import dumps, loads, optional_moment, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.rows import KeyedRow
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Request:
    """One row of `requests`. `answer` is set when it was refused; `run` when it became one."""

    id: int
    kind: Literal["run", "cancel"]
    routine: str | None
    run: int | None
    actor: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime
    taken_at: datetime | None = None
    answer: str | None = None


class Requests:
    """The table of requests."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def ask_for_run(
        self,
        routine: str,
        *,
        actor: str,
        at: datetime,
        rerun_of: int | None = None,
        frozen: str = "",
        occasion: KeyedRow | None = None,
    ) -> int:
        """Ask for a run by hand and return the request's id; `frozen` is the routine where no file has it.

        `occasion` is the row that it is for.
        """
        sql = "INSERT INTO requests(kind, routine, actor, detail, created_at) VALUES ('run',?,?,?,?)"
        row = {"key": occasion.key, "row": dict(occasion.row)} if occasion else None
        said = {"rerun_of": rerun_of, "frozen": frozen, "occasion": row}
        detail = dumps({name: value for name, value in said.items() if value})
        return int(self._ledger.insert(sql, (routine, actor, detail, to_text(at))) or 0)

    def ask_to_cancel(self, run: int, *, actor: str, at: datetime) -> int:
        """Ask that a run be cancelled and return the request's id."""
        sql = "INSERT INTO requests(kind, run, actor, created_at) VALUES ('cancel',?,?,?)"
        return int(self._ledger.insert(sql, (run, actor, to_text(at))) or 0)

    def waiting(self) -> list[Request]:
        """Return what nobody has taken yet, oldest first."""
        return [_request(row) for row in self._ledger.all("SELECT * FROM requests WHERE taken_at IS NULL ORDER BY id")]

    def get(self, request_id: int) -> Request | None:
        """Return a request, or None."""
        row = self._ledger.one("SELECT * FROM requests WHERE id = ?", (request_id,))
        return None if row is None else _request(row)

    def take(self, request_id: int, *, at: datetime, run: int | None, answer: str = "") -> bool:
        """Answer a request once; False where it was answered."""
        sql = "UPDATE requests SET taken_at = ?, run = coalesce(?, run), answer = ? WHERE id = ? AND taken_at IS NULL"
        return self._ledger.change(sql, (to_text(at), run, answer, request_id)) == 1


def _request(row: sqlite3.Row) -> Request:
    return Request(
        id=row["id"],
        kind=row["kind"],
        routine=row["routine"],
        run=row["run"],
        actor=row["actor"],
        detail=loads(row["detail"]),
        created_at=to_moment(row["created_at"]),
        taken_at=optional_moment(row["taken_at"]),
        answer=row["answer"],
    )
