"""What staff enter about themselves: leave, swaps, cover, and the shift note."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from opsrunner.ledger.codec import to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.person import Absence
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class ShiftNote:
    """What one shift tells the next."""

    at: datetime
    author: str
    text: str


class Absences:
    """The table of absences."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def enter(self, absence: Absence, *, at: datetime) -> int:
        """Keep an absence (its `id` is ignored) and return its id."""
        sql = (
            "INSERT INTO absences(kind, person, other, roster, from_at, until_at, reason, entered_by, entered_at)"
            " VALUES (?,?,?,?,?,?,?,?,?)"
        )
        values = (
            absence.kind,
            absence.person,
            absence.other,
            absence.roster,
            to_text(absence.from_),
            to_text(absence.until),
            absence.reason,
            absence.entered_by,
            to_text(at),
        )
        return int(self._ledger.insert(sql, values) or 0)

    def end(self, absence_id: int, *, at: datetime) -> bool:
        """Take an absence back; False where it is not there or ended."""
        sql = "UPDATE absences SET ended_at = ? WHERE id = ? AND ended_at IS NULL"
        return self._ledger.change(sql, (to_text(at), absence_id)) == 1

    def live(self, *, since: datetime) -> list[Absence]:
        """Return the absences that reach past a moment, in the order they were entered."""
        sql = "SELECT * FROM absences WHERE ended_at IS NULL AND until_at > ? ORDER BY id"
        return [_absence(row) for row in self._ledger.all(sql, (to_text(since),))]


class Notes:
    """The table of shift notes."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, text: str, *, author: str, at: datetime) -> int:
        """Keep a note and return its id."""
        sql = "INSERT INTO notes(at, author, text) VALUES (?,?,?)"
        return int(self._ledger.insert(sql, (to_text(at), author, text)) or 0)

    def since(self, moment: datetime) -> list[ShiftNote]:
        """Return the notes from a moment on, newest first."""
        rows = self._ledger.all("SELECT * FROM notes WHERE at >= ? ORDER BY +id DESC", (to_text(moment),))
        return [ShiftNote(at=to_moment(row["at"]), author=row["author"], text=row["text"]) for row in rows]


def _absence(row: sqlite3.Row) -> Absence:
    return Absence(
        id=row["id"],
        kind=row["kind"],
        person=row["person"],
        other=row["other"],
        roster=row["roster"],
        from_=to_moment(row["from_at"]),
        until=to_moment(row["until_at"]),
        reason=row["reason"],
        entered_by=row["entered_by"],
    )
