"""Form 7 of the ledger: what is known of customers, what they were told, and what was looked at for them."""

from __future__ import annotations

# Mails of many: `bulk` ones leave after all others, and by their series no faster than asked for.
# Rows that a step with `only_new` has shown, each by a digest of its key, and the run that showed it first.
SEVENTH = """
ALTER TABLE outbox ADD COLUMN bulk INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN series TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN per_minute INTEGER;
ALTER TABLE outbox ADD COLUMN reply_to TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN list_unsubscribe TEXT NOT NULL DEFAULT '';
ALTER TABLE outbox ADD COLUMN attachments TEXT NOT NULL DEFAULT '';
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox(bulk, next_try_at)
  WHERE sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL;
CREATE INDEX outbox_series ON outbox(series, sent_at) WHERE series <> '';

CREATE TABLE seen_rows (
  routine TEXT NOT NULL,
  step TEXT NOT NULL,
  digest BLOB NOT NULL,
  run INTEGER NOT NULL,
  last_at TEXT NOT NULL,
  PRIMARY KEY (routine, step, digest)
) WITHOUT ROWID;
"""
