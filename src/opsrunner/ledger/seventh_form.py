"""Form 7 of the ledger: what is known of customers, what they were told, and what was looked at for them."""

from __future__ import annotations

SEVENTH = """
-- Rows that a step with `only_new` has shown, each by the digest of its key, and the run that showed it first.
CREATE TABLE seen_rows (
  routine TEXT NOT NULL,
  step TEXT NOT NULL,
  digest BLOB NOT NULL,
  run INTEGER NOT NULL,
  last_at TEXT NOT NULL,
  PRIMARY KEY (routine, step, digest)
) WITHOUT ROWID;
"""
