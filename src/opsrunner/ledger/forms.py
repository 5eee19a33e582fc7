"""The tables of the ledger, form by form, as the statements that make each out of the one before."""

from __future__ import annotations

FIRST = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE routines (
  id TEXT PRIMARY KEY, name TEXT NOT NULL, first_seen_at TEXT NOT NULL, watermark_at TEXT NOT NULL,
  gone_at TEXT, frozen TEXT REFERENCES frozen(hash)
);
CREATE TABLE frozen (hash TEXT PRIMARY KEY, body TEXT NOT NULL);

CREATE TABLE runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, routine TEXT NOT NULL, nominal_at TEXT, planned_at TEXT, row_key TEXT,
  "trigger" TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', actor TEXT NOT NULL DEFAULT '',
  rerun_of INTEGER REFERENCES runs(id), created_at TEXT NOT NULL, started_at TEXT, finished_at TEXT,
  frozen TEXT REFERENCES frozen(hash), daily INTEGER, weekly INTEGER, monthly INTEGER
);
CREATE UNIQUE INDEX runs_nominal ON runs(routine, nominal_at) WHERE nominal_at IS NOT NULL;
CREATE UNIQUE INDEX runs_row ON runs(routine, row_key) WHERE row_key IS NOT NULL;
CREATE INDEX runs_active ON runs(routine, id) WHERE finished_at IS NULL;
CREATE INDEX runs_routine ON runs(routine, id);
CREATE INDEX runs_finished ON runs(finished_at);
CREATE INDEX runs_daily ON runs(id) WHERE daily IS NULL AND finished_at IS NOT NULL;
CREATE INDEX runs_weekly ON runs(id) WHERE weekly IS NULL AND finished_at IS NOT NULL;
CREATE INDEX runs_monthly ON runs(id) WHERE monthly IS NULL AND finished_at IS NOT NULL;

CREATE TABLE steps (
  run INTEGER NOT NULL REFERENCES runs(id) ON DELETE CASCADE, position INTEGER NOT NULL, id TEXT NOT NULL,
  kind TEXT NOT NULL, status TEXT NOT NULL, started_at TEXT, finished_at TEXT, outcome TEXT,
  PRIMARY KEY (run, position)
) WITHOUT ROWID;

CREATE TABLE tasks (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, status TEXT NOT NULL,
  run INTEGER REFERENCES runs(id) ON DELETE SET NULL, routine TEXT, step TEXT NOT NULL, item TEXT NOT NULL,
  "key" TEXT, title TEXT NOT NULL, how TEXT NOT NULL, link TEXT NOT NULL, "group" TEXT NOT NULL, role TEXT NOT NULL,
  person TEXT, due_at TEXT, remind TEXT NOT NULL, escalate TEXT NOT NULL, evidence_spec TEXT, done_when TEXT,
  closes_when_gone INTEGER NOT NULL, expires TEXT NOT NULL, wait INTEGER NOT NULL, approve_by TEXT NOT NULL,
  approve_not_self INTEGER NOT NULL, rows TEXT NOT NULL, struck TEXT NOT NULL DEFAULT '[]',
  count INTEGER NOT NULL DEFAULT 1, message TEXT NOT NULL, row TEXT NOT NULL, opened_at TEXT NOT NULL,
  opened_by TEXT NOT NULL, closed_at TEXT, closed_by TEXT NOT NULL DEFAULT '', settles_at TEXT,
  evidence TEXT NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX tasks_key ON tasks(routine, item, kind, "key") WHERE status = 'open' AND "key" IS NOT NULL;
CREATE INDEX tasks_open ON tasks(status, id) WHERE status = 'open';
CREATE INDEX tasks_run ON tasks(run, id);
CREATE INDEX tasks_closed ON tasks(closed_at) WHERE closed_at IS NOT NULL;
CREATE TABLE rungs (
  task INTEGER NOT NULL REFERENCES tasks(id) ON DELETE CASCADE, rung TEXT NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY (task, rung)
) WITHOUT ROWID;

CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, message_id TEXT NOT NULL UNIQUE, "to" TEXT NOT NULL, subject TEXT NOT NULL,
  text TEXT NOT NULL, html TEXT NOT NULL, about TEXT NOT NULL, task INTEGER, "unique" TEXT UNIQUE,
  created_at TEXT NOT NULL, not_before TEXT, attempts INTEGER NOT NULL DEFAULT 0, next_try_at TEXT NOT NULL,
  sent_at TEXT, failed_at TEXT, withdrawn_at TEXT, error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX outbox_due ON outbox(next_try_at)
  WHERE sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL;
CREATE INDEX outbox_failed ON outbox(failed_at) WHERE failed_at IS NOT NULL;

CREATE TABLE acts (
  name TEXT PRIMARY KEY, run INTEGER NOT NULL, step TEXT NOT NULL, started_at TEXT NOT NULL, finished_at TEXT
) WITHOUT ROWID;

CREATE TABLE holds (
  id INTEGER PRIMARY KEY AUTOINCREMENT, routine TEXT NOT NULL, kind TEXT NOT NULL, nominal_at TEXT, until TEXT,
  reason TEXT NOT NULL, actor TEXT NOT NULL, created_at TEXT NOT NULL, ended_at TEXT, ended_by TEXT
);
CREATE INDEX holds_live ON holds(routine) WHERE ended_at IS NULL;

CREATE TABLE requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, routine TEXT, run INTEGER, actor TEXT NOT NULL,
  detail TEXT NOT NULL DEFAULT '{}', created_at TEXT NOT NULL, taken_at TEXT, answer TEXT
);
CREATE INDEX requests_open ON requests(id) WHERE taken_at IS NULL;

CREATE TABLE digests (
  id INTEGER PRIMARY KEY AUTOINCREMENT, series TEXT NOT NULL, from_at TEXT NOT NULL, until_at TEXT NOT NULL,
  created_at TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL, html TEXT NOT NULL, runs INTEGER NOT NULL
);
CREATE UNIQUE INDEX digests_period ON digests(series, until_at);

CREATE TABLE absences (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, person TEXT NOT NULL, other TEXT, roster TEXT,
  from_at TEXT NOT NULL, until_at TEXT NOT NULL, reason TEXT NOT NULL, entered_by TEXT NOT NULL,
  entered_at TEXT NOT NULL, ended_at TEXT
);
CREATE TABLE notes (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, author TEXT NOT NULL, text TEXT NOT NULL
);
CREATE TABLE gaps (
  id INTEGER PRIMARY KEY AUTOINCREMENT, from_at TEXT NOT NULL, until_at TEXT NOT NULL, reason TEXT NOT NULL
);
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, actor TEXT NOT NULL, address TEXT NOT NULL,
  action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX audit_subject ON audit(subject, id);
CREATE TRIGGER audit_is_append_only_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_append_only_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
"""

# Form 2 finds everything by index at a million runs. `runs.ended` counts the ends of runs in the order in which they
# were committed, and a digest tells of those up to its `through`: however many runs it tells of, it writes one row.
# The stamps of form 1 (`daily`, `weekly`, `monthly`) are read, and written no more. `last_good` says when a step that
# fails last ended well, `hosts_seen` how the newest step that asked a host ended there: both are known without a walk
# over the runs, and for longer than runs are kept (a routine as a whole stands there, as step '', once its run went).
_SERIES = ("daily", "weekly", "monthly")
_RECENT = (
    "finished_at > (SELECT strftime('%Y-%m-%dT%H:%M:%f000Z', max(finished_at), '-31 days') FROM runs"
    " WHERE finished_at IS NOT NULL)"
)
_UNTOLD = " OR ".join(
    f"{series} IS NULL AND ({_RECENT} OR EXISTS (SELECT 1 FROM digests WHERE series = '{series}'))"  # noqa: S608
    for series in _SERIES
)
SECOND = f"""
CREATE TABLE last_good (
  routine TEXT NOT NULL, step TEXT NOT NULL, run INTEGER NOT NULL, at TEXT NOT NULL, PRIMARY KEY (routine, step)
) WITHOUT ROWID;
INSERT OR REPLACE INTO last_good SELECT DISTINCT tasks.routine, tasks.step, steps.run, steps.finished_at FROM tasks
  JOIN steps ON steps.id = tasks.step AND steps.run = (
    SELECT runs.id FROM runs JOIN steps AS own ON own.run = runs.id WHERE runs.routine = tasks.routine
    AND own.id = tasks.step AND own.status IN ('succeeded', 'warning') ORDER BY runs.id DESC LIMIT 1)
  WHERE tasks.status = 'open' AND tasks.kind = 'follow_up' AND steps.finished_at IS NOT NULL;

CREATE TABLE hosts_seen (host TEXT PRIMARY KEY, status TEXT NOT NULL, at TEXT NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO hosts_seen
  SELECT json_extract(part.value, '$.key'), json_extract(part.value, '$.status'), steps.finished_at
  FROM runs CROSS JOIN steps ON steps.run = runs.id CROSS JOIN json_each(steps.outcome, '$.parts') AS part
  WHERE runs.{_RECENT} AND steps.kind = 'ssh' AND steps.outcome IS NOT NULL
  ORDER BY steps.run DESC, steps.position DESC;

ALTER TABLE runs ADD COLUMN ended INTEGER;
ALTER TABLE digests ADD COLUMN through INTEGER NOT NULL DEFAULT 0;
CREATE TEMP TABLE untold (ended INTEGER PRIMARY KEY, run INTEGER NOT NULL UNIQUE);
INSERT INTO untold(run)
  SELECT id FROM runs WHERE finished_at IS NOT NULL AND ({_UNTOLD}) ORDER BY finished_at, id;
UPDATE runs SET ended = (SELECT untold.ended FROM untold WHERE untold.run = runs.id)
  WHERE id IN (SELECT run FROM untold);
DROP TABLE untold;
INSERT INTO meta SELECT series || '_digests_since', value FROM meta,
  (SELECT 'daily' AS series UNION SELECT 'weekly' UNION SELECT 'monthly') WHERE name = 'digests_since';
INSERT INTO meta SELECT series || '_digests_after', '0' FROM meta,
  (SELECT 'daily' AS series UNION SELECT 'weekly' UNION SELECT 'monthly') WHERE name = 'digests_since';
DELETE FROM meta WHERE name = 'digests_since';

DROP INDEX runs_active;
DROP INDEX runs_routine;
DROP INDEX runs_finished;
DROP INDEX runs_daily;
DROP INDEX runs_weekly;
DROP INDEX runs_monthly;
CREATE INDEX runs_ended ON runs(ended) WHERE ended IS NOT NULL;
CREATE INDEX runs_finished ON runs(finished_at, status, reason, ended) WHERE finished_at IS NOT NULL;
CREATE INDEX runs_routine ON runs(routine, status);
CREATE INDEX runs_status ON runs(status);
CREATE INDEX runs_planned ON runs(planned_at) WHERE nominal_at IS NOT NULL;
CREATE INDEX runs_rerun ON runs(rerun_of) WHERE rerun_of IS NOT NULL;
CREATE INDEX digests_through ON digests(through);
CREATE INDEX digests_told ON digests(series, through);

DROP INDEX tasks_open;
CREATE INDEX tasks_open ON tasks(status, routine) WHERE status = 'open';
CREATE INDEX tasks_routine ON tasks(routine) WHERE routine IS NOT NULL;

CREATE INDEX outbox_created ON outbox(created_at);
CREATE INDEX outbox_texts ON outbox(created_at) WHERE text <> '';
CREATE INDEX outbox_withdrawn ON outbox(task) WHERE withdrawn_at IS NOT NULL;

CREATE INDEX gaps_until ON gaps(until_at);
CREATE INDEX notes_at ON notes(at);
CREATE INDEX absences_until ON absences(until_at);

CREATE TABLE acts_of_form_2 (
  name TEXT PRIMARY KEY, run INTEGER NOT NULL, step TEXT NOT NULL, started_at TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO acts_of_form_2 SELECT name, run, step, started_at FROM acts;
DROP TABLE acts;
ALTER TABLE acts_of_form_2 RENAME TO acts;
"""  # noqa: S608 (our own words)

# Form 3 keeps who may come in by the page. A token stands there as its SHA-256 only.
THIRD = """
CREATE TABLE links (
  token TEXT PRIMARY KEY, person TEXT NOT NULL, made_by TEXT NOT NULL, made_at TEXT NOT NULL,
  expires_at TEXT NOT NULL, used_at TEXT
) WITHOUT ROWID;
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE, person TEXT NOT NULL, made_at TEXT NOT NULL,
  seen_at TEXT NOT NULL, expires_at TEXT NOT NULL, address TEXT NOT NULL, agent TEXT NOT NULL, ended_at TEXT
);
"""


# Form 4 is the catalogue of copies. A copy that is gone stays in it; its drills say when it was proven.
FOURTH = """
CREATE TABLE copies (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, store TEXT NOT NULL, routine TEXT NOT NULL,
  step TEXT NOT NULL, run INTEGER NOT NULL, made_at TEXT NOT NULL, received_at TEXT NOT NULL,
  checked_by TEXT NOT NULL, size_bytes INTEGER NOT NULL, plain_bytes INTEGER NOT NULL, files INTEGER NOT NULL,
  manifest_sha256 TEXT NOT NULL, "of" TEXT NOT NULL, "key" TEXT NOT NULL, doubts TEXT NOT NULL,
  state TEXT NOT NULL, reread_at TEXT, restored_at TEXT, ended_at TEXT, why TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX copies_name ON copies(name, store);
CREATE INDEX copies_step ON copies(routine, step, made_at);
CREATE INDEX copies_lying ON copies(routine, step, made_at) WHERE ended_at IS NULL;
CREATE TABLE drills (
  id INTEGER PRIMARY KEY AUTOINCREMENT, copy INTEGER NOT NULL REFERENCES copies(id), at TEXT NOT NULL,
  files INTEGER NOT NULL, bytes INTEGER NOT NULL, seconds REAL NOT NULL, is_whole INTEGER NOT NULL,
  problem TEXT NOT NULL
);
CREATE INDEX drills_copy ON drills(copy, id);
"""

# Form 5 knows how the backups stand that other tools make, one row for whatever should have one.
FIFTH = """
CREATE TABLE foreign_backups (
  routine TEXT NOT NULL, step TEXT NOT NULL, "key" TEXT NOT NULL, state TEXT NOT NULL, words TEXT NOT NULL,
  copies INTEGER NOT NULL, name TEXT, store TEXT, made_at TEXT, size_bytes INTEGER, sizes TEXT NOT NULL,
  checked_at TEXT NOT NULL, first_seen_at TEXT NOT NULL, since TEXT, tried_at TEXT, restored_at TEXT,
  problem TEXT NOT NULL DEFAULT '', ended_at TEXT,
  PRIMARY KEY (routine, step, "key")
) WITHOUT ROWID;
CREATE TABLE foreign_drills (
  id INTEGER PRIMARY KEY AUTOINCREMENT, routine TEXT NOT NULL, step TEXT NOT NULL, "key" TEXT NOT NULL,
  at TEXT NOT NULL, "by" TEXT NOT NULL, name TEXT NOT NULL, files INTEGER NOT NULL, bytes INTEGER NOT NULL,
  seconds REAL NOT NULL, problem TEXT NOT NULL, is_theirs INTEGER NOT NULL, note TEXT NOT NULL
);
CREATE INDEX foreign_drills_step ON foreign_drills(routine, step, id);
"""

# Form 6 keeps what audits of hosts find, since when each cause was looked for where, and what was accepted until when.
SIXTH = """
CREATE TABLE findings (
  id INTEGER PRIMARY KEY AUTOINCREMENT, routine TEXT NOT NULL, step TEXT NOT NULL, host TEXT NOT NULL,
  cause TEXT NOT NULL, subject TEXT NOT NULL, severity TEXT NOT NULL, detail TEXT NOT NULL, mark TEXT NOT NULL,
  is_baseline INTEGER NOT NULL, first_run INTEGER NOT NULL, first_seen_at TEXT NOT NULL, gone_run INTEGER,
  gone_at TEXT, why TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX findings_standing ON findings(routine, step, host, cause, subject) WHERE gone_at IS NULL;
CREATE INDEX findings_host ON findings(host, gone_at);
CREATE INDEX findings_step ON findings(routine, step);
CREATE INDEX findings_gone ON findings(gone_at);
CREATE TABLE causes (
  routine TEXT NOT NULL, step TEXT NOT NULL, cause TEXT NOT NULL, title TEXT NOT NULL, how TEXT NOT NULL,
  task INTEGER, PRIMARY KEY (routine, step, cause)
) WITHOUT ROWID;
CREATE TABLE examinations (
  routine TEXT NOT NULL, step TEXT NOT NULL, host TEXT NOT NULL, cause TEXT NOT NULL,
  first_at TEXT NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY (routine, step, host, cause)
) WITHOUT ROWID;
CREATE TABLE samples (
  routine TEXT NOT NULL, step TEXT NOT NULL, host TEXT NOT NULL, subject TEXT NOT NULL, hour TEXT NOT NULL,
  at TEXT NOT NULL, used_bytes INTEGER NOT NULL, size_bytes INTEGER NOT NULL,
  PRIMARY KEY (routine, step, host, subject, hour)
) WITHOUT ROWID;
CREATE TABLE acceptances (
  id INTEGER PRIMARY KEY AUTOINCREMENT, host TEXT NOT NULL, cause TEXT NOT NULL, subject TEXT NOT NULL,
  mark TEXT NOT NULL, until_at TEXT NOT NULL, reason TEXT NOT NULL, "by" TEXT NOT NULL, at TEXT NOT NULL, ended_at TEXT
);
CREATE INDEX acceptances_until ON acceptances(until_at) WHERE ended_at IS NULL;
CREATE INDEX acceptances_host ON acceptances(host, cause, subject) WHERE ended_at IS NULL;
CREATE TABLE host_facts (
  routine TEXT NOT NULL, step TEXT NOT NULL, host TEXT NOT NULL, at TEXT NOT NULL, examined INTEGER NOT NULL,
  problems INTEGER NOT NULL, facts TEXT NOT NULL, PRIMARY KEY (routine, step, host)
) WITHOUT ROWID;
"""
