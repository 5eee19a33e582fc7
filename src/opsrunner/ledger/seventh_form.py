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
-- Times of maintenance windows and incidents, and what was said while they lasted.
CREATE TABLE downtimes (
  id INTEGER PRIMARY KEY AUTOINCREMENT, window TEXT NOT NULL, nominal_at TEXT NOT NULL, title TEXT NOT NULL,
  about TEXT NOT NULL, hosts TEXT NOT NULL, begins_at TEXT NOT NULL, ends_at TEXT, made_by TEXT NOT NULL,
  made_at TEXT NOT NULL, sequence INTEGER NOT NULL DEFAULT 0, before TEXT NOT NULL DEFAULT '[]', moved_at TEXT,
  cancelled_at TEXT, begun_at TEXT, started_at TEXT, ended_at TEXT, announced_at TEXT, closed_at TEXT,
  fingerprint TEXT NOT NULL DEFAULT '', approval INTEGER, approved_at TEXT, approved_by TEXT NOT NULL DEFAULT '',
  struck TEXT NOT NULL DEFAULT '[]', people TEXT NOT NULL DEFAULT '[]', said TEXT NOT NULL DEFAULT '',
  status_task INTEGER, overrun_task INTEGER, stray_task INTEGER, source_task INTEGER
);
CREATE UNIQUE INDEX downtimes_times ON downtimes(window, nominal_at) WHERE window <> '';
CREATE INDEX downtimes_closed ON downtimes(closed_at);
CREATE TABLE downtime_posts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, downtime INTEGER NOT NULL REFERENCES downtimes(id) ON DELETE CASCADE,
  at TEXT NOT NULL, "by" TEXT NOT NULL, text TEXT NOT NULL
);
CREATE INDEX downtime_posts_of ON downtime_posts(downtime);
"""
