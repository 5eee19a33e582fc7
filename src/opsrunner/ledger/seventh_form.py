"""Form 7 of the ledger: what is known of customers, what they were told, and what was looked at for them."""

from __future__ import annotations

# Mails of many: `bulk` ones leave after all others, and by their series no faster than asked for.
# Tickets: what a step remembers of them. Tasks: whose own work one is about, when a key was last closed.
# Rows that a step with `only_new` has shown, each by a digest of its key, and the run that showed it first.
# Notices: `notices` are the rungs that are settled for a recipient, `occasions` what they are about and when; a mail
# that is given up says so of its rung.
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

CREATE TABLE ticket_states (
  routine TEXT NOT NULL, step TEXT NOT NULL, ticket TEXT NOT NULL, round INTEGER NOT NULL, began_at TEXT NOT NULL,
  answered_at TEXT, asked_at TEXT, waiting_since TEXT, waits TEXT NOT NULL, ended_at TEXT, is_backlog INTEGER NOT NULL,
  PRIMARY KEY (routine, step, ticket)
) WITHOUT ROWID;
CREATE INDEX ticket_states_ended ON ticket_states(ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE ticket_looks (
  routine TEXT NOT NULL, step TEXT NOT NULL, source TEXT NOT NULL, at TEXT NOT NULL, ours INTEGER NOT NULL,
  theirs INTEGER NOT NULL, over INTEGER NOT NULL, oldest TEXT NOT NULL, oldest_at TEXT, PRIMARY KEY (routine, step)
) WITHOUT ROWID;
ALTER TABLE tasks ADD COLUMN not_by TEXT NOT NULL DEFAULT '';
CREATE INDEX tasks_about ON tasks(routine, item, "key", closed_at) WHERE closed_at IS NOT NULL AND "key" IS NOT NULL;
CREATE TABLE seen_rows (
  routine TEXT NOT NULL,
  step TEXT NOT NULL,
  digest BLOB NOT NULL,
  run INTEGER NOT NULL,
  last_at TEXT NOT NULL,
  PRIMARY KEY (routine, step, digest)
) WITHOUT ROWID;
-- When things end: what registries, servers and files said last, and which servers are to be left alone.
CREATE TABLE date_answers (
  place TEXT NOT NULL, name TEXT NOT NULL, answered_at TEXT, ends_at TEXT, "by" TEXT NOT NULL, about TEXT NOT NULL,
  wrong TEXT NOT NULL, tried_at TEXT NOT NULL, failure TEXT NOT NULL, PRIMARY KEY (place, name)
) WITHOUT ROWID;
CREATE INDEX date_answers_tried ON date_answers(tried_at);
CREATE TABLE resting_servers (server TEXT PRIMARY KEY, until TEXT NOT NULL, why TEXT NOT NULL, faults INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE kept_texts (name TEXT PRIMARY KEY, text TEXT NOT NULL, fetched_at TEXT, tried_at TEXT NOT NULL);
-- Rows as occasions: how the looks stand, which rows are known, and which one a run is for.
CREATE TABLE looks (
  routine TEXT PRIMARY KEY, meaning TEXT NOT NULL, tried_at TEXT NOT NULL, looked_at TEXT,
  rows INTEGER NOT NULL DEFAULT 0, baseline_at TEXT, baseline_rows INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '', failing_since TEXT
) WITHOUT ROWID;
CREATE TABLE known_rows (
  routine TEXT NOT NULL, "key" TEXT NOT NULL, first_seen_at TEXT NOT NULL, seen_at TEXT NOT NULL,
  PRIMARY KEY (routine, "key")
) WITHOUT ROWID;
CREATE INDEX known_rows_seen ON known_rows(seen_at);
CREATE TABLE run_rows (
  run INTEGER PRIMARY KEY REFERENCES runs(id) ON DELETE CASCADE, "key" TEXT NOT NULL, row TEXT NOT NULL
);
CREATE INDEX runs_rows_created ON runs(created_at) WHERE row_key IS NOT NULL;
CREATE INDEX runs_of_rows ON runs(status, id) WHERE row_key IS NOT NULL AND finished_at IS NULL;

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
  since TEXT NOT NULL, was_at TEXT, rows TEXT NOT NULL, ended_at TEXT, why TEXT NOT NULL DEFAULT '',
  heard_from INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (notice, "key", edition)
) WITHOUT ROWID;
CREATE UNIQUE INDEX occasions_live ON occasions(notice, "key") WHERE ended_at IS NULL;
CREATE INDEX occasions_ended ON occasions(ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE suppressions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL, notice TEXT NOT NULL, "key" TEXT NOT NULL,
  why TEXT NOT NULL, "by" TEXT NOT NULL, at TEXT NOT NULL, until_at TEXT, lifted_at TEXT
);
CREATE UNIQUE INDEX suppressions_live ON suppressions(address, notice, "key") WHERE lifted_at IS NULL;
CREATE TABLE approvals (
  notice TEXT NOT NULL, fingerprint TEXT NOT NULL, task INTEGER NOT NULL, asked_at TEXT NOT NULL,
  "by" TEXT NOT NULL DEFAULT '', at TEXT, PRIMARY KEY (notice, fingerprint)
) WITHOUT ROWID;
-- How routines with notices were called before: links to leave in old mails say so.
CREATE TABLE notice_renames (was TEXT PRIMARY KEY, is_now TEXT NOT NULL) WITHOUT ROWID;
CREATE TRIGGER notices_failed AFTER UPDATE OF failed_at ON outbox WHEN NEW.failed_at IS NOT NULL BEGIN
  UPDATE notices SET status = 'failed', why = NEW.error WHERE outbox = NEW.id AND status = 'sent';
END;
-- What was taken back while it was handed over has gone.
CREATE TRIGGER notices_sent AFTER UPDATE OF sent_at ON outbox
WHEN NEW.sent_at IS NOT NULL AND OLD.withdrawn_at IS NOT NULL BEGIN
  UPDATE notices SET status = 'sent', why = '' WHERE outbox = NEW.id AND status = 'suppressed';
END;
"""
