"""What audits learned about hosts: one row for each step and host, of the last time that the host answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from opsrunner.ledger.codec import clean, dumps, loads, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.finding import Audited, HostReport
from opsrunner.model.host_facts import HostFacts

TEXT_LENGTH = 300
_KEEP = """
INSERT INTO host_facts(routine, step, host, at, examined, problems, facts) VALUES (?,?,?,?,?,?,?)
ON CONFLICT(routine, step, host) DO UPDATE SET at = excluded.at, examined = excluded.examined,
  problems = excluded.problems, facts = excluded.facts
"""


class HostFactsTable:
    """The table of facts."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def all(self) -> list[HostFacts]:
        """Return what is known of all hosts, in the order of time."""
        return [_facts(row) for row in self._ledger.all("SELECT * FROM host_facts ORDER BY at")]

    def of_host(self, host: str) -> list[HostFacts]:
        """Return what is known of one host, in the order of time."""
        return [_facts(row) for row in self._ledger.all("SELECT * FROM host_facts WHERE host = ? ORDER BY at", (host,))]


def keep_facts(ledger: Ledger, audited: Audited) -> None:
    """Write what an audit learned; in the caller's transaction. What is known of hosts it came to no more goes."""
    of, at = (audited.routine, audited.step), to_text(audited.at)
    ledger.insert_many(_KEEP, [(*of, *_row(report, at)) for report in audited.reports])
    _forget(ledger, of, hosts={clean(host) for host in audited.hosts})


def _forget(ledger: Ledger, of: tuple[str, str], *, hosts: Collection[str]) -> None:
    known = ledger.all("SELECT host FROM host_facts WHERE routine = ? AND step = ?", of)
    gone = sorted({row["host"] for row in known}.difference(hosts))
    sql = "DELETE FROM host_facts WHERE routine = ? AND step = ? AND host = ?"
    ledger.insert_many(sql, [(*of, host) for host in gone])


def _row(report: HostReport, at: str) -> Sequence[Any]:
    facts = dumps(_single(report.facts))
    return (clean(report.host), at, len(report.examined), len(report.problems), facts)


def _single(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts that are one value each: lists are for the step's own use, and stand in its run."""
    return {
        name: value[:TEXT_LENGTH] if isinstance(value, str) else value
        for name, value in facts.items()
        if value is None or isinstance(value, str | int | float | date)
    }


def _facts(row: sqlite3.Row) -> HostFacts:
    return HostFacts(
        routine=row["routine"],
        step=row["step"],
        host=row["host"],
        at=to_moment(row["at"]),
        examined=row["examined"],
        problems=row["problems"],
        facts=loads(row["facts"]),
    )
