"""The catalogue of copies: what was made, where it lies, and how it was proven."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from opsrunner.ledger.codec import optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.foreign import ForeignBackups
from opsrunner.model.backup import Copy, CopyNote, CopyState, Doubted, Drill, Gone, NewCopy, PastCopies, Reread
from opsrunner.model.foreign import Checked, ForeignDrill, KnownForeign

_COLUMNS = (
    "name", "store", "routine", "step", "run", "made_at", "received_at", "checked_by", "size_bytes", "plain_bytes",
    "files", "manifest_sha256", "of", "key", "doubts", "reread_at", "state",
)  # fmt: skip
_QUOTED = [f'"{column}"' for column in _COLUMNS]
_ADD = (
    f"INSERT INTO copies({', '.join(_QUOTED)}) VALUES ({', '.join('?' for _ in _COLUMNS)})"  # noqa: S608 (our own words)
    f" ON CONFLICT(name, store) DO UPDATE SET {', '.join(f'{column} = excluded.{column}' for column in _QUOTED)},"
    " ended_at = NULL, restored_at = NULL, why = ''"
)
LYING = "ended_at IS NULL"
# Damage stays written of what is gone, that it may come back no better than it went.
_END = (
    "UPDATE copies SET ended_at = ?1, why = CASE state WHEN ?5 THEN why ELSE ?2 END,"  # noqa: S608 (our own words)
    f" state = CASE state WHEN ?5 THEN state ELSE ?4 END WHERE id = ?3 AND {LYING}"
)


class Copies:
    """The tables of copies and drills."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._foreign = ForeignBackups(ledger)

    def note(self, notes: Sequence[CopyNote]) -> None:
        """Write what was found out or done, in its order."""
        with self._ledger.transaction():
            for note in notes:
                self._note(note)

    def named(self, name: str, *, store: str = "") -> list[Copy]:
        """Return the copies of a name, in one store or in all, newest first."""
        if store:
            return self._found("name = ? AND store = ? ORDER BY id DESC", (name, store))
        return self._found("name = ? ORDER BY id DESC", (name,))

    def lying(self, *, routine: str = "", step: str = "", store: str = "", key: str | None = None) -> list[Copy]:
        """Return the copies that lie in stores, newest first: all, or those of a routine, step, store or row's key."""
        wanted = {"routine": routine or None, "step": step or None, "store": store or None, "key": key}
        given = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join([LYING, *(f'"{column}" = ?' for column in given)])
        return self._found(f"{where} ORDER BY made_at DESC, id DESC", tuple(given.values()))

    def past(
        self, routine: str, step: str, *, proven_before: datetime, not_gone_as: str
    ) -> dict[tuple[str, str], PastCopies]:
        """Return what is known of all copies of a step, those that are gone too, by row's key and store.

        A proof later than `proven_before` is none. Copies that are gone for the reason `not_gone_as` do not count.
        """
        sql = (
            'SELECT "key", store, min(made_at) AS first_made_at,'
            " max(CASE WHEN restored_at <= ?1 THEN restored_at END) AS restored_at FROM copies"
            " WHERE routine = ?2 AND step = ?3 AND NOT (ended_at IS NOT NULL AND why = ?4)"
            ' GROUP BY "key", store'
        )
        rows = self._ledger.all(sql, (to_text(proven_before), routine, step, not_gone_as))
        return {(row["key"], row["store"]): _past(row) for row in rows}

    def names_in(self, store: str) -> list[str]:
        """Return the names of the copies that lie in a store, newest first."""
        sql = f"SELECT name FROM copies WHERE {LYING} AND store = ? ORDER BY made_at DESC, id DESC"  # noqa: S608 (our own words)
        return [row["name"] for row in self._ledger.all(sql, (store,))]

    def foreign(self, routine: str, step: str) -> list[KnownForeign]:
        """Return how the backups of another tool stand that a step checks, by their keys."""
        return self._foreign.of(routine, step)

    def drills(self, copy: int) -> list[Drill]:
        """Return the drills of a copy, newest first."""
        rows = self._ledger.all("SELECT * FROM drills WHERE copy = ? ORDER BY id DESC", (copy,))
        return [_drill(row) for row in rows]

    def _note(self, note: CopyNote) -> None:
        match note:
            case NewCopy():
                self._add(note)
            case Reread():
                self._end_reading(note)
            case Drill():
                self._add_drill(note)
                self._end_drill(note)
            case Doubted():
                self._add_drill(note.drill)
                self._doubt(note.drill.copy, note.drill.problem)
            case Checked():
                self._foreign.check(note)
            case ForeignDrill():
                self._foreign.drill(note)
            case Gone():
                self._ledger.change(_END, (to_text(note.at), note.why, note.copy, CopyState.GONE, CopyState.DAMAGED))

    def _add(self, new: NewCopy) -> None:
        """Add a copy, or know one of the same name in the same store anew.

        One that was begun at the same moment is the same, and came back with all that spoke against it. Another was
        written over, and what drills found in it went with it.
        """
        sql = "SELECT id, made_at, doubts, state, why FROM copies WHERE name = ? AND store = ?"
        before = self._ledger.one(sql, (new.name, new.store))
        if before is not None and before["made_at"] != to_text(new.made_at):
            self._ledger.change("DELETE FROM drills WHERE copy = ?", (before["id"],))
            before = None
        # Its manifest was written before it was read again, and tells no doubt of an encrypted one.
        doubts = list(new.doubts) if before is None else json.loads(before["doubts"]) or list(new.doubts)
        self._ledger.change(
            _ADD,
            (
                new.name,
                new.store,
                new.routine,
                new.step,
                new.run,
                to_text(new.made_at),
                to_text(new.received_at),
                new.checked_by,
                new.size_bytes,
                new.plain_bytes,
                new.files,
                new.manifest_sha256,
                new.of,
                new.key,
                json.dumps(doubts, ensure_ascii=False),
                optional_text(new.reread_at),
                CopyState.GOOD,
            ),
        )
        copy = self.named(new.name, store=new.store)[0].id
        if before is not None and before["state"] == CopyState.DAMAGED:
            self._damage(copy, before["why"])
        else:
            self._judge(copy)

    def _add_drill(self, drill: Drill) -> None:
        self._ledger.change(
            "INSERT INTO drills(copy, at, files, bytes, seconds, is_whole, problem) VALUES (?,?,?,?,?,?,?)",
            (drill.copy, to_text(drill.at), drill.files, drill.bytes, drill.seconds, drill.is_whole, drill.problem),
        )

    def _doubt(self, copy: int, problem: str) -> None:
        # Damage is the worse: where the bytes are wrong, what they hold says nothing more.
        sql = "UPDATE copies SET state = ?, why = ? WHERE id = ? AND ended_at IS NULL AND state != ?"
        self._ledger.change(sql, (CopyState.DOUBTFUL, problem, copy, CopyState.DAMAGED))

    def _end_reading(self, read: Reread) -> None:
        """All of it is right, and lies there; or it is damaged."""
        if read.problem:
            self._damage(read.copy, read.problem)
            return
        # Reading takes hours, too: what was removed before it ended lies there no more.
        sql = f"UPDATE copies SET reread_at = ?, ended_at = NULL WHERE id = ? AND (? OR {LYING})"  # noqa: S608 (our own words)
        if self._ledger.change(sql, (to_text(read.at), read.copy, read.was_gone)) == 1:
            self._judge(read.copy)

    def _end_drill(self, drill: Drill) -> None:
        """What was restored is right. A sample of what is damaged may be: it stays so until all of it was read."""
        if drill.problem:
            self._damage(drill.copy, drill.problem)
            return
        # A drill may take hours, and the copy be removed before it ends: it lies there no more for that.
        sql = f"UPDATE copies SET restored_at = ? WHERE id = ? AND {LYING}"  # noqa: S608 (our own words)
        is_lying = self._ledger.change(sql, (to_text(drill.at), drill.copy)) == 1
        if is_lying and (drill.is_whole or not self._is_damaged(drill.copy)):
            self._judge(drill.copy)

    def _damage(self, copy: int, problem: str) -> None:
        # What was removed meanwhile is not damaged: it is gone, and why that is so stays written.
        sql = f"UPDATE copies SET state = ?, why = ? WHERE id = ? AND {LYING}"  # noqa: S608 (our own words)
        self._ledger.change(sql, (CopyState.DAMAGED, problem, copy))

    def _is_damaged(self, copy: int) -> bool:
        sql = "SELECT 1 FROM copies WHERE id = ? AND state = ?"
        return self._ledger.one(sql, (copy, CopyState.DAMAGED)) is not None

    def _judge(self, copy: int) -> None:
        """Give a copy whose bytes are right the state that it was made with, or that its last drill left.

        That its bytes are right takes nothing back of what a drill found in them; another drill does.
        """
        why = self._drill_problem(copy)
        self._ledger.change(
            "UPDATE copies SET why = ?1, state = CASE WHEN doubts = '[]' AND ?1 = '' THEN ?2 ELSE ?3 END WHERE id = ?4",
            (why, CopyState.GOOD, CopyState.DOUBTFUL, copy),
        )

    def _drill_problem(self, copy: int) -> str:
        """Return what the last drill of a copy found wrong."""
        row = self._ledger.one("SELECT problem FROM drills WHERE copy = ? ORDER BY id DESC LIMIT 1", (copy,))
        return "" if row is None else str(row["problem"])

    def _found(self, where: str, values: tuple[str | int, ...]) -> list[Copy]:
        return [_copy(row) for row in self._ledger.all(f"SELECT * FROM copies WHERE {where}", values)]  # noqa: S608 (our own words)


def _copy(row: sqlite3.Row) -> Copy:
    went_damaged = row["ended_at"] is not None and row["state"] == CopyState.DAMAGED
    return Copy(
        id=row["id"],
        name=row["name"],
        store=row["store"],
        routine=row["routine"],
        step=row["step"],
        run=row["run"],
        made_at=to_moment(row["made_at"]),
        received_at=to_moment(row["received_at"]),
        checked_by=row["checked_by"],
        size_bytes=row["size_bytes"],
        plain_bytes=row["plain_bytes"],
        files=row["files"],
        manifest_sha256=row["manifest_sha256"],
        of=row["of"],
        key=row["key"],
        doubts=tuple(json.loads(row["doubts"])),
        state=CopyState.GONE if went_damaged else CopyState(row["state"]),
        reread_at=optional_moment(row["reread_at"]),
        restored_at=optional_moment(row["restored_at"]),
        ended_at=optional_moment(row["ended_at"]),
        why=f"it was damaged: {row['why']}" if went_damaged else row["why"],
    )


def _past(row: sqlite3.Row) -> PastCopies:
    return PastCopies(first_made_at=to_moment(row["first_made_at"]), restored_at=optional_moment(row["restored_at"]))


def _drill(row: sqlite3.Row) -> Drill:
    return Drill(
        copy=row["copy"],
        at=to_moment(row["at"]),
        files=row["files"],
        bytes=row["bytes"],
        seconds=row["seconds"],
        is_whole=bool(row["is_whole"]),
        problem=row["problem"],
    )
