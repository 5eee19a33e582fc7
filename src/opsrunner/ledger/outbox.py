"""The outbox: mails lie here from the transaction of what they report until they are handed over."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from opsrunner.ledger.attachments import attachments_from_text, attachments_to_text
from opsrunner.ledger.codec import optional_moment, optional_text, to_moment, to_text
from opsrunner.ledger.database import Ledger
from opsrunner.model.mail import NewMail, QueuedMail

CLAIM_SECONDS = 120
"""A claimed mail that nobody finished is due again after this: its sender died."""


class Outbox:
    """The table of mails."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

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
                        f"{uuid.uuid4().hex}.{self._ledger.id}",
                        mail.to,
                        mail.subject,
                        mail.text,
                        mail.html,
                        mail.about,
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

    def knows(self, unique: str) -> bool:
        """Tell whether a mail with that word was ever queued."""
        return self._ledger.one('SELECT 1 FROM outbox WHERE "unique" = ?', (unique,)) is not None

    def due(self, now: datetime, limit: int = 50) -> list[QueuedMail]:
        """Return the mails to try now, oldest first."""
        sql = (
            "SELECT * FROM outbox WHERE sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL"
            " AND next_try_at <= ? ORDER BY bulk, next_try_at, id LIMIT ?"
        )
        return [_mail(row) for row in self._ledger.all(sql, (to_text(now), limit))]

    def claim(self, mail_id: int, now: datetime) -> bool:
        """Take a due mail for one try; False where another sender has it, or it was taken back."""
        return (
            self._ledger.change(
                "UPDATE outbox SET attempts = attempts + 1, next_try_at = ? WHERE id = ? AND sent_at IS NULL"
                " AND failed_at IS NULL AND withdrawn_at IS NULL AND next_try_at <= ?",
                (to_text(now + timedelta(seconds=CLAIM_SECONDS)), mail_id, to_text(now)),
            )
            == 1
        )

    def sent(self, mail_id: int, at: datetime) -> None:
        """Record that the mail was taken."""
        self._ledger.change("UPDATE outbox SET sent_at = ?, error = '' WHERE id = ?", (to_text(at), mail_id))

    def retry(self, mail_id: int, at: datetime, next_try_at: datetime, error: str) -> None:
        """Record a try that failed for now."""
        sql = "UPDATE outbox SET next_try_at = ?, error = ? WHERE id = ?"
        self._ledger.change(sql, (to_text(max(at, next_try_at)), error, mail_id))

    def failed(self, mail_id: int, at: datetime, error: str) -> None:
        """Give a mail up."""
        sql = "UPDATE outbox SET failed_at = ?, error = ? WHERE id = ?"
        self._ledger.change(sql, (to_text(at), error, mail_id))

    def withdraw(self, task_id: int, *, at: datetime) -> None:
        """Take back the mails about a task that quiet hours hold and that nobody has tried to send."""
        self._ledger.change(
            "UPDATE outbox SET withdrawn_at = ? WHERE task = ? AND not_before IS NOT NULL AND attempts = 0"
            " AND sent_at IS NULL AND failed_at IS NULL AND withdrawn_at IS NULL",
            (to_text(at), task_id),
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

    def given_up(self, *, since: datetime) -> list[QueuedMail]:
        """Return the mails given up since a moment."""
        sql = "SELECT * FROM outbox WHERE failed_at >= ? ORDER BY +id"
        return [_mail(row) for row in self._ledger.all(sql, (to_text(since),))]

    def counts(self, *, since: datetime, until: datetime) -> tuple[int, int, int]:
        """Return how many mails were queued in a period and not taken back, and of these sent and given up."""
        row = self._ledger.one(
            "SELECT count(*) AS written, count(sent_at) AS sent, count(failed_at) AS failed FROM outbox"
            " WHERE created_at >= ? AND created_at < ? AND withdrawn_at IS NULL",
            (to_text(since), to_text(until)),
        )
        return (0, 0, 0) if row is None else (row["written"], row["sent"], row["failed"])


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
