"""How the outbox stands."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsrunner.ledger.books import Books
from opsrunner.ledger.mail_queue import MailStanding
from opsrunner.model.mail import NewMail

HOUR = timedelta(hours=1)


def mail(to: str, *, not_before: datetime | None = None) -> NewMail:
    return NewMail(to=f"{to}@example.com", subject="s", text="t", about=to, not_before=not_before)


def test_it_counts_what_waits_what_was_tried_and_what_is_held(books: Books, now: datetime) -> None:
    queue, outbox = books.mail_queue, books.outbox
    assert queue.standing(now=now, since=now) == MailStanding()
    tried, sent, lost = outbox.put([mail("tried"), mail("sent"), mail("lost")], at=now - 2 * HOUR)
    outbox.put([mail("held", not_before=now + HOUR), mail("new")], at=now)
    outbox.retry(tried, now, now + HOUR, "no answer")
    outbox.sent(sent, now)
    outbox.failed(lost, now, "unknown")
    standing = queue.standing(now=now, since=now - HOUR)
    assert standing == MailStanding(waiting=3, deferred=1, held=1, oldest_at=now - 2 * HOUR, given_up=1)
    assert [line.about for line in queue.waiting(limit=2)] == ["tried", "held"]
    assert [(line.about, line.error) for line in queue.given_up(since=now, limit=5)] == [("lost", "unknown")]
    assert queue.given_up(since=now + HOUR, limit=5) == []


def test_stuck_is_what_could_have_left_long_ago(books: Books, now: datetime) -> None:
    books.outbox.put([mail("held", not_before=now + HOUR), mail("old"), mail("older")], at=now - 2 * HOUR)
    books.outbox.put([mail("new")], at=now)
    assert books.mail_queue.stuck(before=now - HOUR, now=now) == (2, "")
    assert books.mail_queue.stuck(before=now - 3 * HOUR, now=now) == (0, "")
    assert books.mail_queue.stuck(before=now - HOUR, now=now + 2 * HOUR) == (3, "")
