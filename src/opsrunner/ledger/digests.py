"""Digests as they were sent, each with how far it told of the ends of runs."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from opsrunner.errors import NotFound
from opsrunner.ledger.codec import to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class SentDigest:
    """One row of `digests`."""

    id: int
    series: str
    from_at: datetime
    until_at: datetime
    created_at: datetime
    subject: str
    text: str
    html: str
    runs: int
    through: int = 0
    """The newest end that it tells of, as Ends numbers them."""


class Digests:
    """The table of digests."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def write(self, new: SentDigest) -> int | None:
        """Keep a digest, in the caller's transaction; None where the period has one. `new.id` is ignored."""
        return self._ledger.insert(
            "INSERT INTO digests(series, from_at, until_at, created_at, subject, text, html, runs, through)"
            " VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
            (
                new.series,
                to_text(new.from_at),
                to_text(new.until_at),
                to_text(new.created_at),
                new.subject,
                new.text,
                new.html,
                new.runs,
                new.through,
            ),
        )

    def through(self, series: str) -> int | None:
        """Return the newest end that a digest of a series has told of; None where the series has no digest."""
        row = self._ledger.one("SELECT max(through) FROM digests WHERE series = ?", (series,))
        return None if row is None or row[0] is None else int(row[0])

    def last(self, series: str, *, until: datetime | None = None) -> SentDigest | None:
        """Return the newest digest of a series, of those whose period ends at `until` at the latest."""
        sql = "SELECT * FROM digests WHERE series = ? AND until_at <= ? ORDER BY until_at DESC LIMIT 1"
        row = self._ledger.one(sql, (series, "9" if until is None else to_text(until)))
        return None if row is None else _digest(row)

    def covering(self, series: str, moment: datetime) -> SentDigest | None:
        """Return the digest of a series whose period ends at `moment` or first after it."""
        sql = "SELECT * FROM digests WHERE series = ? AND until_at >= ? ORDER BY until_at LIMIT 1"
        row = self._ledger.one(sql, (series, to_text(moment)))
        return None if row is None else _digest(row)

    def get(self, digest_id: int) -> SentDigest:
        """Return a digest as it went out. Raises NotFound."""
        row = self._ledger.one("SELECT * FROM digests WHERE id = ?", (digest_id,))
        if row is None:
            raise NotFound(f"there is no digest {digest_id}")
        return _digest(row)

    def listed(self, *, before: int, limit: int) -> list[SentDigest]:
        """Return the newest digests whose number is below `before`, without their texts."""
        sql = (
            "SELECT id, series, from_at, until_at, created_at, subject, '' AS text, '' AS html, runs, through"
            " FROM digests WHERE id < ? ORDER BY id DESC LIMIT ?"
        )
        return [_digest(row) for row in self._ledger.all(sql, (before, limit))]


def _digest(row: sqlite3.Row) -> SentDigest:
    return SentDigest(
        id=row["id"],
        series=row["series"],
        from_at=to_moment(row["from_at"]),
        until_at=to_moment(row["until_at"]),
        created_at=to_moment(row["created_at"]),
        subject=row["subject"],
        text=row["text"],
        html=row["html"],
        runs=row["runs"],
        through=row["through"],
    )
