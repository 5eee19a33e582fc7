"""Backups that other tools make: how each stood at the last check, since when it has a gap, when one was restored."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from opsrunner.ledger.codec import optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.foreign import Checked, ForeignBackup, ForeignDrill, ForeignState, Found, KnownForeign

_PUT = """
INSERT INTO foreign_backups(routine, step, "key", state, words, copies, name, store, made_at, size_bytes, sizes,
  checked_at, since) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT(routine, step, "key") DO UPDATE SET state = excluded.state, words = excluded.words,
  copies = excluded.copies, name = excluded.name, store = excluded.store, made_at = excluded.made_at,
  size_bytes = excluded.size_bytes, sizes = excluded.sizes, checked_at = excluded.checked_at, ended_at = NULL,
  since = CASE WHEN excluded.since IS NULL THEN NULL ELSE coalesce(foreign_backups.since, excluded.since) END
"""


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
            self._ledger.change(_PUT, (checked.routine, checked.step, *_values(one), at, since))
        self._ledger.change(
            "UPDATE foreign_backups SET ended_at = ?"
            " WHERE routine = ? AND step = ? AND checked_at < ? AND ended_at IS NULL",
            (at, checked.routine, checked.step, at),
        )

    def drill(self, drill: ForeignDrill) -> None:
        """Write who restored what, and how it went."""
        at = to_text(drill.at)
        self._ledger.change(
            'INSERT INTO foreign_drills(routine, step, "key", at, "by", name, files, bytes, seconds, problem)'
            " VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                drill.routine,
                drill.step,
                drill.key,
                at,
                drill.by,
                drill.name,
                drill.files,
                drill.bytes,
                drill.seconds,
                drill.problem,
            ),
        )
        if not drill.problem:
            sql = 'UPDATE foreign_backups SET restored_at = ? WHERE routine = ? AND step = ? AND "key" = ?'
            self._ledger.change(sql, (at, drill.routine, drill.step, drill.key))


def _values(one: ForeignBackup) -> Sequence[str | int | None]:
    newest = one.newest
    return (
        one.key,
        one.state,
        one.words,
        one.copies,
        newest.name if newest else None,
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
        since=optional_moment(row["since"]),
        restored_at=optional_moment(row["restored_at"]),
    )


def _newest(row: sqlite3.Row) -> Found | None:
    made_at: datetime | None = optional_moment(row["made_at"])
    if made_at is None:
        return None
    return Found(
        key=row["key"], name=row["name"], made_at=made_at, size_bytes=row["size_bytes"], store=row["store"] or ""
    )


def _drill(row: sqlite3.Row) -> ForeignDrill:
    names = ("routine", "step", "key", "by", "name", "files", "bytes", "seconds", "problem")
    return ForeignDrill(at=to_moment(row["at"]), **{name: row[name] for name in names})
