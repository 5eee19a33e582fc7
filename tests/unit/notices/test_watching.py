"""Another's mail log: what proves that a reminder went, and what proves nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsrunner.model.notice import Occasion, Recipient
from opsrunner.notices.due import Rules
from opsrunner.notices.messages import Message
from opsrunner.notices.watching import LogColumns, MailLog, whole_words
from opsrunner.notices.words import parse_ladder

KARI = "kari@example.com"
AT = datetime(2027, 1, 31, 12, tzinfo=UTC)
OCCASION = Occasion(notice="watch.notice", key="a.example", at=AT)


def log(*sent: tuple[int, str], hours: int = 26) -> MailLog:
    """Return a log with mails so many days before the moment."""
    rules = Rules(ladder=parse_ladder(["30d", "14d", "7d", "1d"], has_until=False), zone=ZoneInfo("UTC"))
    found = MailLog(
        within=timedelta(hours=hours), words_of=lambda message: str(message.recipient.row["domain"]), rules=rules
    )
    rows = [{"to": KARI, "subject": subject, "sent_at": AT - timedelta(days=days)} for days, subject in sent]
    found.read(rows, LogColumns())
    return found


def rung(days: int, *, domain: str = "a.example", key: str = "a.example") -> Message:
    """Return the rung so many days before the moment."""
    recipient = Recipient(address=KARI, row={"domain": domain})
    occasion = replace(OCCASION, key=key)
    return Message(occasion=occasion, recipient=recipient, rung=f"{days}d", due_at=AT - timedelta(days=days))


def went(mails: MailLog, days: int, *, now: int, domain: str = "a.example", key: str = "a.example") -> bool | None:
    """Tell whether the rung so many days before went, asked so many days before the moment."""
    return mails.went(rung(days, domain=domain, key=key), now=AT - timedelta(days=now))


def test_the_mail_of_the_next_rung_does_not_prove_the_one_before() -> None:
    mails = log((7, "a.example runs out"))
    assert went(mails, 14, now=6) is False
    assert went(mails, 7, now=6) is True


def test_a_mail_that_goes_late_still_counts_before_the_next_rung() -> None:
    mails = log((11, "a.example runs out"))
    assert went(mails, 14, now=10) is True
    assert went(mails, 7, now=7) is None
    assert went(mails, 7, now=5) is False


def test_a_mail_long_after_the_moment_proves_no_reminder_before_it() -> None:
    assert went(log((-20, "a.example runs out")), 1, now=-21) is False
    assert went(log((-1, "a.example runs out"), hours=48), 1, now=-21) is True, "it may be so late"


def test_one_mail_proves_one_of_two_occasions_that_are_looked_for_by_the_same_words() -> None:
    mails = log((7, "Your hosting runs out"))
    assert went(mails, 7, now=5, domain="hosting", key="first") is True
    assert went(mails, 7, now=5, domain="hosting", key="second") is False
    assert went(mails, 7, now=5, domain="hosting", key="first") is True, "it was asked again"
    two = log((7, "Your hosting runs out"), (7, "Your Hosting runs out"))
    assert [went(two, 7, now=5, domain="hosting", key=key) for key in ("first", "second")] == [True, True]


def test_one_mail_proves_all_that_it_names() -> None:
    mails = log((7, "a.example and b.example run out"))
    assert [went(mails, 7, now=5, domain=name, key=name) for name in ("a.example", "b.example")] == [True, True]


def test_what_was_proven_before_keeps_its_mail() -> None:
    mails = log((7, "Your hosting runs out"))
    mails.keep(rung(7, domain="hosting", key="second"))
    assert went(mails, 7, now=5, domain="hosting", key="first") is False
    assert went(mails, 7, now=5, domain="hosting", key="second") is True


@pytest.mark.parametrize("hours", [1, 26, 80, 24 * 20, 24 * 100])
@pytest.mark.parametrize("day", range(-2, 40))
def test_one_mail_proves_one_rung_however_long_within_is(hours: int, day: int) -> None:
    mails = log((day, "a.example"), hours=hours)
    assert sum(went(mails, rung, now=-200) is True for rung in (30, 14, 7, 1)) <= 1


def test_without_a_word_nothing_is_proven() -> None:
    mails = log((30, "Your invoice"))
    assert [went(mails, 30, now=20, domain=word) for word in ("", "  ", "-")] == [False, False, False]


@pytest.mark.parametrize(
    ("text", "subject", "holds"),
    [
        ("123", "invoice 1234", False),
        ("123", "invoice 0123", False),
        ("123", "invoice #123: due", True),
        ("123", "invoice (123).", True),
        ("123", "123.45 eur", False),
        ("INV-12", "your invoice inv-12", True),
        ("INV-12", "your invoice inv-12-b", False),
        ("a.example", "a.example", True),
        ("a.example", "renew a.example.", True),
        ("a.example", "renew a.example - now", True),
        ("a.example", "a.example.com", False),
        ("a.example", "www.a.example", False),
        ("a.example", "my-a.example", False),
        ("a.example", "xn--a.example", False),
        ("a.example", "aXexample".casefold(), False),
        ("A.Example", "first my-a.example, then a.example", True),
        ("blåbær.example", "kjøp blåbær.example nå", True),
    ],
)
def test_a_subject_holds_whole_words(text: str, subject: str, holds: bool) -> None:
    assert whole_words(text)(subject) is holds
