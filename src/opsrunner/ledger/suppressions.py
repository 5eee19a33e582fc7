"""Addresses that get no notices."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from opsrunner.ledger.codec import clean, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.notice import EVERYWHERE, Suppression

_INSERT = """
INSERT INTO suppressions(address, notice, "key", why, "by", at, until_at) VALUES (?,?,?,?,?,?,?)
ON CONFLICT(address, notice, "key") WHERE lifted_at IS NULL DO UPDATE
SET why = excluded.why, "by" = excluded."by", at = excluded.at, until_at = excluded.until_at
WHERE until_at < coalesce(excluded.until_at, '~')
"""
_LIVE = "SELECT * FROM suppressions WHERE lifted_at IS NULL"


class Suppressions:
    """The table of suppressed addresses."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, suppressions: Iterable[Suppression]) -> int:
        """Write that addresses get no notices; return how many got some before, or would have again earlier."""
        rows = [_plain(one) for one in suppressions]
        with self._ledger.transaction():
            return sum(self._ledger.change(_INSERT, row) for row in rows)

    def lift(self, address: str, *, at: datetime) -> int:
        """Let an address get notices again, all of them; return how many suppressions ended."""
        sql = "UPDATE suppressions SET lifted_at = ? WHERE address = ? AND lifted_at IS NULL"
        return self._ledger.change(sql, (to_text(at), address))

    def listed(self, *, at: datetime) -> list[Suppression]:
        """Return the addresses that get no notices at a moment: of all, of one, then of one occasion; newest first."""
        sql = f'{_LIVE} AND (until_at IS NULL OR until_at > ?) ORDER BY "key" <> ?, id DESC'
        return [_suppression(row) for row in self._ledger.all(sql, (to_text(at), EVERYWHERE))]

    def of(self, addresses: Collection[str]) -> list[Suppression]:
        """Return what is suppressed of some addresses, now or before: everywhere, in a notice, or of an occasion."""
        sql = f"{_LIVE} AND address IN (SELECT value FROM json_each(?))"  # noqa: S608 (fixed words)
        return [_suppression(row) for row in self._ledger.all(sql, (json.dumps(list(addresses)),))]

    def leave_key(self) -> str:
        """Return the key that our links to leave are made with, as hexadecimal digits; made when first asked for."""
        row = self._ledger.one("SELECT value FROM meta WHERE name = 'leave_key'")
        if row is None:
            self._ledger.change("INSERT OR IGNORE INTO meta VALUES ('leave_key', ?)", (secrets.token_hex(32),))
            return self.leave_key()
        return str(row["value"])


def _plain(one: Suppression) -> Sequence[Any]:
    moments = (to_text(one.at), optional_text(one.until))
    return (one.address, one.notice, clean(one.key), clean(one.why), one.by, *moments)


def _suppression(row: sqlite3.Row) -> Suppression:
    return Suppression(
        address=row["address"],
        notice=row["notice"],
        key=row["key"],
        why=row["why"],
        by=row["by"],
        at=to_moment(row["at"]),
        until=optional_moment(row["until_at"]),
    )
