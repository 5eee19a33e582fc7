"""The names of the copies that a ledger knows, read without opening it as ours: nothing is written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from opsrunner.errors import StateError
from opsrunner.ledger.copies import LYING

BUSY_SECONDS = 10


def names_of_copies(ledger: Path) -> dict[str, list[str]]:
    """Return by store the names of the copies that lie there, newest first. Raises StateError."""
    sql = f"SELECT store, name FROM copies WHERE {LYING} ORDER BY made_at DESC, id DESC"  # noqa: S608 (our own words)
    found: dict[str, list[str]] = {}
    try:
        with closing(sqlite3.connect(f"file:{quote(str(ledger))}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as database:
            for store, name in database.execute(sql):
                found.setdefault(store, []).append(name)
    except sqlite3.Error as exc:
        raise StateError(f"{ledger} cannot be read: {exc}") from exc
    return found
