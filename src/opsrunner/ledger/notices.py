"""What customers were told: a row for each rung of an occasion and each recipient, written with its mail."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from opsrunner.ledger.codec import clean, dumps, loads, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.outbox import Outbox
from opsrunner.model.mail import NewMail
from opsrunner.model.notice import EVERYWHERE, KnownOccasion, NoticeApproval, Suppression, Told, ToldStatus
from opsrunner.records import dataclass

_INSERT = """
INSERT INTO notices(notice, "key", edition, rung, recipient, name, status, due_at, at, why)
  VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING
"""
_BEGIN = """
INSERT INTO occasions(notice, "key", edition, at, until_at, since, was_at, rows, heard_from)
  VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING
"""
_END = """
UPDATE occasions SET ended_at = ?, why = ? WHERE notice = ? AND "key" = ? AND ended_at IS NULL
"""
_GROW = 'UPDATE occasions SET rows = ? WHERE notice = ? AND "key" = ? AND edition = ?'
_UNSENT_TO = """
bulk = 1 AND sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL AND lower("to") = ?2
  AND (?3 OR list_unsubscribe <> '') AND ?5 IN (?4, series)
"""
_SILENCE = f"""
UPDATE notices SET status = 'suppressed', why = ?1
  WHERE outbox IN (SELECT id FROM outbox WHERE {_UNSENT_TO}) AND status = 'sent'
"""  # noqa: S608 (fixed words)
_TAKE_BACK = f"UPDATE outbox SET withdrawn_at = ?1 WHERE {_UNSENT_TO}"  # noqa: S608 (fixed words)
MOST_TOGETHER = 50
"""More than this in one batch shares its commit with nobody."""
_TOLD = 'notice, "key", edition, rung, recipient, status, due_at, at, name, why, outbox, id'
_OCCASION = '"key", edition, at, until_at, since, was_at, rows, ended_at, why, heard_from'
_STATUSES = {status.value: status for status in ToldStatus}
_OF_KEYS = 'notice = ? AND "key" IN (SELECT value FROM json_each(?))'


@dataclass(frozen=True, kw_only=True)
class Telling:
    """A rung that is settled, and the mail that goes for it, if one does."""

    told: Told
    mail: NewMail | None = None


@dataclass(frozen=True, kw_only=True)
class NoticeBatch:
    """What one commit writes of a notice."""

    notice: str
    begun: Sequence[KnownOccasion] = ()
    """New editions; the live one of the same key ends as `moved`."""
    grown: Sequence[KnownOccasion] = ()
    """Editions that more recipients hear of; their `rows` are kept."""
    ended: Sequence[KnownOccasion] = ()
    """Editions that end, with `ended_at` and `why`."""
    tellings: Sequence[Telling] = ()


@dataclass(frozen=True, kw_only=True)
class OccasionCount:
    """How many live occasions of a notice have the same moments."""

    at: datetime
    until: datetime | None
    count: int


class Notices:
    """The tables of notices and their occasions."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._outbox = Outbox(ledger)

    def write(self, batch: NoticeBatch, *, at: datetime) -> list[Told]:
        """Write a batch and queue its mails, in one transaction; return what was told that was not told before.

        A rung that is settled for a recipient stays as it is, and its mail is not queued.
        """
        fresh: list[tuple[int, Telling]] = []
        with self._ledger.transaction(alone=len(batch.tellings) > MOST_TOGETHER):
            self._change_occasions(batch, at=at)
            for telling in batch.tellings:
                new_id = self._ledger.insert(_INSERT, _plain(telling.told))
                if new_id is not None:
                    fresh.append((new_id, telling))
            mailed = [(new_id, telling.mail) for new_id, telling in fresh if telling.mail is not None]
            mails = self._outbox.put([mail for _, mail in mailed], at=at)
            links = [(mail_id, new_id) for (new_id, _), mail_id in zip(mailed, mails, strict=True)]
            self._ledger.insert_many("UPDATE notices SET outbox = ? WHERE id = ?", links)
        return [telling.told for _, telling in fresh]

    def occasions(self, notice: str, keys: Collection[str]) -> dict[str, KnownOccasion]:
        """Return the newest edition of each key that is known, whether it has ended or not."""
        sql = f'SELECT {_OCCASION} FROM occasions WHERE {_OF_KEYS} ORDER BY "key", edition'  # noqa: S608 (fixed words)
        return {row[0]: _occasion(row) for row in self._ledger.all(sql, (notice, json.dumps(list(keys))))}

    def told(self, notice: str, keys: Collection[str]) -> dict[str, list[Told]]:
        """Return what was told of some occasions in any edition, by their keys, in the order of writing."""
        found: dict[str, list[Told]] = defaultdict(list)
        sql = f"SELECT {_TOLD} FROM notices WHERE {_OF_KEYS} ORDER BY +id"  # noqa: S608 (fixed words)
        for row in self._ledger.all(sql, (notice, json.dumps(list(keys)))):
            found[row[1]].append(_told(row))
        return found

    def live_keys(self, notice: str) -> list[str]:
        """Return the keys of the occasions that have not ended."""
        sql = 'SELECT "key" FROM occasions WHERE notice = ? AND ended_at IS NULL'
        return [row["key"] for row in self._ledger.all(sql, (notice,))]

    def occasion_counts(self, notice: str) -> list[OccasionCount]:
        """Return how many live occasions there are, by their moments."""
        sql = (
            "SELECT at, until_at, count(*) AS occasions FROM occasions WHERE notice = ? AND ended_at IS NULL"
            " GROUP BY at, until_at"
        )
        return [
            OccasionCount(at=to_moment(row["at"]), until=optional_moment(row["until_at"]), count=row["occasions"])
            for row in self._ledger.all(sql, (notice,))
        ]

    def settle(self, told: Iterable[Told], *, status: ToldStatus, why: str) -> None:
        """Change what came of rungs: what was missed went after all."""
        rows = [(status.value, why, one.id) for one in told]
        self._ledger.insert_many("UPDATE notices SET status = ?, why = ? WHERE id = ?", rows)

    def take_back(self, gone: Suppression, *, contractual: bool) -> int:
        """Take back the mails that have not left to an address that gets them no more; return how many.

        They are those of all notices, or of one; and with `contractual` also those that nobody leaves by a link.
        One that is just being handed over goes all the same, and its rung is `sent` again.
        """
        values = (to_text(gone.at), gone.address.lower(), contractual, EVERYWHERE, gone.notice)
        with self._ledger.transaction():
            self._ledger.change(_SILENCE, (clean(gone.why), *values[1:]))
            return self._ledger.change(_TAKE_BACK, values)

    def renamed(self, notice: str) -> str | None:
        """Return how a notice is called now whose routine had another name; None where that is not so."""
        routine, _, step = notice.partition(".")
        row = self._ledger.one("SELECT is_now FROM notice_renames WHERE was = ?", (routine,))
        return None if row is None else f"{row['is_now']}.{step}"

    def between(self, *, since: datetime, until: datetime) -> dict[tuple[str, ToldStatus, str], int]:
        """Return how many rungs were settled in a period, by notice, status and reason."""
        sql = "SELECT notice, status, why, count(*) AS rungs FROM notices WHERE at >= ? AND at < ? GROUP BY 1, 2, 3"
        rows = self._ledger.all(sql, (to_text(since), to_text(until)))
        return {(row["notice"], ToldStatus(row["status"]), row["why"]): row["rungs"] for row in rows}

    def not_left(self, *, since: datetime, until: datetime) -> int:
        """Return how many rungs of a period count as sent, and their mail has not left the outbox yet."""
        sql = (
            "SELECT count(*) FROM notices CROSS JOIN outbox ON outbox.id = notices.outbox"
            " WHERE notices.at >= ? AND notices.at < ? AND notices.status = 'sent'"
            " AND outbox.sent_at IS NULL AND outbox.failed_at IS NULL AND outbox.withdrawn_at IS NULL"
        )
        row = self._ledger.one(sql, (to_text(since), to_text(until)))
        return int(row[0]) if row else 0

    def newest(self, *, since: datetime, notice: str = "", recipient: str = "", most: int = 100) -> list[Told]:
        """Return what was told since a moment, newest first: all, of one notice, or to one address."""
        wanted = {"notice": notice, "recipient": recipient}
        given = {column: value for column, value in wanted.items() if value}
        where = " ".join(f"AND +{column} = ?" for column in given)
        sql = f"SELECT {_TOLD} FROM notices WHERE at >= ? {where} ORDER BY +id DESC LIMIT ?"  # noqa: S608 (fixed words)
        return [_told(row) for row in self._ledger.all(sql, (to_text(since), *given.values(), most))]

    def approval(self, notice: str, fingerprint: str) -> NoticeApproval | None:
        """Return what was asked and answered about a list of that template, ladder and audience."""
        sql = "SELECT * FROM approvals WHERE notice = ? AND fingerprint = ?"
        row = self._ledger.one(sql, (notice, fingerprint))
        if row is None:
            return None
        at = optional_moment(row["at"])
        return NoticeApproval(notice=notice, fingerprint=fingerprint, task=row["task"], by=row["by"], at=at)

    def ask(self, notice: str, fingerprint: str, *, task_id: int, at: datetime) -> None:
        """Write which task asks for an approval."""
        self._ledger.change(
            "INSERT INTO approvals(notice, fingerprint, task, asked_at) VALUES (?,?,?,?)"
            " ON CONFLICT(notice, fingerprint) DO UPDATE SET task = excluded.task, asked_at = excluded.asked_at",
            (notice, fingerprint, task_id, to_text(at)),
        )

    def approve(self, notice: str, fingerprint: str, *, by: str, at: datetime) -> None:
        """Write that a list was approved."""
        sql = 'UPDATE approvals SET "by" = ?, at = ? WHERE notice = ? AND fingerprint = ? AND at IS NULL'
        self._ledger.change(sql, (by, to_text(at), notice, fingerprint))

    def _change_occasions(self, batch: NoticeBatch, *, at: datetime) -> None:
        ends = [(optional_text(one.ended_at), one.why, batch.notice, one.key) for one in batch.ended]
        ends += [(to_text(at), "moved", batch.notice, one.key) for one in batch.begun if one.edition > 1]
        self._ledger.insert_many(_END, ends)
        self._ledger.insert_many(_BEGIN, [_plain_occasion(batch.notice, one) for one in batch.begun])
        self._ledger.insert_many(_GROW, [(dumps(one.rows), batch.notice, one.key, one.edition) for one in batch.grown])


def _plain(told: Told) -> Sequence[Any]:
    return (
        told.notice,
        told.key,
        told.edition,
        told.rung,
        told.recipient,
        clean(told.name),
        told.status.value,
        to_text(told.due_at),
        to_text(told.at),
        clean(told.why),
    )


def _plain_occasion(notice: str, one: KnownOccasion) -> Sequence[Any]:
    moments = (to_text(one.at), optional_text(one.until), to_text(one.since), optional_text(one.was_at))
    return (notice, one.key, one.edition, *moments, dumps(one.rows), one.heard_from)


@lru_cache(maxsize=4096)
def _moment(text: str) -> datetime:
    """Return `to_moment`; the rows of a notice share most of theirs."""
    return to_moment(text)


def _told(row: Iterable[Any]) -> Told:
    notice, key, edition, rung, recipient, status, due_at, at, name, why, outbox, id_ = row
    moments = (_moment(due_at), _moment(at))
    return Told(notice, key, edition, rung, recipient, _STATUSES[status], *moments, name, why, outbox, id_)


def _occasion(row: Iterable[Any]) -> KnownOccasion:
    key, edition, at, until, since, was_at, said, ended_at, why, heard_from = row
    return KnownOccasion(
        key,
        edition,
        _moment(at),
        None if until is None else _moment(until),
        _moment(since),
        None if was_at is None else _moment(was_at),
        loads(said),
        None if ended_at is None else _moment(ended_at),
        why,
        heard_from,
    )


def rename_notices(ledger: Ledger, old: str, new: str) -> None:
    """Carry what was told by the notices of one routine over to another, inside the caller's transaction."""
    for table in ("notices", "occasions", "suppressions", "approvals"):
        sql = f"UPDATE OR REPLACE {table} SET notice = ? || substr(notice, ?) WHERE notice >= ? AND notice < ?"  # noqa: S608 (fixed words)
        ledger.change(sql, (new, len(old) + 1, f"{old}.", f"{old}/"))
    sql = (
        "UPDATE outbox SET series = ? || substr(series, ?) WHERE series >= ? AND series < ?"
        " AND bulk = 1 AND sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL"
    )
    ledger.change(sql, (new, len(old) + 1, f"{old}.", f"{old}/"))
    ledger.change("UPDATE notice_renames SET is_now = ? WHERE is_now = ?", (new, old))
    ledger.change("DELETE FROM notice_renames WHERE was = ?", (new,))
    ledger.change("INSERT OR REPLACE INTO notice_renames VALUES (?,?)", (old, new))
