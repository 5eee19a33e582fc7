"""One connection to the ledger, and how it writes and reads.

`journal_mode=PERSIST` with `synchronous=FULL`: a commit ends with the journal's head overwritten and synced, which
takes four fifths of the time of TRUNCATE; DELETE does not fsync the folder after the unlink, and WAL of the SQLite that
current systems ship can corrupt (sqlite.org/wal.html, "the WAL-reset bug").
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

BUSY_SECONDS = 30
JOURNAL_BYTES = 4_000_000
"""What the journal keeps on the disk after a long transaction."""
CACHE_KB = 500
"""What a connection keeps of the pages that it read: the system keeps them too, and a daemon has many connections."""
SPILL_PAGES = 500
"""So many a transaction may change (2 MB) before it goes to the disk in parts, each with a sync of its own."""


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection for any thread. Raises sqlite3's errors, also where there is no ledger.

    It is never made here: its disk may be gone.
    """
    address = f"file:{quote(os.fsencode(path))}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")  # else REPLACE slips past the audit's triggers
    connection.execute("PRAGMA journal_mode = PERSIST")
    connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
    connection.execute(f"PRAGMA cache_spill = {SPILL_PAGES}")
    return connection
