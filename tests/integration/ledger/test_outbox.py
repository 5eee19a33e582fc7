"""The outbox: mails wait durably, go once, and are tried by one sender at a time."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.ledger.books import Books
from opsrunner.model.mail import Attachment, MailEnd, NewMail
from opsrunner.model.task import Evidence, NewTask, TaskKind, TaskStatus

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
MAIL = NewMail(to="ops1@example.com", subject="Failed: dump", text="It failed.", html="<p>It failed.</p>", about="x")


def put(books: Books, at: datetime, *, unique: str | None = None, not_before: datetime | None = None) -> int:
    """Queue one mail and return its id."""
    mail = NewMail(to=MAIL.to, subject=MAIL.subject, text=MAIL.text, unique=unique, not_before=not_before)
    (mail_id,) = books.outbox.put([mail], at=at)
    return mail_id


def test_a_mail_waits_as_it_was_written_through_a_restart(books: Books, now: datetime, tmp_path: Path) -> None:
    books.outbox.put([MAIL], at=now)
    again = Books.open(tmp_path / "ledger.db")
    try:
        (mail,) = again.outbox.due(now)
        assert (mail.to, mail.subject, mail.text, mail.html, mail.about) == (
            MAIL.to,
            MAIL.subject,
            MAIL.text,
            MAIL.html,
            MAIL.about,
        )
        assert (mail.created_at, mail.attempts, mail.not_before, mail.sent_at) == (now, 0, None, None)
        assert mail == books.outbox.due(now)[0]
    finally:
        again.ledger.close()


def test_a_mail_of_many_waits_with_all_that_goes_along(books: Books, now: datetime) -> None:
    files = (Attachment(name="å.ics", content_type="text/calendar", data=bytes(range(256))),)
    more: dict[str, Any] = {
        "bulk": True,
        "series": "maintenance-9",
        "per_minute": 60,
        "reply_to": "support@example.com",
        "list_unsubscribe": "https://example.com/leave",
        "attachments": files,
    }
    books.outbox.put([replace(MAIL, **more)], at=now)
    (mail,) = books.outbox.due(now)
    assert {name: getattr(mail, name) for name in more} == more
    books.outbox.sent(mail.id, now)
    assert books.forgetting.forget_mail_texts(before=now + SECOND) == 1
    assert books.ledger.all("SELECT text, html, attachments FROM outbox")[0][:] == ("", "", "")


def test_half_a_character_of_a_customer_stops_no_mail(books: Books, now: datetime) -> None:
    half = "Kari \ud800"
    books.outbox.put([NewMail(to="kari@example.com", subject=half, text=half, html=half, about=half)], at=now)
    (mail,) = books.outbox.queued()
    assert {mail.subject, mail.text, mail.html, mail.about} == {"Kari \ufffd"}


def test_every_mail_has_a_message_id_of_its_own_that_names_the_ledger(books: Books, now: datetime) -> None:
    books.outbox.put([MAIL, MAIL], at=now)
    first, second = books.outbox.queued()
    assert first.message_id != second.message_id
    assert first.message_id.endswith(f".{books.ledger.id}")


def test_a_message_id_tells_to_whom_its_mail_is_also_when_its_text_is_forgotten(books: Books, now: datetime) -> None:
    put(books, now)
    (mail,) = books.outbox.queued()
    books.outbox.sent(mail.id, now)
    books.forgetting.forget_mail_texts(before=now + SECOND)
    assert books.outbox.recipient_of(mail.message_id) == mail.to
    assert books.outbox.recipient_of(mail.message_id[1:]) is None


def test_a_unique_word_queues_one_mail_also_after_it_was_sent(books: Books, now: datetime) -> None:
    first = put(books, now, unique="remind-12")
    same = NewMail(to="a@example.com", subject="x", text="x", unique="remind-12")
    other = NewMail(to="a@example.com", subject="x", text="x", unique="remind-13")
    assert len(books.outbox.put([same, other], at=now)) == 1
    books.outbox.sent(first, now)
    assert books.outbox.put([same], at=now) == []


def test_a_mail_is_put_with_the_transaction_of_its_cause_or_not_at_all(books: Books, now: datetime) -> None:
    def fail() -> None:
        with books.transaction():
            put(books, now)
            books.audit.add("x", "y", actor="z", at=now)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert books.outbox.queued() == []
    assert books.audit.about("y") == []


@pytest.mark.parametrize(
    ("not_before", "after", "is_due"),
    [(None, -SECOND, False), (None, 0 * SECOND, True), (HOUR, HOUR - SECOND, False), (HOUR, HOUR, True)],
)
def test_a_mail_is_due_from_its_moment_on(
    books: Books, now: datetime, not_before: timedelta | None, after: timedelta, is_due: bool
) -> None:
    put(books, now, not_before=None if not_before is None else now + not_before)
    assert bool(books.outbox.due(now + after)) is is_due


def test_quiet_hours_that_are_over_hold_nothing_back(books: Books, now: datetime) -> None:
    put(books, now, not_before=now - HOUR)
    assert len(books.outbox.due(now)) == 1


def test_one_of_many_senders_works(books: Books) -> None:
    ready, over, won = threading.Barrier(4), threading.Barrier(4), list[bool]()

    def take() -> None:
        with books.outbox.journal() as journal:
            ready.wait()
            won.append(journal.take())
            over.wait()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, False, False, True]
    with books.outbox.journal() as journal:
        assert journal.take()


def test_a_failed_try_waits_and_says_why(books: Books, now: datetime) -> None:
    mail_id = put(books, now)
    books.outbox.retry(mail_id, now, now + HOUR, "451 try later")
    assert books.outbox.due(now + HOUR - SECOND) == []
    (mail,) = books.outbox.due(now + HOUR)
    assert (mail.error, mail.attempts, mail.created_at) == ("451 try later", 1, now)


def test_what_came_of_many_tries_is_recorded_at_once(books: Books, now: datetime) -> None:
    went, waits, lost = put(books, now), put(books, now), put(books, now)
    ends = [
        MailEnd(mail=went, at=now),
        MailEnd(mail=waits, at=now, error="451 later", again_at=now + HOUR),
        MailEnd(mail=lost, at=now, error="550 unknown"),
    ]
    books.outbox.settle(ends, read_clock=lambda: now + SECOND)
    assert [mail.id for mail in books.outbox.queued()] == [waits]
    (given_up,) = books.outbox.given_up(since=now, until=now + SECOND)
    assert (given_up.id, given_up.failed_at) == (lost, now + SECOND)
    assert books.outbox.counts(since=now, until=now + SECOND) == (3, 1, 1)
    assert books.outbox.counts(since=now, until=now + SECOND / 2) == (3, 1, 0)


def test_a_mail_that_was_sent_or_given_up_is_never_due_again(books: Books, now: datetime) -> None:
    sent, failed = put(books, now), put(books, now)
    books.outbox.sent(sent, now)
    books.outbox.failed(failed, now, "550 no such user")
    assert books.outbox.due(now + 1000 * HOUR) == books.outbox.queued() == []
    books.outbox.retry(sent, now, now, "451 said too late")
    assert books.outbox.queued() == []
    (given_up,) = books.outbox.given_up(since=now - SECOND, until=now)
    assert (given_up.id, given_up.error, given_up.failed_at) == (failed, "550 no such user", now)
    assert books.outbox.given_up(since=now, until=now + SECOND) == []
    assert books.outbox.given_up(since=now - HOUR, until=now - SECOND) == []
    put(books, now)
    assert books.outbox.counts(since=now, until=now + SECOND) == (3, 1, 1)
    assert books.outbox.counts(since=now - HOUR, until=now) == (0, 0, 0)


@pytest.fixture
def task(books: Books, now: datetime) -> int:
    """Open a task about which mails wait."""
    new = NewTask(
        kind=TaskKind.AD_HOC, run=None, routine=None, step="", item="ad-hoc", title="x", role="ops1", opened_at=now
    )
    return books.tasks.open(new)[0].id


def close(books: Books, task: int, at: datetime) -> None:
    settles_at = at + 30 * SECOND
    evidence = Evidence()
    books.tasks.close(task, status=TaskStatus.DONE, by="ops1", evidence=evidence, at=at, settles_at=settles_at)


def test_a_held_mail_goes_with_its_task_and_is_counted_nowhere(books: Books, now: datetime, task: int) -> None:
    held = replace(MAIL, task=task, not_before=now + HOUR)
    at_once, of_another = replace(MAIL, task=task), replace(held, task=task + 1)
    mail_id, *others = books.outbox.put([held, at_once, of_another], at=now)
    close(books, task, now)
    assert [mail.id for mail in books.outbox.queued()] == others
    assert [mail.id for mail in books.outbox.due(now + 2 * HOUR)] == others
    assert mail_id not in others
    assert books.outbox.given_up(since=now - HOUR, until=now + HOUR) == []
    assert books.outbox.counts(since=now, until=now + SECOND) == (2, 0, 0)
    assert books.forgetting.forget_mail_texts(before=now + SECOND) == 1


@pytest.mark.parametrize(
    ("status", "left"),
    [(TaskStatus.DONE, []), (TaskStatus.NOT_APPLICABLE, []), (TaskStatus.COULD_NOT, ["escalation 1"])],
)
def test_of_what_could_not_be_done_a_held_escalation_still_leaves(
    books: Books, now: datetime, task: int, status: TaskStatus, left: list[str]
) -> None:
    held = [replace(MAIL, task=task, about=about, not_before=now + HOUR) for about in ("reminder 1", "escalation 1")]
    books.outbox.put(held, at=now)
    books.tasks.close(task, status=status, by="ops1", evidence=Evidence(), at=now)
    assert [mail.about for mail in books.outbox.queued()] == left


def test_a_mail_that_was_tried_before_is_not_taken_back(books: Books, now: datetime, task: int) -> None:
    (mail_id,) = books.outbox.put([replace(MAIL, task=task, not_before=now + HOUR)], at=now)
    books.outbox.retry(mail_id, now + HOUR, now + 2 * HOUR, "451 later")
    close(books, task, now + HOUR)
    assert [mail.id for mail in books.outbox.queued()] == [mail_id]


def test_a_mail_that_went_while_it_was_taken_back_counts_as_sent(books: Books, now: datetime, task: int) -> None:
    (mail_id,) = books.outbox.put([replace(MAIL, task=task, not_before=now + HOUR)], at=now)
    close(books, task, now + HOUR)
    books.outbox.settle([MailEnd(mail=mail_id, at=now + HOUR)], read_clock=lambda: now + HOUR)
    assert books.outbox.counts(since=now, until=now + SECOND) == (1, 1, 0)
    assert books.tasks.reopen(task, now=now + HOUR + SECOND)
    assert books.outbox.queued() == []


def test_undo_puts_the_mails_back(books: Books, now: datetime, task: int) -> None:
    (mail_id,) = books.outbox.put([replace(MAIL, task=task, not_before=now + HOUR)], at=now)
    close(books, task, now)
    assert not books.tasks.reopen(task, now=now + 31 * SECOND)
    assert books.outbox.queued() == []
    assert books.tasks.reopen(task, now=now + SECOND)
    assert [mail.id for mail in books.outbox.due(now + HOUR)] == [mail_id]


def test_mails_go_in_the_order_they_became_due_up_to_a_limit(books: Books, now: datetime) -> None:
    last, first, second = put(books, now + 2 * SECOND), put(books, now), put(books, now)
    assert [mail.id for mail in books.outbox.due(now + HOUR)] == [first, second, last]
    assert [mail.id for mail in books.outbox.due(now + HOUR, limit=2)] == [first, second]


def test_mails_of_many_go_after_all_that_people_wait_for(books: Books, now: datetime) -> None:
    many = books.outbox.put([replace(MAIL, bulk=True)] * 3, at=now)
    urgent = put(books, now + HOUR)
    assert [mail.id for mail in books.outbox.due(now + HOUR)] == [urgent]
    books.outbox.sent(urgent, now + HOUR)
    assert [mail.id for mail in books.outbox.due(now + HOUR)] == many


def test_a_series_leaves_no_faster_than_asked_for_and_holds_no_other_back(books: Books, now: datetime) -> None:
    slow = books.outbox.put([replace(MAIL, bulk=True, series="slow", per_minute=2)] * 5, at=now)
    other = books.outbox.put([replace(MAIL, bulk=True, series="other")] * 2, at=now + SECOND)
    minute, left = timedelta(minutes=1), list[list[int]]()
    for at in (now + SECOND, now + SECOND, now + minute, now + minute + SECOND, now + 2 * minute + SECOND):
        ids = [mail.id for mail in books.outbox.due(at, limit=3)]
        books.outbox.settle([MailEnd(mail=mail_id, at=at) for mail_id in ids], read_clock=lambda: now)
        left.append(ids)
    assert left == [slow[:2], other, [], slow[2:4], slow[4:]]


def test_what_is_read_is_bounded_by_the_limit(books: Books, now: datetime) -> None:
    books.outbox.put([replace(MAIL, bulk=True, series="slow", per_minute=1)] * 50, at=now)
    assert len(books.outbox.due(now, limit=7)) == 1
    books.outbox.put([replace(MAIL, bulk=True)] * 50, at=now)
    assert len(books.outbox.due(now, limit=7)) <= 7
