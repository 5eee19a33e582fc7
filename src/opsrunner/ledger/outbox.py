"""The outbox: mails lie here from the transaction of what they report until they are handed over."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from opsrunner.ledger.attachments import attachments_from_text, attachments_to_text
from opsrunner.ledger.codec import clean, dumps, optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.sent_journal import SentJournal
from opsrunner.model.mail import MailEnd, NewMail, QueuedMail
from opsrunner.model.notice import RECIPIENT

PACE = timedelta(minutes=1)
"""What `per_minute` of a series speaks of."""
_MOST_MICROSECONDS = (1 << 56) - 1
_LIVE = "sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL"
_SILENCED = """
SELECT outbox.id, suppressions.why FROM json_each(?) AS one
  CROSS JOIN outbox ON outbox.id = one.value
  CROSS JOIN suppressions ON suppressions.address = lower(outbox."to") AND suppressions.lifted_at IS NULL
    AND suppressions.notice IN ('', outbox.series) AND suppressions."key" = ''
  WHERE outbox.bulk = 1 AND (suppressions."by" <> ? OR outbox.list_unsubscribe <> '')
    AND (suppressions.until_at IS NULL OR suppressions.until_at > ?)
"""
_DUE = f"SELECT * FROM outbox WHERE {_LIVE} AND bulk = ? AND next_try_at <= ?{{more}} ORDER BY next_try_at, id LIMIT ?"  # noqa: S608 (fixed words)


class Outbox:
    """The table of mails."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._last_id = 0

    def put(self, mails: Sequence[NewMail], *, at: datetime) -> list[int]:
        """Queue mails and return the new ids; a `unique` word that is known queues nothing."""
        ids: list[int] = []
        with self._ledger.transaction():
            for mail in mails:
                due = at if mail.not_before is None else max(at, mail.not_before)
                mail_id = self._ledger.insert(
                    'INSERT INTO outbox(message_id, "to", subject, text, html, about, task, "unique", created_at,'
                    " not_before, next_try_at, bulk, series, per_minute, reply_to, list_unsubscribe, attachments)"
                    " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                    (
                        f"{self._new_id(at)}.{self._ledger.id}",
                        clean(mail.to),
                        clean(mail.subject),
                        clean(mail.text),
                        clean(mail.html),
                        clean(mail.about),
                        mail.task,
                        mail.unique,
                        to_text(at),
                        optional_text(mail.not_before),
                        to_text(due),
                        mail.bulk,
                        mail.series,
                        mail.per_minute,
                        mail.reply_to,
                        mail.list_unsubscribe,
                        attachments_to_text(mail.attachments),
                    ),
                )
                ids += [] if mail_id is None else [mail_id]
        return ids

    def _new_id(self, at: datetime) -> str:
        """Return a word for a Message-ID that nobody can guess.

        It begins with the time, or just after the one before: so its index grows at the end, and a mail among very
        many costs no more than the first.
        """
        self._last_id = max(self._last_id + 1, int(at.timestamp() * 1_000_000))
        return f"{self._last_id & _MOST_MICROSECONDS:014x}{secrets.token_hex(9)}"

    def knows(self, unique: str) -> bool:
        """Tell whether a mail with that word was ever queued."""
        return self._ledger.one('SELECT 1 FROM outbox WHERE "unique" = ?', (unique,)) is not None

    def due(self, now: datetime, limit: int = 50) -> list[QueuedMail]:
        """Return mails to try now, oldest first: those that people wait for, and only without any, mails of many.

        Of a series that may not leave faster, there are no more than may leave within the minute.
        """
        sql = _DUE.format(more="")
        mails = [_mail(row) for row in self._ledger.all(sql, (False, to_text(now), limit))]
        return mails or self._due_of_many(now, limit)

    def _due_of_many(self, now: datetime, limit: int) -> list[QueuedMail]:
        rooms: dict[str, int] = {}
        while True:
            full = [series for series, room in rooms.items() if room <= 0]
            sql = _DUE.format(more=" AND series NOT IN (SELECT value FROM json_each(?))")
            rows = self._ledger.all(sql, (True, to_text(now), dumps(full), limit))
            mails = [mail for row in rows if self._has_room(mail := _mail(row), rooms, now)]
            if mails or not rows:
                return mails

    def _has_room(self, mail: QueuedMail, rooms: dict[str, int], now: datetime) -> bool:
        """Tell whether a mail may leave within this minute, and count it; `rooms` is what each series has left."""
        if mail.per_minute is None:
            return True
        if mail.series not in rooms:
            rooms[mail.series] = mail.per_minute - self._left_since(mail.series, now - PACE)
        rooms[mail.series] -= 1
        return rooms[mail.series] >= 0

    def _left_since(self, series: str, since: datetime) -> int:
        row = self._ledger.one(
            "SELECT count(*) FROM outbox WHERE series = ? AND series <> '' AND sent_at > ?", (series, to_text(since))
        )
        return int(row[0]) if row else 0

    def silence(self, mail_ids: Sequence[int], *, at: datetime) -> set[int]:
        """Take back those of some mails that are about to leave, whose recipients get no notices any more; return them.

        Who left while a pass was queueing them hears nothing either. Their rungs are `suppressed`.
        """
        rows = self._ledger.all(_SILENCED, (dumps(list(mail_ids)), RECIPIENT, to_text(at)))
        why = {row["id"]: row["why"] for row in rows}
        if why:
            with self._ledger.transaction():
                for mail_id, said in why.items():
                    self._ledger.change(
                        "UPDATE notices SET status = 'suppressed', why = ? WHERE outbox = ? AND status = 'sent'",
                        (said, mail_id),
                    )
                    self._ledger.change(
                        "UPDATE outbox SET withdrawn_at = ? WHERE id = ? AND sent_at IS NULL", (to_text(at), mail_id)
                    )
        return set(why)

    def journal(self) -> SentJournal:
        """Return the file beside the ledger in which a sender notes what it hands over."""
        path = self._ledger.path
        return SentJournal(path.with_name(f"{path.name}-sent"))

    def recipient_of(self, message_id: str) -> str | None:
        """Return to whom the mail of a Message-ID, as `put` made it, is; None where there is no such mail."""
        row = self._ledger.one('SELECT "to" FROM outbox WHERE message_id = ?', (message_id,))
        return None if row is None else str(row["to"])

    def unsent(self, message_ids: Iterable[str]) -> dict[str, QueuedMail]:
        """Return those of some mails, by Message-ID, that the ledger does not know as sent."""
        sql = (
            "SELECT outbox.* FROM json_each(?) AS one CROSS JOIN outbox ON outbox.message_id = one.value"
            " WHERE outbox.sent_at IS NULL"
        )
        rows = self._ledger.all(sql, (dumps(list(message_ids)),))
        return {row["message_id"]: _mail(row) for row in rows}

    def settle(self, ends: Iterable[MailEnd], *, read_clock: Callable[[], datetime]) -> None:
        """Record what came of many tries, all at once.

        A mail is given up when that is written, not when it was tried: a digest written in between has not told of it,
        and the next one tells of what was given up since.
        """
        with self._ledger.transaction():
            for end in ends:
                if not end.error:
                    self.sent(end.mail, end.at)
                elif end.again_at is not None:
                    self.retry(end.mail, end.at, end.again_at, end.error)
                else:
                    self.failed(end.mail, read_clock(), end.error)

    def sent(self, mail_id: int, at: datetime) -> None:
        """Record that the mail was taken; one that was taken back meanwhile was, too."""
        sql = (
            "UPDATE outbox SET sent_at = ?, error = '', attempts = attempts + 1, withdrawn_at = NULL"
            " WHERE id = ? AND sent_at IS NULL"
        )
        self._ledger.change(sql, (to_text(at), mail_id))

    def retry(self, mail_id: int, at: datetime, next_try_at: datetime, error: str) -> None:
        """Record a try that failed for now."""
        sql = "UPDATE outbox SET attempts = attempts + 1, next_try_at = ?, error = ? WHERE id = ? AND sent_at IS NULL"
        self._ledger.change(sql, (to_text(max(at, next_try_at)), error, mail_id))

    def failed(self, mail_id: int, at: datetime, error: str) -> None:
        """Give a mail up."""
        sql = "UPDATE outbox SET attempts = attempts + 1, failed_at = ?, error = ? WHERE id = ? AND sent_at IS NULL"
        self._ledger.change(sql, (to_text(at), error, mail_id))

    def withdraw(self, task_id: int, *, at: datetime, but_escalations: bool = False) -> None:
        """Take back the mails about a task that quiet hours hold and that nobody has tried to send.

        With `but_escalations` those that escalate it still leave.
        """
        self._ledger.change(
            "UPDATE outbox SET withdrawn_at = ? WHERE task = ? AND not_before IS NOT NULL AND attempts = 0"
            " AND sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL"
            " AND NOT (? AND about GLOB 'escalation*')",
            (to_text(at), task_id, but_escalations),
        )

    def put_back(self, task_id: int) -> None:
        """Queue again what was taken back with a task: it is open again."""
        sql = "UPDATE outbox SET withdrawn_at = NULL WHERE task = ? AND withdrawn_at IS NOT NULL"
        self._ledger.change(sql, (task_id,))

    def queued(self) -> list[QueuedMail]:
        """Return the mails that are neither sent nor given up nor taken back, oldest first."""
        sql = "SELECT * FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL ORDER BY +id"
        return [_mail(row) for row in self._ledger.all(sql)]

    def waiting(self) -> int:
        """Return how many mails are neither sent nor given up nor taken back."""
        sql = "SELECT count(*) FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL"
        row = self._ledger.one(sql)
        return int(row[0]) if row else 0

    def waiting_words(self, first: str) -> list[str]:
        """Return the `unique` words that begin with `first` of the mails that have not left."""
        sql = (
            'SELECT "unique" FROM outbox WHERE "unique" >= ? AND "unique" < ?'
            " AND sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL"
        )
        return [str(row["unique"]) for row in self._ledger.all(sql, (first, f"{first}\U0010ffff"))]

    def given_up(self, *, since: datetime, until: datetime) -> list[QueuedMail]:
        """Return the mails given up later than `since`, and at `until` at the latest."""
        sql = "SELECT * FROM outbox WHERE failed_at > ? AND failed_at <= ? ORDER BY +id"
        return [_mail(row) for row in self._ledger.all(sql, (to_text(since), to_text(until)))]

    def counts(self, *, since: datetime, until: datetime) -> tuple[int, int, int]:
        """Return how many mails were queued in a period and not taken back, of these sent, and given up by its end."""
        row = self._ledger.one(
            "SELECT count(*) AS written, count(sent_at) AS sent, sum(coalesce(failed_at <= ?2, 0)) AS failed"
            " FROM outbox WHERE created_at >= ?1 AND created_at < ?2 AND withdrawn_at IS NULL",
            (to_text(since), to_text(until)),
        )
        return (0, 0, 0) if row is None else (row["written"], row["sent"], row["failed"] or 0)


def _mail(row: sqlite3.Row) -> QueuedMail:
    return QueuedMail(
        id=row["id"],
        message_id=row["message_id"],
        to=row["to"],
        subject=row["subject"],
        text=row["text"],
        html=row["html"],
        about=row["about"],
        created_at=to_moment(row["created_at"]),
        not_before=optional_moment(row["not_before"]),
        attempts=row["attempts"],
        next_try_at=to_moment(row["next_try_at"]),
        unique=row["unique"],
        sent_at=optional_moment(row["sent_at"]),
        failed_at=optional_moment(row["failed_at"]),
        error=row["error"],
        bulk=bool(row["bulk"]),
        series=row["series"],
        per_minute=row["per_minute"],
        reply_to=row["reply_to"],
        list_unsubscribe=row["list_unsubscribe"],
        attachments=attachments_from_text(row["attachments"]),
    )
