"""What the ledger knows of each routine: since when it is watched, and up to when it is accounted for."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime

from opsrunner.ledger.belongings import LEFT_BY_ROUTINES, OF_THEIR_OWN
from opsrunner.ledger.codec import optional_moment, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.notices import rename_notices
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One row of `routines`. Every due time in (first_seen_at, watermark_at] has its run."""

    id: str
    name: str
    first_seen_at: datetime
    watermark_at: datetime
    gone_at: datetime | None = None
    frozen: str | None = None
    """The newest good version of its file."""


class Routines:
    """The table of routines."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def all(self) -> dict[str, Watched]:
        """Return every routine ever seen, by id."""
        return {row["id"]: _watched(row) for row in self._ledger.all("SELECT * FROM routines ORDER BY id")}

    def see(self, names: Mapping[str, str], *, at: datetime) -> list[str]:
        """Note the routines (id → display name) that are in force; return those seen for the first time.

        A new one accounts from `at`; one that comes back accounts from `at` again; one that is no
        longer there is marked gone and keeps its history.
        """
        new: list[str] = []
        with self._ledger.transaction():
            known = self.all()
            for routine, name in names.items():
                was = known.get(routine)
                if was is None or was.gone_at is not None:
                    new.append(routine)
                    self._watch(routine, name, at=at)
                elif was.name != name:
                    self._ledger.change("UPDATE routines SET name = ? WHERE id = ?", (name, routine))
            for routine in known.keys() - names.keys():
                self._ledger.change(
                    "UPDATE routines SET gone_at = ? WHERE id = ? AND gone_at IS NULL", (to_text(at), routine)
                )
        return new

    def name(self, routine: str) -> str | None:
        """Return how a routine is or was called, None where it was never seen."""
        row = self._ledger.one("SELECT name FROM routines WHERE id = ?", (routine,))
        return None if row is None else str(row["name"])

    def note_asked(self, routine: str, name: str, *, at: datetime) -> None:
        """Note a question that stands in no file: known by its name and history, never in force."""
        self._ledger.change(
            "INSERT INTO routines(id, name, first_seen_at, watermark_at, gone_at) VALUES (?1, ?2, ?3, ?3, ?3)"
            " ON CONFLICT(id) DO UPDATE SET name = excluded.name, gone_at = excluded.gone_at WHERE gone_at IS NOT NULL",
            (routine, name, to_text(at)),
        )

    def keep(self, routine: str, *, frozen: str) -> None:
        """Remember the newest good version of a routine's file."""
        self._ledger.change("UPDATE routines SET frozen = ? WHERE id = ?", (frozen, routine))

    def rename(self, old: str, new: str) -> bool:
        """Carry the history of `old` over to `new`; False where `old` is not known or `new` is already.

        What steps and looks of a forgotten routine left under the name `new` goes: it is not the history of this one.
        """
        known = self.all()
        if old not in known or new in known:
            return False
        with self._ledger.transaction():
            for table in LEFT_BY_ROUTINES:
                self._ledger.change(f"DELETE FROM {table} WHERE routine = ?", (new,))  # noqa: S608 (fixed words)
            for table in (*OF_THEIR_OWN, *LEFT_BY_ROUTINES):
                sql = f"UPDATE {table} SET routine = ? WHERE routine = ?"  # noqa: S608 (fixed words)
                self._ledger.change(sql, (new, old))
            self._ledger.change("UPDATE routines SET id = ? WHERE id = ?", (new, old))
            rename_notices(self._ledger, old, new)
            self._ledger.change("UPDATE OR REPLACE last_good SET routine = ? WHERE routine = ?", (new, old))
        return True

    def _watch(self, routine: str, name: str, *, at: datetime) -> None:
        self._ledger.change(
            "INSERT INTO routines(id, name, first_seen_at, watermark_at) VALUES (?,?,?,?) ON CONFLICT(id)"
            " DO UPDATE SET name = excluded.name, watermark_at = excluded.watermark_at, gone_at = NULL",
            (routine, name, to_text(at), to_text(at)),
        )


def _watched(row: sqlite3.Row) -> Watched:
    return Watched(
        id=row["id"],
        name=row["name"],
        first_seen_at=to_moment(row["first_seen_at"]),
        watermark_at=to_moment(row["watermark_at"]),
        gone_at=optional_moment(row["gone_at"]),
        frozen=row["frozen"],
    )
