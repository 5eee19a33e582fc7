"""Form 7 of the ledger: what is known of customers, what they were told, and what was looked at for them."""

from __future__ import annotations

# Mails of many: `bulk` ones leave after all others, and by their series no faster than asked for.
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

-- When things end: what registries, servers and files said last, and which servers are to be left alone.
CREATE TABLE date_answers (
  place TEXT NOT NULL, name TEXT NOT NULL, answered_at TEXT, ends_at TEXT, "by" TEXT NOT NULL, about TEXT NOT NULL,
  wrong TEXT NOT NULL, tried_at TEXT NOT NULL, failure TEXT NOT NULL, PRIMARY KEY (place, name)
) WITHOUT ROWID;
CREATE INDEX date_answers_tried ON date_answers(tried_at);
CREATE TABLE resting_servers (server TEXT PRIMARY KEY, until TEXT NOT NULL, why TEXT NOT NULL, faults INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE kept_texts (name TEXT PRIMARY KEY, text TEXT NOT NULL, fetched_at TEXT, tried_at TEXT NOT NULL);
"""
