"""Form 7 of the ledger: what is known of customers, what they were told, and what was looked at for them."""

from __future__ import annotations

SEVENTH = """
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
