"""Rows as occasions: which rows of a source are known, how the looks for new ones stand, which row a run is for.

A row is known by its key, for as long as the source shows it and for as long as runs are kept after that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from opsrunner.ledger.codec import dumps, loads, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.rows import KeyedRow, LookStanding


class KnownRows:
    """The tables `looks`, `known_rows` and `run_rows`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def standing(self, routine: str) -> LookStanding | None:
        """Return how the looks of a routine stand; None before the first one."""
        row = self._ledger.one("SELECT * FROM looks WHERE routine = ?", (routine,))
        return None if row is None else _standing(row)

    def standings(self) -> dict[str, LookStanding]:
        """Return how all looks stand, by routine."""
        return {row["routine"]: _standing(row) for row in self._ledger.all("SELECT * FROM looks")}

    def keep_looks(self, routines: Collection[str]) -> None:
        """Forget how the looks of all other routines stand: should they come back, they begin with a baseline."""
        sql = "DELETE FROM looks WHERE routine NOT IN (SELECT value FROM json_each(?))"
        self._ledger.change(sql, (dumps(sorted(routines)),))

    def note_look(self, new: LookStanding) -> None:
        """Write down how the looks of a routine stand now."""
        self._ledger.change(
            "INSERT OR REPLACE INTO looks(routine, meaning, tried_at, looked_at, rows, baseline_at, baseline_rows,"
            " error, failing_since) VALUES (?,?,?,?,?,?,?,?,?)",
            (
                new.routine,
                new.meaning,
                to_text(new.tried_at),
                optional_text(new.looked_at),
                new.rows,
                optional_text(new.baseline_at),
                new.baseline_rows,
                new.error,
                optional_text(new.failing_since),
            ),
        )

    def unknown(self, routine: str, keys: Sequence[str]) -> list[str]:
        """Return those of some keys, in their order, that no row of the routine had before."""
        sql = (
            "SELECT one.value AS new FROM json_each(?) AS one WHERE NOT EXISTS"
            ' (SELECT 1 FROM known_rows WHERE known_rows.routine = ? AND known_rows."key" = one.value) ORDER BY one.key'
        )
        return [row["new"] for row in self._ledger.all(sql, (dumps(list(keys)), routine))]

    def learn(self, routine: str, keys: Sequence[str], *, at: datetime) -> int:
        """Know these rows from now on; return how many were not known before."""
        moment = to_text(at)
        return self._ledger.insert_many(
            'INSERT INTO known_rows(routine, "key", first_seen_at, seen_at) VALUES (?,?,?,?) ON CONFLICT DO NOTHING',
            ((routine, key, moment, moment) for key in keys),
        )

    def see_again(self, routine: str, keys: Sequence[str], *, at: datetime) -> None:
        """Note that the source still shows these rows: they are not forgotten. Once a day is enough."""
        self._ledger.change(
            "UPDATE known_rows SET seen_at = ?1 WHERE routine = ?2 AND seen_at < ?1"
            ' AND "key" IN (SELECT value FROM json_each(?3))',
            (to_text(at), routine, dumps(list(keys))),
        )

    def count(self, routine: str) -> int:
        """Return how many rows of a routine are known."""
        row = self._ledger.one("SELECT count(*) FROM known_rows WHERE routine = ?", (routine,))
        return int(row[0]) if row else 0

    def give(self, run_id: int, occasion: KeyedRow) -> None:
        """Freeze a row with its run."""
        sql = 'INSERT INTO run_rows(run, "key", row) VALUES (?,?,?)'
        self._ledger.change(sql, (run_id, occasion.key, dumps(dict(occasion.row))))

    def of_run(self, run_id: int) -> KeyedRow | None:
        """Return the row that a run is for; None where it is for none."""
        row = self._ledger.one('SELECT "key", row FROM run_rows WHERE run = ?', (run_id,))
        return None if row is None else KeyedRow(key=row["key"], row=loads(row["row"]))

    def keys_of(self, run_ids: Collection[int]) -> Mapping[int, str]:
        """Return the keys of the rows that these runs are for, by run; runs for no row are not in it."""
        sql = (
            'SELECT run_rows.run, run_rows."key" FROM json_each(?) AS one'
            " CROSS JOIN run_rows ON run_rows.run = one.value"
        )
        return {row["run"]: row["key"] for row in self._ledger.all(sql, (dumps(sorted(run_ids)),))}


def _standing(row: sqlite3.Row) -> LookStanding:
    return LookStanding(
        routine=row["routine"],
        meaning=row["meaning"],
        tried_at=to_moment(row["tried_at"]),
        looked_at=optional_moment(row["looked_at"]),
        rows=row["rows"],
        baseline_at=optional_moment(row["baseline_at"]),
        baseline_rows=row["baseline_rows"],
        error=row["error"],
        failing_since=optional_moment(row["failing_since"]),
    )
