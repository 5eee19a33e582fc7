"""What the ledger lets go of: a few rows at a time, so that nobody waits long to write."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from opsrunner.ledger.belongings import LEFT_BY_ROUTINES
from opsrunner.ledger.codec import to_text
from opsrunner.ledger.database import Ledger

SLICE = 50
"""Rows that one transaction removes."""
_SURE = timedelta(days=2)
"""Rows that a source shows are noted once a day."""
SWEPT = 5_000
"""Runs that one look for frozen texts reads."""
_KEEP_LAST_GOOD = (
    "INSERT INTO last_good(routine, step, run, at) SELECT routine, '', max(id), finished_at FROM runs"
    " WHERE id IN ({}) AND status = 'succeeded' GROUP BY routine"
    " ON CONFLICT(routine, step) DO UPDATE SET run = excluded.run, at = excluded.at WHERE excluded.run > run"
)
_FORGET_LEFT = tuple(
    f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE routine = ? LIMIT ?)"  # noqa: S608 (fixed words)
    for table, key in LEFT_BY_ROUTINES.items()
)


class Forgetting:
    """Every `forget_…` removes at most a slice and returns how many went; 0 means that nothing is left to remove.

    Acts (`once`) and the audit are never forgotten.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def old_runs(self, *, before: datetime, told_through: int | None) -> list[int]:
        """Return some runs that ended before a moment, by the end's number told of up to `told_through` (None: all)."""
        sql = (
            "SELECT id FROM runs WHERE finished_at IS NOT NULL AND finished_at < ?"
            " AND (ended IS NULL OR ended <= coalesce(?, ended)) AND (ended IS NULL OR ended < "
            "(SELECT max(ended) FROM runs WHERE ended IS NOT NULL)) ORDER BY finished_at LIMIT ?"
        )
        return [int(row["id"]) for row in self._ledger.all(sql, (to_text(before), told_through, SLICE))]

    def forget_runs(self, run_ids: Sequence[int]) -> int:
        """Remove runs with their steps; their tasks stay. The newest end is never asked for: its number stays taken."""
        marks = ",".join("?" * len(run_ids))
        with self._ledger.transaction(alone=True):
            self._ledger.change(_KEEP_LAST_GOOD.format(marks), run_ids)
            self._ledger.change(f"UPDATE runs SET rerun_of = NULL WHERE rerun_of IN ({marks})", run_ids)  # noqa: S608 (marks)
            return self._ledger.change(f"DELETE FROM runs WHERE id IN ({marks})", run_ids)  # noqa: S608 (marks only)

    def old_tasks(self, *, before: datetime) -> list[int]:
        """Return some tasks that were closed before a moment and whose run, if it is there, has ended."""
        sql = (
            "SELECT id FROM tasks WHERE closed_at IS NOT NULL AND closed_at < ? AND NOT EXISTS (SELECT 1 FROM runs"
            " WHERE runs.id = tasks.run AND runs.finished_at IS NULL) ORDER BY closed_at LIMIT ?"
        )
        return [int(row["id"]) for row in self._ledger.all(sql, (to_text(before), SLICE))]

    def forget_tasks(self, task_ids: Sequence[int]) -> int:
        """Remove tasks with their rungs."""
        marks = ",".join("?" * len(task_ids))
        return self._ledger.change(f"DELETE FROM tasks WHERE id IN ({marks})", task_ids)  # noqa: S608 (marks only)

    def forget_mail_texts(self, *, before: datetime) -> int:
        """Empty the texts of mails that went, were taken back or given up; what became of them stays known."""
        return self._slice(
            "UPDATE outbox SET text = '', html = '', attachments = '' WHERE id IN (SELECT id FROM outbox"
            " WHERE text <> '' AND created_at < ?1 AND coalesce(sent_at, withdrawn_at, failed_at) < ?1"
            " ORDER BY created_at LIMIT ?2)",
            before,
        )

    def forget_mails(self, *, before: datetime) -> int:
        """Remove mails that are done with; those that carry a promise (`once …`) stay, and so does the promise."""
        return self._slice(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE created_at < ?1"
            " AND coalesce(sent_at, withdrawn_at, failed_at) < ?1"
            ' AND ("unique" IS NULL OR "unique" NOT LIKE \'once %\') ORDER BY created_at LIMIT ?2)',
            before,
        )

    def forget_requests(self, *, before: datetime) -> int:
        """Remove what was asked by hand and answered."""
        return self._slice(
            "DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE taken_at < ?1 ORDER BY id LIMIT ?2)",
            before,
        )

    def forget_findings(self, *, before: datetime) -> int:
        """Remove what audits found once and did not find again."""
        return self._slice(
            "DELETE FROM findings WHERE id IN (SELECT id FROM findings WHERE gone_at < ?1 ORDER BY gone_at LIMIT ?2)",
            before,
        )

    def forget_acceptances(self, *, before: datetime) -> int:
        """Remove acceptances that are over: taken back, replaced, or past their day."""
        moment = to_text(before)
        return self._ledger.change(
            "DELETE FROM acceptances WHERE id IN (SELECT id FROM acceptances WHERE ended_at IS NULL AND until_at < ?1"
            " UNION SELECT id FROM acceptances WHERE ended_at < ?1 LIMIT ?2)",
            (moment, SLICE),
        )

    def forget_tickets(self, *, before: datetime) -> int:
        """Remove what is remembered of tickets that ended."""
        return self._slice(
            "DELETE FROM ticket_states WHERE (routine, step, ticket) IN"
            " (SELECT routine, step, ticket FROM ticket_states"
            " WHERE ended_at IS NOT NULL AND ended_at < ?1 ORDER BY ended_at LIMIT ?2)",
            before,
        )

    def forget_downtimes(self, *, before: datetime) -> int:
        """Remove the times of windows and incidents about which nothing was to be done any more, with their posts."""
        return self._slice(
            "DELETE FROM downtimes WHERE id IN"
            " (SELECT id FROM downtimes WHERE closed_at < ?1 ORDER BY closed_at LIMIT ?2)",
            before,
        )

    def forget_notices(self, *, before: datetime) -> int:
        """Remove what was told of occasions that ended before a moment: the rungs first, then the occasions."""
        sql = 'SELECT notice, "key", edition FROM occasions WHERE ended_at < ? ORDER BY ended_at LIMIT ?'
        ended = [tuple(row) for row in self._ledger.all(sql, (to_text(before), SLICE))]
        of = 'WHERE notice = ? AND "key" = ? AND edition = ?'
        with self._ledger.transaction():
            rungs = f"DELETE FROM notices WHERE id IN (SELECT id FROM notices {of} LIMIT ?)"  # noqa: S608 (fixed words)
            gone = sum(self._ledger.change(rungs, (*one, SLICE)) for one in ended)
            if gone:
                return gone
            self._ledger.insert_many(f"DELETE FROM occasions {of}", ended)  # noqa: S608 (fixed words)
            return len(ended)

    def forget_gaps(self, *, before: datetime) -> int:
        """Remove the times without planning."""
        return self._slice(
            "DELETE FROM gaps WHERE id IN (SELECT id FROM gaps WHERE until_at < ?1 ORDER BY until_at LIMIT ?2)", before
        )

    def forget_holds(self, *, before: datetime) -> int:
        """Remove the pauses and skips that are over."""
        return self._slice(
            "DELETE FROM holds WHERE id IN (SELECT id FROM holds"
            ' WHERE coalesce(ended_at, "until", nominal_at) < ?1 ORDER BY id LIMIT ?2)',
            before,
        )

    def forget_absences(self, *, before: datetime) -> int:
        """Remove leave, swaps and cover that are over."""
        return self._slice(
            "DELETE FROM absences WHERE id IN (SELECT id FROM absences WHERE until_at < ?1 ORDER BY until_at LIMIT ?2)",
            before,
        )

    def forget_notes(self, *, before: datetime) -> int:
        """Remove shift notes."""
        return self._slice("DELETE FROM notes WHERE id IN (SELECT id FROM notes WHERE at < ?1 LIMIT ?2)", before)

    def forget_digest_pages(self, *, before: datetime) -> int:
        """Empty the pages of digests; their subjects and texts stay."""
        return self._slice(
            "UPDATE digests SET html = '' WHERE id IN (SELECT id FROM digests WHERE until_at < ?1 AND html <> ''"
            " ORDER BY id LIMIT ?2)",
            before,
        )

    def forget_digests(self, *, before: datetime) -> int:
        """Remove digests, but never the newest of a series, nor the one that has told of the most."""
        return self._slice(
            "DELETE FROM digests WHERE id IN (SELECT id FROM digests AS old WHERE until_at < ?1"
            " AND until_at < (SELECT max(until_at) FROM digests WHERE series = old.series)"
            " AND through <= (SELECT max(through) FROM digests WHERE series = old.series AND id <> old.id)"
            " ORDER BY id LIMIT ?2)",
            before,
        )

    def forget_hosts(self, *, before: datetime) -> int:
        """Remove how hosts answered that nobody has asked since."""
        return self._ledger.change("DELETE FROM hosts_seen WHERE at < ?", (to_text(before),))

    def forget_facts(self, *, before: datetime) -> int:
        """Remove what hosts told that have answered no audit since."""
        return self._ledger.change("DELETE FROM host_facts WHERE at < ?", (to_text(before),))

    def forget_rows(self, *, before: datetime) -> int:
        """Remove rows that their source has not shown since a moment, though it could be looked at after it."""
        return self._ledger.change(
            'DELETE FROM known_rows WHERE (routine, "key") IN (SELECT routine, "key" FROM known_rows WHERE seen_at < ?1'
            " AND NOT EXISTS (SELECT 1 FROM looks WHERE looks.routine = known_rows.routine"
            " AND coalesce(looks.looked_at, '') < ?2) LIMIT ?3)",
            (to_text(before), to_text(before + _SURE), SLICE),
        )

    def forget_routines(self, *, before: datetime) -> int:
        """Remove routines that went before a moment and have neither a run nor a task left, with what their steps left.

        That goes first, a slice of each table at a time; the routines go once nothing of it is there.
        """
        sql = (
            "SELECT id FROM routines WHERE gone_at < ? AND NOT EXISTS (SELECT 1 FROM runs WHERE routine = routines.id)"
            " AND NOT EXISTS (SELECT 1 FROM tasks WHERE routine = routines.id) LIMIT ?"
        )
        gone = [row["id"] for row in self._ledger.all(sql, (to_text(before), SLICE))]
        for routine in gone:
            left = self._forget_left(routine)
            if left:
                return left
        with self._ledger.transaction():
            for routine in gone:
                self._ledger.change("DELETE FROM last_good WHERE routine = ?", (routine,))
                self._ledger.change("DELETE FROM holds WHERE routine = ?", (routine,))
                self._ledger.change("DELETE FROM routines WHERE id = ?", (routine,))
        return len(gone)

    def _forget_left(self, routine: str) -> int:
        with self._ledger.transaction():
            return sum(self._ledger.change(sql, (routine, SLICE)) for sql in _FORGET_LEFT)

    def replaced_texts(self) -> set[str]:
        """Return the names of the frozen texts that no routine in force has."""
        sql = (
            "SELECT hash FROM frozen WHERE body <> '' AND hash NOT IN"
            " (SELECT frozen FROM routines WHERE frozen IS NOT NULL AND gone_at IS NULL)"
        )
        return {row["hash"] for row in self._ledger.all(sql)}

    def texts_in_use(self, *, after: int) -> tuple[set[str], int | None]:
        """Return the frozen texts of some runs past number `after`, and the last number looked at; None at the end."""
        sql = "SELECT frozen, id FROM runs WHERE id > ? ORDER BY id LIMIT ?"
        rows = self._ledger.all(sql, (after, SWEPT))
        return {row["frozen"] for row in rows}, rows[-1]["id"] if len(rows) == SWEPT else None

    def forget_texts(self, names: Collection[str], *, seen_through: int) -> None:
        """Empty frozen texts that no run up to number `seen_through` has, nor one written since.

        The empty row stays: finding out that nothing refers to it would read all runs. `freeze` fills it again.
        """
        with self._ledger.transaction(alone=True):
            for name in sorted(names):
                self._ledger.change(
                    "UPDATE frozen SET body = '' WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE id > ?2"
                    " AND frozen = ?1) AND NOT EXISTS (SELECT 1 FROM routines WHERE frozen = ?1 AND gone_at IS NULL)",
                    (name, seen_through),
                )

    def newest_run(self) -> int:
        """Return the number of the newest run, 0 where there is none."""
        row = self._ledger.one("SELECT coalesce(max(id), 0) FROM runs")
        return int(row[0]) if row else 0

    def _slice(self, sql: str, before: datetime, *more: Any) -> int:
        return self._ledger.change(sql, (to_text(before), SLICE, *more))
