"""Doors of the page: sign-in links and sessions. Of a token only its hash is kept: who reads it opens nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import datetime

from opsrunner.ledger.codec import to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.session import SESSION_IDLE, Session


def token_hash(token: str) -> str:
    """Return what is kept of a token. Tokens are 256 random bits, so that no salt and no slow hash are needed."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


class Links:
    """The table of sign-in links: each good once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, token: str, *, person: str, made_by: str, at: datetime, expires_at: datetime) -> None:
        """Keep a link for a person; those that are over are forgotten."""
        self._ledger.change("DELETE FROM links WHERE expires_at < ?", (to_text(at),))
        sql = "INSERT INTO links(token, person, made_by, made_at, expires_at) VALUES (?,?,?,?,?)"
        self._ledger.change(sql, (token_hash(token), person, made_by, to_text(at), to_text(expires_at)))

    def person_of(self, token: str, *, at: datetime) -> str | None:
        """Return whom a link signs in, None where it is unknown, used or too old."""
        sql = "SELECT person FROM links WHERE token = ? AND used_at IS NULL AND expires_at > ?"
        row = self._ledger.one(sql, (token_hash(token), to_text(at)))
        return None if row is None else str(row["person"])

    def use(self, token: str, *, at: datetime) -> bool:
        """Use a link up; False where somebody was faster, or it is too old."""
        sql = "UPDATE links SET used_at = ? WHERE token = ? AND used_at IS NULL AND expires_at > ?"
        return self._ledger.change(sql, (to_text(at), token_hash(token), to_text(at))) == 1

    def open(self, *, at: datetime) -> dict[str, datetime]:
        """Return who has a link that can still be used, and until when the last of theirs is good."""
        sql = (
            "SELECT person, max(expires_at) AS until FROM links WHERE used_at IS NULL AND expires_at > ?"
            " GROUP BY person"
        )
        return {row["person"]: to_moment(row["until"]) for row in self._ledger.all(sql, (to_text(at),))}


class Sessions:
    """The table of sessions."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def begin(
        self, token: str, *, person: str, at: datetime, expires_at: datetime, address: str, agent: str
    ) -> Session:
        """Keep a new session and return it; those that are over for good are forgotten."""
        self._ledger.change("DELETE FROM sessions WHERE expires_at < ?", (to_text(at),))
        sql = "INSERT INTO sessions(token, person, made_at, seen_at, expires_at, address, agent) VALUES (?,?,?,?,?,?,?)"
        values = (token_hash(token), person, to_text(at), to_text(at), to_text(expires_at), address, agent)
        number = int(self._ledger.insert(sql, values) or 0)
        return Session(
            id=number, person=person, made_at=at, seen_at=at, expires_at=expires_at, address=address, agent=agent
        )

    def is_first(self) -> bool:
        """Tell whether nobody has ever signed in."""
        return self._ledger.one("SELECT 1 FROM sqlite_sequence WHERE name = 'sessions'") is None

    def of_token(self, token: str) -> Session | None:
        """Return the session of a token that nobody has ended; whether it still lives is asked of it."""
        row = self._ledger.one("SELECT * FROM sessions WHERE token = ? AND ended_at IS NULL", (token_hash(token),))
        return None if row is None else _session(row)

    def get(self, session_id: int) -> Session | None:
        """Return a session that nobody has ended; whether it still lives is asked of it."""
        row = self._ledger.one("SELECT * FROM sessions WHERE id = ? AND ended_at IS NULL", (session_id,))
        return None if row is None else _session(row)

    def live(self, *, at: datetime, person: str | None = None) -> list[Session]:
        """Return the sessions that may still be used, of one person or of all, last used first."""
        sql = (
            "SELECT * FROM sessions WHERE ended_at IS NULL AND expires_at > ? AND seen_at > ?"
            " AND person = coalesce(?, person) ORDER BY seen_at DESC, id DESC"
        )
        return [_session(row) for row in self._ledger.all(sql, (to_text(at), to_text(at - SESSION_IDLE), person))]

    def seen(self, session_id: int, *, at: datetime) -> None:
        """Record that a session is used."""
        self._ledger.change("UPDATE sessions SET seen_at = ? WHERE id = ?", (to_text(at), session_id))

    def end(self, session_id: int, *, at: datetime) -> bool:
        """End a session; False where it had ended."""
        sql = "UPDATE sessions SET ended_at = ? WHERE id = ? AND ended_at IS NULL"
        return self._ledger.change(sql, (to_text(at), session_id)) == 1


def _session(row: sqlite3.Row) -> Session:
    return Session(
        id=row["id"],
        person=row["person"],
        made_at=to_moment(row["made_at"]),
        seen_at=to_moment(row["seen_at"]),
        expires_at=to_moment(row["expires_at"]),
        address=row["address"],
        agent=row["agent"],
    )
