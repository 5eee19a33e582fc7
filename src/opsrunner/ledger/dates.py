"""What places said that were asked when things end, and which servers are to be left alone until when."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from sys import intern

from opsrunner.ledger.codec import clean, dumps, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.expiry import AskedPlace, DateAnswer, KeptText, Resting

ASKED_AT_ONCE = 2_000
"""Names that one statement looks up."""
SLICE = 500
"""Answers that one sweep removes."""

_PUT = """
INSERT INTO date_answers(place, name, answered_at, ends_at, "by", about, wrong, tried_at, failure)
  VALUES (?,?,?,?,?,?,?,?,?)
ON CONFLICT(place, name) DO UPDATE SET answered_at = excluded.answered_at, ends_at = excluded.ends_at,
  "by" = excluded."by", about = excluded.about, wrong = excluded.wrong, tried_at = excluded.tried_at,
  failure = excluded.failure
"""
_REST = """
INSERT INTO resting_servers(server, until, why, faults) VALUES (?,?,?,?)
ON CONFLICT(server) DO UPDATE SET until = excluded.until, why = excluded.why, faults = excluded.faults
"""
_TEXT = """
INSERT INTO kept_texts(name, text, fetched_at, tried_at) VALUES (?,?,?,?)
ON CONFLICT(name) DO UPDATE SET text = excluded.text, fetched_at = excluded.fetched_at, tried_at = excluded.tried_at
"""


class Dates:
    """The tables of answers, of servers that rest, and of fetched texts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def answers(self, place: AskedPlace, names: Sequence[str]) -> Mapping[str, DateAnswer]:
        """Return what a place said of names, by name; those that it was never asked for are left out."""
        sql = "SELECT * FROM date_answers WHERE place = ? AND name IN (SELECT value FROM json_each(?))"
        found: dict[str, DateAnswer] = {}
        for start in range(0, len(names), ASKED_AT_ONCE):
            wanted = dumps([clean(name) for name in names[start : start + ASKED_AT_ONCE]])
            for row in self._ledger.all(sql, (place, wanted)):
                found[row["name"]] = _answer(row, place)
        return found

    def keep(self, answers: Sequence[DateAnswer]) -> None:
        """Keep answers, each instead of the one before."""
        if answers:
            self._ledger.insert_many(_PUT, [_values(one) for one in answers])

    def forget(self, *, before: datetime) -> int:
        """Remove some answers about names that nobody asked for since a moment; return how many went."""
        sql = (
            "DELETE FROM date_answers WHERE (place, name) IN"
            " (SELECT place, name FROM date_answers WHERE tried_at < ? ORDER BY tried_at LIMIT ?)"
        )
        return self._ledger.change(sql, (to_text(before), SLICE))

    def resting(self) -> Mapping[str, Resting]:
        """Return the servers that had to be left alone when they were asked last, by name."""
        rows = self._ledger.all("SELECT * FROM resting_servers")
        return {row["server"]: _resting(row) for row in rows}

    def rest(self, resting: Sequence[Resting], *, recovered: Sequence[str]) -> None:
        """Keep which servers are to be left alone until when, and which answer again."""
        if not resting and not recovered:
            return
        with self._ledger.transaction():
            for one in resting:
                values = (clean(one.server), to_text(one.until), clean(one.why), one.faults)
                self._ledger.change(_REST, values)
            for server in recovered:
                self._ledger.change("DELETE FROM resting_servers WHERE server = ?", (clean(server),))

    def text(self, name: str) -> KeptText | None:
        """Return a text that was fetched, None where nobody tried."""
        row = self._ledger.one("SELECT * FROM kept_texts WHERE name = ?", (name,))
        if row is None:
            return None
        fetched_at = optional_moment(row["fetched_at"])
        return KeptText(text=row["text"], fetched_at=fetched_at, tried_at=to_moment(row["tried_at"]))

    def keep_text(self, name: str, text: KeptText) -> None:
        """Keep a text that was fetched, or that one tried to."""
        values = (name, clean(text.text), optional_text(text.fetched_at), to_text(text.tried_at))
        self._ledger.change(_TEXT, values)


def _values(one: DateAnswer) -> Sequence[str | None]:
    said = (clean(one.by), clean(one.about), clean(one.wrong))
    moments = (optional_text(one.answered_at), optional_text(one.ends_at))
    return (one.place, clean(one.name), *moments, *said, to_text(one.tried_at), clean(one.failure))


def _answer(row: sqlite3.Row, place: AskedPlace) -> DateAnswer:
    tried_at = to_moment(row["tried_at"])
    answered_at = tried_at if row["answered_at"] == row["tried_at"] else optional_moment(row["answered_at"])
    return DateAnswer(
        place=place,
        name=row["name"],
        answered_at=answered_at,
        ends_at=optional_moment(row["ends_at"]),
        by=intern(row["by"]),
        about=row["about"],
        wrong=row["wrong"],
        tried_at=tried_at,
        failure=row["failure"],
    )


def _resting(row: sqlite3.Row) -> Resting:
    return Resting(server=row["server"], until=to_moment(row["until"]), why=row["why"], faults=row["faults"])
