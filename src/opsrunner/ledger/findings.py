"""What audits of hosts found: what stands since when, what went, and what was accepted until when."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from opsrunner.ledger.codec import clean, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.host_facts import keep_facts
from opsrunner.model.finding import Acceptance, AuditChange, Audited, Cause, Finding, HostReport, KnownFinding, Severity

_INSERT = """
INSERT INTO findings(routine, step, host, cause, subject, severity, detail, mark, is_baseline, first_run, first_seen_at)
  VALUES (?,?,?,?,?,?,?,?,?,?,?)
"""
_CHANGE = "UPDATE findings SET severity = ?, detail = ?, mark = ?, is_baseline = ? WHERE id = ?"
_END = "UPDATE findings SET gone_run = ?, gone_at = ?, why = ? WHERE id = ?"
_EXAMINED = """
INSERT INTO examinations(routine, step, host, cause, first_at, at) VALUES (?1,?2,?3,?4,?5,?5)
ON CONFLICT(routine, step, host, cause) DO UPDATE SET at = excluded.at
"""
_CAUSE = """
INSERT INTO causes(routine, step, cause, title, how) VALUES (?,?,?,?,?)
ON CONFLICT(routine, step, cause) DO UPDATE SET title = excluded.title, how = excluded.how
  WHERE title <> excluded.title OR how <> excluded.how
"""
_TASK = """
INSERT INTO causes(routine, step, cause, title, how, task) VALUES (?,?,?,'','',?)
ON CONFLICT(routine, step, cause) DO UPDATE SET task = excluded.task
"""
_STANDING = """
SELECT findings.*, examinations.at AS seen_at, coalesce(title, '') AS title FROM findings
LEFT JOIN examinations USING (routine, step, host, cause) LEFT JOIN causes USING (routine, step, cause)
WHERE gone_at IS NULL
"""
_ORDER = "ORDER BY host, cause, subject"
_ACCEPTED_AND_THERE = """
SELECT findings.routine, findings.step, live.* FROM acceptances AS live JOIN findings ON findings.host = live.host
  AND findings.cause = live.cause AND findings.subject = live.subject AND findings.mark = live.mark
WHERE live.ended_at IS NULL AND live.until_at > ? AND findings.gone_at IS NULL ORDER BY live.until_at, live.id
"""
_LIFT = """
UPDATE acceptances SET ended_at = ? WHERE ended_at IS NULL AND host = ? AND cause = ? AND subject = ?
"""
NOT_AUDITED = "no longer audited"
NOT_FOUND = "not found again"
NOT_LOOKED_FOR = "no longer looked for"


class Findings:
    """The tables of findings."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def standing(self, *, at: datetime, routine: str = "", step: str = "", host: str = "") -> list[KnownFinding]:
        """Return what stands, by host, cause and subject: all, or that of a step or a host.

        Each bears the acceptance that holds for it at `at`.
        """
        wanted = {"findings.routine": routine, "findings.step": step, "findings.host": host}
        given = {column: value for column, value in wanted.items() if value}
        sql = " ".join([_STANDING, *(f"AND {column} = ?" for column in given), _ORDER])
        accepted = {(one.host, one.cause, one.subject, one.mark): one for one in self.accepted(at=at)}
        return [_known(row, accepted) for row in self._ledger.all(sql, tuple(given.values()))]

    def gone(self, *, host: str, most: int) -> list[tuple[KnownFinding, datetime]]:
        """Return what one host had and has no longer, with the moment of the audit that said so, newest first."""
        sql = (
            "SELECT findings.*, gone_at AS seen_at, '' AS title FROM findings"
            " WHERE host = ? AND gone_at IS NOT NULL ORDER BY gone_at DESC, id DESC LIMIT ?"
        )
        return [(_known(row, {}), to_moment(row["gone_at"])) for row in self._ledger.all(sql, (host, most))]

    def causes(self, routine: str, step: str) -> dict[str, Cause]:
        """Return the words for each cause that a step ever reported."""
        sql = "SELECT cause, title, how FROM causes WHERE routine = ? AND step = ?"
        rows = self._ledger.all(sql, (routine, step))
        return {row["cause"]: Cause(name=row["cause"], title=row["title"], how=row["how"]) for row in rows}

    def last_task(self, routine: str, step: str, cause: str) -> int | None:
        """Return the task that was opened last for a cause."""
        sql = "SELECT task FROM causes WHERE routine = ? AND step = ? AND cause = ?"
        row = self._ledger.one(sql, (routine, step, cause))
        return None if row is None else row["task"]

    def opened_task(self, routine: str, step: str, cause: str, *, task_id: int) -> None:
        """Remember the task that was opened for a cause."""
        self._ledger.change(_TASK, (routine, step, cause, task_id))

    def write(self, audited: Audited) -> AuditChange:
        """Write what an audit found, in one transaction.

        Of a host's findings only those end whose cause was examined, and those of hosts that are audited no more.
        What is there when a cause is first examined on a host is its baseline until it becomes worse.
        """
        with self._ledger.transaction():
            return _Writing(self._ledger, audited).write()

    def accept(self, acceptances: Sequence[Acceptance]) -> None:
        """Write that findings may stand; what was accepted before for the same ones ends."""
        with self._ledger.transaction():
            for one in acceptances:
                self._end(one.host, one.cause, one.subject, at=one.at)
                self._ledger.insert(
                    'INSERT INTO acceptances(host, cause, subject, mark, until_at, reason, "by", at)'
                    " VALUES (?,?,?,?,?,?,?,?)",
                    (
                        clean(one.host),
                        one.cause,
                        clean(one.subject),
                        clean(one.mark),
                        to_text(one.until),
                        clean(one.reason),
                        one.by,
                        to_text(one.at),
                    ),
                )

    def lift(self, acceptances: Sequence[Acceptance], *, at: datetime) -> int:
        """End acceptances before their day; return how many were still good."""
        with self._ledger.transaction():
            return sum(self._end(one.host, one.cause, one.subject, at=at) for one in acceptances)

    def accepted(self, *, at: datetime) -> list[Acceptance]:
        """Return what is accepted at a moment, the first to end first."""
        sql = "SELECT * FROM acceptances WHERE ended_at IS NULL AND until_at > ? ORDER BY until_at, id"
        return [_acceptance(row) for row in self._ledger.all(sql, (to_text(at),))]

    def accepted_and_there(self, *, at: datetime) -> list[tuple[tuple[str, str], Acceptance]]:
        """Return what is accepted at a moment and still stands, with the routine and the step that see it."""
        rows = self._ledger.all(_ACCEPTED_AND_THERE, (to_text(at),))
        return [((row["routine"], row["step"]), _acceptance(row)) for row in rows]

    def _end(self, host: str, cause: str, subject: str, *, at: datetime) -> int:
        return self._ledger.change(
            "UPDATE acceptances SET ended_at = ?1 WHERE ended_at IS NULL AND until_at > ?1"
            " AND host = ?2 AND cause = ?3 AND subject = ?4",
            (to_text(at), clean(host), cause, clean(subject)),
        )


class _Writing:
    """One audit on its way into the table: only what changed is written."""

    def __init__(self, ledger: Ledger, audited: Audited) -> None:
        self._ledger, self._audited = ledger, audited
        self._of = (audited.routine, audited.step)
        self._at = to_text(audited.at)
        self._standing: dict[str, dict[tuple[str, str, str], sqlite3.Row]] = defaultdict(dict)
        standing = "SELECT * FROM findings WHERE routine = ? AND step = ? AND gone_at IS NULL"
        for row in ledger.all(standing, self._of):
            self._standing[row["host"]][row["host"], row["cause"], row["subject"]] = row
        self._known = {
            (row["host"], row["cause"])
            for row in ledger.all("SELECT host, cause FROM examinations WHERE routine = ? AND step = ?", self._of)
        }
        self._known |= {(host, key[1]) for host, found in self._standing.items() for key in found}
        self._known_hosts = {host for host, _ in self._known}
        self._change: list[Sequence[Any]] = []
        self._insert: list[Sequence[Any]] = []
        self._gone: list[Sequence[Any]] = []
        self._lifted: list[Sequence[Any]] = []
        self._ends: list[tuple[str, str, str]] = []
        self._examined: list[Sequence[Any]] = []

    def write(self) -> AuditChange:
        for report in self._audited.reports:
            self._report(report)
        hosts = {clean(host) for host in self._audited.hosts}
        for host in self._standing.keys() - hosts:
            self._gone += [self._ended(row, NOT_AUDITED) for row in self._standing.pop(host).values()]
        for standing in self._standing.values():
            for key in [key for key in standing if key[1] not in self._audited.causes]:
                self._gone.append(self._ended(standing.pop(key), NOT_LOOKED_FOR))
        causes = [(*self._of, cause.name, cause.title, cause.how) for cause in self._audited.causes.values()]
        for sql, rows in (
            (_CAUSE, causes),
            (_END, self._gone),
            (_LIFT, self._lifted),
            (_CHANGE, self._change),
            (_INSERT, self._insert),
            (_EXAMINED, self._examined),
        ):
            self._ledger.insert_many(sql, rows)
        self._forget_hosts(hosts)
        keep_facts(self._ledger, self._audited)
        return AuditChange(ended=tuple(self._ends))

    def _report(self, report: HostReport) -> None:
        host = clean(report.host)
        standing = self._standing.get(host, {})
        found = {_clean_key(finding.key): finding for finding in report.findings}
        for key, finding in found.items():
            row = standing.get(key)
            if row is None:
                self._insert.append(self._new(finding, key, is_first=self._is_first_look(report, key)))
            else:
                self._change.extend(self._changed(finding, row))
        for key, row in standing.items():
            if key[1] in report.examined and key not in found:
                self._gone.append(self._ended(row, NOT_FOUND))
        self._examined += [(*self._of, host, cause, self._at) for cause in sorted(report.examined)]

    def _is_first_look(self, report: HostReport, key: tuple[str, str, str]) -> bool:
        """Tell whether nobody looked for this cause on the host before; an event is no state, and has no first look."""
        host, cause, _ = key
        return host not in self._known_hosts or (cause in report.examined and (host, cause) not in self._known)

    def _new(self, finding: Finding, key: tuple[str, str, str], *, is_first: bool) -> Sequence[Any]:
        is_baseline = self._audited.has_baseline and is_first
        said = (finding.severity.value, clean(finding.detail), clean(finding.mark))
        return (*self._of, *key, *said, is_baseline, self._audited.run, self._at)

    def _changed(self, finding: Finding, row: sqlite3.Row) -> Iterator[Sequence[Any]]:
        """Yield the change of a row, where there is one."""
        is_worse = finding.severity.rank < Severity(row["severity"]).rank
        if is_worse:
            self._lift(row)
        is_baseline = int(row["is_baseline"] and not is_worse)
        said = (finding.severity.value, clean(finding.detail), clean(finding.mark), is_baseline)
        names = ("severity", "detail", "mark", "is_baseline")
        if said != tuple(row[name] for name in names):
            yield (*said, row["id"])

    def _lift(self, row: sqlite3.Row) -> None:
        """End what was accepted of a finding: it was accepted as it stood then."""
        self._lifted.append((self._at, row["host"], row["cause"], row["subject"]))

    def _ended(self, row: sqlite3.Row, why: str) -> Sequence[Any]:
        self._ends.append((row["host"], row["cause"], why))
        self._lift(row)
        return (self._audited.run, self._at, why, row["id"])

    def _forget_hosts(self, hosts: Collection[str]) -> None:
        """Forget when hosts were examined that are audited no more: should they come again, they begin anew."""
        gone = {host for host, _ in self._known}.difference(hosts)
        sql = "DELETE FROM examinations WHERE routine = ? AND step = ? AND host = ?"
        self._ledger.insert_many(sql, [(*self._of, host) for host in sorted(gone)])


def _clean_key(key: tuple[str, str, str]) -> tuple[str, str, str]:
    host, cause, subject = key
    return (clean(host), cause, clean(subject))


def _known(row: sqlite3.Row, accepted: Mapping[tuple[str, str, str, str], Acceptance]) -> KnownFinding:
    finding = Finding(
        host=row["host"],
        cause=row["cause"],
        subject=row["subject"],
        severity=Severity(row["severity"]),
        detail=row["detail"],
        mark=row["mark"],
    )
    return KnownFinding(
        finding=finding,
        routine=row["routine"],
        step=row["step"],
        title=row["title"],
        first_seen_at=to_moment(row["first_seen_at"]),
        seen_at=to_moment(row["seen_at"] or row["first_seen_at"]),
        is_baseline=bool(row["is_baseline"]),
        accepted=accepted.get((*finding.key, finding.mark)),
        why=row["why"],
    )


def _acceptance(row: sqlite3.Row) -> Acceptance:
    names = ("host", "cause", "subject", "mark", "reason", "by")
    said = {name: row[name] for name in names}
    return Acceptance(until=to_moment(row["until_at"]), at=to_moment(row["at"]), **said)
