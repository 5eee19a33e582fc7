"""Addresses that get no notices."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Collection, Iterable
from datetime import datetime

from opsrunner.ledger.codec import clean, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.notice import EVERYWHERE, Suppression

_INSERT = """
INSERT INTO suppressions(address, notice, "key", why, "by", at) VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING
"""
_LIVE = "SELECT * FROM suppressions WHERE lifted_at IS NULL"


class Suppressions:
    """The table of suppressed addresses."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def add(self, suppressions: Iterable[Suppression]) -> int:
        """Write that addresses get no notices; return how many got some before."""
        rows = [
            (one.address, one.notice, clean(one.key), clean(one.why), one.by, to_text(one.at)) for one in suppressions
        ]
        with self._ledger.transaction():
            return sum(self._ledger.change(_INSERT, row) for row in rows)

    def lift(self, address: str, *, at: datetime) -> int:
        """Let an address get notices again, all of them; return how many suppressions ended."""
        sql = "UPDATE suppressions SET lifted_at = ? WHERE address = ? AND lifted_at IS NULL"
        return self._ledger.change(sql, (to_text(at), address))

    def listed(self) -> list[Suppression]:
        """Return the addresses that get no notices, or none of one, the newest first."""
        sql = f'{_LIVE} AND "key" = ? ORDER BY id DESC'
        return [_suppression(row) for row in self._ledger.all(sql, (EVERYWHERE,))]

    def of(self, addresses: Collection[str]) -> list[Suppression]:
        """Return what is suppressed of some addresses: everywhere, in a notice, or of an occasion."""
        sql = f"{_LIVE} AND address IN (SELECT value FROM json_each(?))"  # noqa: S608 (fixed words)
        return [_suppression(row) for row in self._ledger.all(sql, (json.dumps(list(addresses)),))]

    def leave_key(self) -> str:
        """Return the key that our links to leave are made with, as hexadecimal digits; made when first asked for."""
        row = self._ledger.one("SELECT value FROM meta WHERE name = 'leave_key'")
        if row is None:
            self._ledger.change("INSERT OR IGNORE INTO meta VALUES ('leave_key', ?)", (secrets.token_hex(32),))
            return self.leave_key()
        return str(row["value"])


def _suppression(row: sqlite3.Row) -> Suppression:
    return Suppression(
        address=row["address"],
        notice=row["notice"],
        key=row["key"],
        why=row["why"],
        by=row["by"],
        at=to_moment(row["at"]),
    )
