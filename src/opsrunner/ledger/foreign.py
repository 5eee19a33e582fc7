"""Backups that other tools make: how each stood at the last check, since when it has a gap, when one was restored."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from opsrunner.ledger.codec import clean, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.foreign import Checked, ForeignBackup, ForeignDrill, ForeignState, Found, KnownForeign

_PUT = """
INSERT INTO foreign_backups(routine, step, "key", state, words, copies, name, store, made_at, size_bytes, sizes,
  checked_at, first_seen_at, since) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT(routine, step, "key") DO UPDATE SET state = excluded.state, words = excluded.words,
  copies = excluded.copies, name = excluded.name, store = excluded.store, made_at = excluded.made_at,
  size_bytes = excluded.size_bytes, sizes = excluded.sizes, checked_at = excluded.checked_at,
  first_seen_at = CASE WHEN ended_at IS NULL THEN first_seen_at ELSE excluded.first_seen_at END,
  since = CASE WHEN excluded.since IS NULL OR ended_at IS NOT NULL THEN excluded.since
    ELSE coalesce(foreign_backups.since, excluded.since) END,
  ended_at = NULL
"""
_PROVEN = """
UPDATE foreign_backups SET tried_at = ?, restored_at = ?, problem = '',
  sizes = CASE WHEN name = ? AND size_bytes IS NOT NULL THEN json_array(json_array(made_at, size_bytes)) ELSE sizes END
  WHERE routine = ? AND step = ? AND "key" = ?
"""
"""What was restored and is right is what the next ones are compared with, however small it is."""


class ForeignBackups:
    """The tables of what other tools back up, and of who restored something of it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, routine: str, step: str) -> list[KnownForeign]:
        """Return how everything stands that a step expects, by their keys."""
        sql = 'SELECT * FROM foreign_backups WHERE routine = ? AND step = ? AND ended_at IS NULL ORDER BY "key"'
        return [_known(row) for row in self._ledger.all(sql, (routine, step))]

    def drills(self, routine: str, step: str, *, most: int) -> list[ForeignDrill]:
        """Return who last restored something of what a step checks, newest first."""
        sql = "SELECT * FROM foreign_drills WHERE routine = ? AND step = ? ORDER BY id DESC LIMIT ?"
        return [_drill(row) for row in self._ledger.all(sql, (routine, step, most))]

    def check(self, checked: Checked) -> None:
        """Write what a step found; what it expects no more is kept, with its proofs, and shown no longer."""
        at = to_text(checked.at)
        for one in checked.backups:
            since = at if one.state.is_gap else None
            self._ledger.change(_PUT, (checked.routine, checked.step, *_values(one), at, at, since))
        self._ledger.change(
            "UPDATE foreign_backups SET ended_at = ?"
            " WHERE routine = ? AND step = ? AND checked_at <> ? AND ended_at IS NULL",
            (at, checked.routine, checked.step, at),
        )

    def drill(self, drill: ForeignDrill) -> None:
        """Write who restored what, and how it went."""
        at, of = to_text(drill.at), (drill.routine, drill.step, drill.key)
        self._ledger.change(
            'INSERT INTO foreign_drills(routine, step, "key", at, "by", name, files, bytes, seconds, problem,'
            " is_theirs, note) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                *of,
                at,
                drill.by,
                clean(drill.name),
                drill.files,
                drill.bytes,
                drill.seconds,
                drill.problem,
                drill.is_theirs,
                drill.note,
            ),
        )
        where = 'WHERE routine = ? AND step = ? AND "key" = ?'
        if not drill.problem:
            self._ledger.change(_PROVEN, (at, at, clean(drill.name), *of))
        elif drill.is_theirs:
            self._ledger.change(
                f"UPDATE foreign_backups SET tried_at = ?, problem = ? {where}",  # noqa: S608 (our own words)
                (at, drill.problem, *of),
            )
        else:
            self._ledger.change(f"UPDATE foreign_backups SET tried_at = ? {where}", (at, *of))  # noqa: S608


def _values(one: ForeignBackup) -> Sequence[str | int | None]:
    newest = one.newest
    return (
        clean(one.key),
        one.state,
        one.words,
        one.copies,
        clean(newest.name) if newest else None,
        newest.store if newest else None,
        optional_text(newest.made_at if newest else None),
        newest.size_bytes if newest else None,
        json.dumps([[to_text(made_at), size] for made_at, size in one.sizes]),
    )


def _known(row: sqlite3.Row) -> KnownForeign:
    return KnownForeign(
        key=row["key"],
        state=ForeignState(row["state"]),
        words=row["words"],
        copies=row["copies"],
        newest=_newest(row),
        sizes=tuple((to_moment(made_at), size) for made_at, size in json.loads(row["sizes"])),
        checked_at=to_moment(row["checked_at"]),
        first_seen_at=to_moment(row["first_seen_at"]),
        since=optional_moment(row["since"]),
        tried_at=optional_moment(row["tried_at"]),
        restored_at=optional_moment(row["restored_at"]),
        problem=row["problem"],
    )


def _newest(row: sqlite3.Row) -> Found | None:
    made_at: datetime | None = optional_moment(row["made_at"])
    if made_at is None:
        return None
    return Found(
        key=row["key"], name=row["name"], made_at=made_at, size_bytes=row["size_bytes"], store=row["store"] or ""
    )


def _drill(row: sqlite3.Row) -> ForeignDrill:
    names = ("routine", "step", "key", "by", "name", "files", "bytes", "seconds", "problem", "note")
    said = {name: row[name] for name in names}
    return ForeignDrill(at=to_moment(row["at"]), is_theirs=bool(row["is_theirs"]), **said)
