"""How the mails stand that have not left: told without their texts, so that a long queue is told as fast as a short."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from opsrunner.ledger.codec import optional_moment, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.records import dataclass

_LIVE = "sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL"
_LINE = 'id, "to", about, created_at, not_before, attempts, next_try_at, failed_at, error'


@dataclass(frozen=True, kw_only=True)
class MailLine:
    """A mail without its text."""

    id: int
    to: str
    about: str
    created_at: datetime
    not_before: datetime | None
    attempts: int
    next_try_at: datetime
    failed_at: datetime | None
    error: str
    """Why the last try failed; empty where there was none."""


@dataclass(frozen=True, kw_only=True)
class MailStanding:
    """How many mails have not left; of these, how many were tried in vain, and how many wait for quiet hours to end."""

    waiting: int = 0
    deferred: int = 0
    held: int = 0
    oldest_at: datetime | None = None
    given_up: int = 0
    """How many were given up of late."""


class MailQueue:
    """Looks at the outbox."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def standing(self, *, now: datetime, since: datetime) -> MailStanding:
        """Return how the queue stands at `now`; mails that were given up count if it was later than `since`."""
        row = self._ledger.one(
            "SELECT count(*) AS waiting, sum(error <> '') AS deferred, min(created_at) AS oldest_at,"  # noqa: S608 (fixed words)
            f" sum(error = '' AND coalesce(not_before, '') > ?) AS held FROM outbox WHERE {_LIVE}",
            (to_text(now),),
        )
        lost = self._ledger.one(
            "SELECT count(*) FROM outbox WHERE failed_at > ? AND failed_at <= ?", (to_text(since), to_text(now))
        )
        given_up = int(lost[0]) if lost else 0
        if row is None or not row["waiting"]:
            return MailStanding(given_up=given_up)
        return MailStanding(
            waiting=row["waiting"],
            deferred=row["deferred"],
            held=row["held"],
            oldest_at=optional_moment(row["oldest_at"]),
            given_up=given_up,
        )

    def stuck(self, *, before: datetime, now: datetime) -> tuple[int, str]:
        """Return how many mails from before a moment could have left, and why the oldest did not ('': not tried)."""
        row = self._ledger.one(
            f"SELECT count(*) AS mails, min(id) AS oldest FROM outbox WHERE {_LIVE} AND +created_at < ?"  # noqa: S608 (fixed words)
            " AND coalesce(not_before, '') <= ?",
            (to_text(before), to_text(now)),
        )
        if row is None or not row["mails"]:
            return 0, ""
        oldest = self._ledger.one("SELECT error FROM outbox WHERE id = ?", (row["oldest"],))
        return row["mails"], "" if oldest is None else oldest["error"]

    def waiting(self, *, limit: int) -> list[MailLine]:
        """Return mails that have not left: those that were tried in vain first, then the oldest."""
        sql = f"SELECT {_LINE} FROM outbox WHERE {_LIVE} ORDER BY error = '', +id LIMIT ?"  # noqa: S608 (fixed words)
        return [_line(row) for row in self._ledger.all(sql, (limit,))]

    def given_up(self, *, since: datetime, limit: int) -> list[MailLine]:
        """Return the newest mails that were given up since a moment."""
        sql = f"SELECT {_LINE} FROM outbox WHERE failed_at >= ? ORDER BY +id DESC LIMIT ?"  # noqa: S608 (fixed words)
        return [_line(row) for row in self._ledger.all(sql, (to_text(since), limit))]


def _line(row: sqlite3.Row) -> MailLine:
    return MailLine(
        id=row["id"],
        to=row["to"],
        about=row["about"],
        created_at=to_moment(row["created_at"]),
        not_before=optional_moment(row["not_before"]),
        attempts=row["attempts"],
        next_try_at=to_moment(row["next_try_at"]),
        failed_at=optional_moment(row["failed_at"]),
        error=row["error"],
    )
