"""Form 7 of the ledger: what is known of customers, what they were told, and what was looked at for them."""

from __future__ import annotations

SEVENTH = """
CREATE TABLE notices (
  id INTEGER PRIMARY KEY AUTOINCREMENT, notice TEXT NOT NULL, "key" TEXT NOT NULL, edition INTEGER NOT NULL,
  rung TEXT NOT NULL, recipient TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, due_at TEXT NOT NULL,
  at TEXT NOT NULL, why TEXT NOT NULL DEFAULT '', outbox INTEGER
);
CREATE UNIQUE INDEX notices_once ON notices(notice, "key", edition, rung, recipient);
CREATE INDEX notices_at ON notices(at);
CREATE INDEX notices_outbox ON notices(outbox) WHERE outbox IS NOT NULL;
CREATE TABLE occasions (
  notice TEXT NOT NULL, "key" TEXT NOT NULL, edition INTEGER NOT NULL, at TEXT NOT NULL, until_at TEXT,
  since TEXT NOT NULL, was_at TEXT, row TEXT NOT NULL, ended_at TEXT, why TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (notice, "key", edition)
) WITHOUT ROWID;
CREATE UNIQUE INDEX occasions_live ON occasions(notice, "key") WHERE ended_at IS NULL;
CREATE INDEX occasions_ended ON occasions(ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE suppressions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL, notice TEXT NOT NULL, "key" TEXT NOT NULL,
  why TEXT NOT NULL, "by" TEXT NOT NULL, at TEXT NOT NULL, lifted_at TEXT
);
CREATE UNIQUE INDEX suppressions_live ON suppressions(address, notice, "key") WHERE lifted_at IS NULL;
CREATE TABLE approvals (
  notice TEXT NOT NULL, fingerprint TEXT NOT NULL, "by" TEXT NOT NULL, at TEXT NOT NULL, task INTEGER,
  PRIMARY KEY (notice, fingerprint)
) WITHOUT ROWID;
CREATE TRIGGER notices_failed AFTER UPDATE OF failed_at ON outbox WHEN NEW.failed_at IS NOT NULL BEGIN
  UPDATE notices SET status = 'failed', why = NEW.error WHERE outbox = NEW.id AND status = 'sent';
END;
"""
