"""The outbox over a real ledger and a real SMTP server, with hours that pass in a moment."""

from __future__ import annotations

import email
import email.policy
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.outbox import deliver_due
from opsrunner.errors import MailFailed, StateError
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.outbox import Outbox
from opsrunner.ledger.suppressions import Suppressions
from opsrunner.mail.maildir import MaildirTransport
from opsrunner.mail.smtp import SmtpTransport
from opsrunner.mail.transport import Transport, nothing
from opsrunner.model.mail import NewMail, QueuedMail
from opsrunner.model.notice import RECIPIENT, Suppression
from opsrunner.model.site import SmtpSettings
from opsrunner.secrets import Vault
from opsrunner.testing import FakeClock, MemoryMail

START = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "ledger.db")
    yield found
    found.close()


@pytest.fixture
def outbox(ledger: Ledger) -> Outbox:
    return Outbox(ledger)


class Post:
    """The loop of a daemon: passes over the outbox, one a minute of the clock."""

    def __init__(self, outbox: Outbox, transport: Transport, clock: FakeClock) -> None:
        self.outbox, self.transport, self.clock = outbox, transport, clock

    def once(self) -> int:
        return deliver_due(self.outbox, self.transport, from_="ops@example.com", clock=self.clock)

    def through(self, span: timedelta) -> list[timedelta]:
        """Return after how long something was tried, within `span`."""
        tried: list[timedelta] = []
        until = self.clock.now() + span
        while self.clock.now() < until:
            tried += [self.clock.now() - START] * self.once()
            self.clock.move(minutes=1)
        return tried


def post_to(server: Any, outbox: Outbox, clock: FakeClock, vault: Vault) -> Post:
    return Post(outbox, SmtpTransport(server.settings, vault=vault), clock)


def letter(to: str = "boss@example.com", subject: str = "2 need you", **more: Any) -> NewMail:
    return NewMail(to=to, subject=subject, text="Text", about="digest daily", **more)


def read(mail: Any) -> EmailMessage:
    message = email.message_from_bytes(bytes(mail.content), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_it_keeps_a_mail_through_six_hours_without_a_server(
    outbox: Outbox, clock: FakeClock, closed_port: int, start_smtp: Any, vault: Vault
) -> None:
    settings = SmtpSettings(host="127.0.0.1", port=closed_port, security="none")
    post = Post(outbox, SmtpTransport(settings, vault=vault), clock)
    outbox.put([letter()], at=START)
    tried = post.through(6 * HOUR)
    assert tried[:5] == [0 * MINUTE, 1 * MINUTE, 6 * MINUTE, 21 * MINUTE, 81 * MINUTE]
    assert all(later - earlier == HOUR for earlier, later in pairwise(tried[3:]))
    (waiting,) = outbox.queued()
    assert "Connection refused" in waiting.error

    server = start_smtp(port=closed_port)
    post.through(HOUR + MINUTE)
    (arrived,) = server.mailbox.mails
    assert read(arrived)["Date"].datetime == START
    assert read(arrived)["Message-ID"] == f"<{waiting.message_id}@example.com>"
    assert outbox.queued() == []


def test_it_asks_a_dead_server_once_a_pass_not_once_a_mail(
    outbox: Outbox, clock: FakeClock, closed_port: int, start_smtp: Any, vault: Vault
) -> None:
    settings = SmtpSettings(host="127.0.0.1", port=closed_port, security="none")
    post = Post(outbox, SmtpTransport(settings, vault=vault), clock)
    outbox.put([letter(subject=f"{number}") for number in range(5)], at=START)
    assert post.once() == 1
    assert [mail.attempts for mail in outbox.queued()] == [1, 0, 0, 0, 0]
    server = start_smtp(port=closed_port)
    post.through(2 * MINUTE)
    assert sorted(read(mail)["Subject"] for mail in server.mailbox.mails) == ["0", "1", "2", "3", "4"]


def test_it_delivers_once_after_greylisting(outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault) -> None:
    server = start_smtp()
    server.mailbox.recipient_answers["boss@example.com"] = ["451 4.7.1 greylisted"]
    outbox.put([letter()], at=START)
    assert post_to(server, outbox, clock, vault).through(10 * MINUTE) == [0 * MINUTE, MINUTE]
    assert len(server.mailbox.mails) == 1
    assert outbox.counts(since=START, until=START + DAY) == (1, 1, 0)


def test_it_gives_up_at_once_on_a_refusal_for_good(
    outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    server = start_smtp()
    server.mailbox.recipient_answers["boss@example.com"] = ["550 5.1.1 no such user"]
    outbox.put([letter()], at=START)
    assert len(post_to(server, outbox, clock, vault).through(HOUR)) == 1
    (failed,) = outbox.given_up(since=START - DAY, until=START + 9 * DAY)
    assert "550 5.1.1 no such user" in failed.error
    assert "cannot be delivered" in caplog.text
    assert server.mailbox.mails == []


def test_it_delivers_to_the_others_when_one_of_three_is_refused(
    outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault
) -> None:
    server = start_smtp()
    server.mailbox.recipient_answers["gone@example.com"] = ["550 no such user"]
    outbox.put([letter(to) for to in ("boss@example.com", "gone@example.com", "ops1@example.com")], at=START)
    post_to(server, outbox, clock, vault).through(2 * DAY)
    assert [mail.rcpt_tos for mail in server.mailbox.mails] == [["boss@example.com"], ["ops1@example.com"]]
    assert [mail.to for mail in outbox.given_up(since=START - DAY, until=START + 9 * DAY)] == ["gone@example.com"]


def test_it_gives_up_after_five_days_and_shows_it(
    outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault
) -> None:
    server = start_smtp()
    server.mailbox.recipient_answers["boss@example.com"] = ["451 not now"] * 500
    outbox.put([letter()], at=START)
    post = post_to(server, outbox, clock, vault)
    clock.set(START + 5 * DAY - HOUR)
    post.once()
    assert len(outbox.queued()) == 1
    clock.set(START + 5 * DAY)
    post.once()
    assert outbox.queued() == []
    assert "451 not now" in outbox.given_up(since=START - DAY, until=START + 9 * DAY)[0].error


def test_it_counts_the_five_days_from_the_end_of_quiet_hours(
    outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault
) -> None:
    server = start_smtp()
    server.mailbox.recipient_answers["boss@example.com"] = ["451 not now"]
    outbox.put([letter(not_before=START + 6 * DAY)], at=START)
    post = post_to(server, outbox, clock, vault)
    assert post.once() == 0
    clock.set(START + 6 * DAY)
    assert post.through(2 * MINUTE) == [6 * DAY, 6 * DAY + MINUTE]
    assert len(server.mailbox.mails) == 1


def test_it_holds_nothing_back_for_a_mail_that_cannot_be_made(
    outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault
) -> None:
    server = start_smtp()
    outbox.put([letter("a, b@evil"), letter("boss@example.com", subject="x\r\nBcc: evil@example.net")], at=START)
    post_to(server, outbox, clock, vault).once()
    assert [mail.rcpt_tos for mail in server.mailbox.mails] == [["boss@example.com"]]
    assert "Bcc" not in read(server.mailbox.mails[0])
    assert [mail.to for mail in outbox.given_up(since=START - DAY, until=START + 9 * DAY)] == ["a, b@evil"]


def test_it_goes_on_when_a_mail_trips_up_the_program_itself(
    outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault
) -> None:
    server = start_smtp()
    smtp = SmtpTransport(server.settings, vault=vault)

    class Tripping:
        def deliver(self, message: EmailMessage, *, to: str, **_: Any) -> None:
            if message["Subject"] == "poison":
                raise KeyError("a mistake of ours")
            smtp.deliver(message, to=to)

        def close(self) -> None:
            smtp.close()

    outbox.put([letter(subject="poison"), letter(subject="wholesome")], at=START)
    Post(outbox, Tripping(), clock).once()
    assert [read(mail)["Subject"] for mail in server.mailbox.mails] == ["wholesome"]
    (waiting,) = outbox.queued()
    assert "a mistake of ours" in waiting.error


def test_what_is_put_in_at_the_try_goes_with_the_mail_and_is_kept_nowhere(
    outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault
) -> None:
    server = start_smtp()
    outbox.put([letter(unique="sign-in boss 1")], at=START)
    transport = SmtpTransport(server.settings, vault=vault)

    def complete(mail: QueuedMail) -> QueuedMail:
        return replace(mail, text=f"{mail.text} for {mail.unique}")

    deliver_due(outbox, transport, from_="ops@example.com", clock=clock, complete=complete)
    (arrived,) = server.mailbox.mails
    assert read(arrived).get_content().strip() == "Text for sign-in boss 1"
    assert outbox.waiting() == 0
    assert "for sign-in" not in outbox._ledger.all("SELECT text FROM outbox")[0]["text"]


@pytest.mark.parametrize(
    ("error", "is_given_up"), [(MailFailed("gone", permanent=True), True), (MailFailed("not now"), False)]
)
def test_a_mail_that_cannot_be_completed_is_as_one_that_cannot_be_sent(
    outbox: Outbox, clock: FakeClock, error: MailFailed, is_given_up: bool, tmp_path: Path
) -> None:
    outbox.put([letter()], at=START)

    def complete(mail: QueuedMail) -> QueuedMail:
        raise error

    transport = MaildirTransport(tmp_path / "maildir")
    deliver_due(outbox, transport, from_="ops@example.com", clock=clock, complete=complete)
    assert (len(outbox.given_up(since=START - DAY, until=START + 9 * DAY)) == 1) is is_given_up
    assert (outbox.waiting() == 1) is not is_given_up


def test_a_ledger_that_cannot_be_written_gives_no_mail_up(outbox: Outbox, clock: FakeClock, tmp_path: Path) -> None:
    outbox.put([letter()], at=START)

    def complete(mail: QueuedMail) -> QueuedMail:
        raise StateError("ledger.db: database or disk is full; make room on the disk")

    transport = MaildirTransport(tmp_path / "maildir")
    with pytest.raises(StateError):
        deliver_due(outbox, transport, from_="ops@example.com", clock=clock, complete=complete)
    (waiting,) = outbox.queued()
    assert waiting.error == ""


def left_off(outbox: Outbox, *sent: str, then: str | None = None) -> None:
    """Leave the journal as a sender does that was killed: these went, and the next was about to."""
    with outbox.journal() as journal:
        assert journal.take()
        for message_id in sent:
            journal.begin(message_id, START)
            journal.note(message_id, START)
        if then is not None:
            journal.begin(then, START)


def test_what_a_killed_sender_handed_over_goes_no_second_time(outbox: Outbox, clock: FakeClock) -> None:
    outbox.put([letter(subject=f"{number}") for number in range(5)], at=START)
    ids = [mail.message_id for mail in outbox.queued()]
    left_off(outbox, *ids[:3], then=ids[3])
    mail = MemoryMail()
    clock.move(minutes=1)
    Post(outbox, mail, clock).once()
    assert [message["Subject"] for _, message in mail.delivered] == ["4", "3"]
    assert mail.delivered[1][1]["Message-ID"] == f"<{ids[3]}@example.com>"
    assert outbox.counts(since=START, until=START + DAY) == (5, 5, 0)
    assert [row[0] for row in outbox._ledger.all("SELECT attempts FROM outbox ORDER BY id")] == [1, 1, 1, 2, 1]
    assert outbox._ledger.all("SELECT sent_at FROM outbox")[0][0].startswith("2026-11-21T01:00")


def test_a_mail_that_ends_its_sender_again_and_again_holds_the_others_back_no_longer(
    outbox: Outbox, clock: FakeClock
) -> None:
    outbox.put([letter(subject="poison"), letter(subject="wholesome")], at=START)
    poison = outbox.queued()[0].message_id

    class Killed(BaseException):
        """The end of the process."""

    class Killing(MemoryMail):
        def deliver(self, message: EmailMessage, *, to: str, **_: Any) -> None:
            if message["Subject"] == "poison":
                raise Killed
            super().deliver(message, to=to)

    mail = Killing()
    for _ in range(4):
        with pytest.raises(Killed):
            Post(outbox, mail, clock).once()
    assert Post(outbox, mail, clock).once() == 1
    assert [message["Subject"] for _, message in mail.delivered] == ["wholesome"]
    (waiting,) = outbox.queued()
    assert (waiting.message_id, waiting.error) == (poison, "opsrunner ended while it was handed over")
    assert waiting.next_try_at > clock.now()


def test_the_journal_of_another_ledger_says_nothing(outbox: Outbox, clock: FakeClock) -> None:
    outbox.put([letter()], at=START)
    left_off(outbox, "0123456789abcdef0123456789abcdef.fedcba987654", then="f" * 32 + ".fedcba987654")
    mail = MemoryMail()
    assert Post(outbox, mail, clock).once() == 1
    assert len(mail.delivered) == 1


def test_two_senders_at_once_hand_nothing_over_twice(outbox: Outbox, clock: FakeClock) -> None:
    outbox.put([letter(subject=f"{number}") for number in range(200)], at=START)
    mail = MemoryMail()
    threads = [threading.Thread(target=Post(outbox, mail, clock).once) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Post(outbox, mail, clock).once()
    assert sorted(int(message["Subject"]) for _, message in mail.delivered) == list(range(200))


def test_a_ledger_that_cannot_take_the_ends_makes_nothing_go_twice(
    outbox: Outbox, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full for the ledger has room in the journal: its place was taken before."""
    outbox.put([letter(subject=f"{number}") for number in range(3)], at=START)
    mail = MemoryMail()

    def full(self: Outbox, ends: Any, **_: Any) -> None:
        raise StateError("ledger.db: database or disk is full; make room on the disk")

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "settle", full)
        for _ in range(3):
            with pytest.raises(StateError):
                Post(outbox, mail, clock).once()
    assert len(mail.delivered) == 3
    Post(outbox, mail, clock).once()
    assert len(mail.delivered) == 3
    assert outbox.waiting() == 0


def test_an_alert_goes_before_ten_thousand_notices(outbox: Outbox, clock: FakeClock) -> None:
    outbox.put([letter(subject="notice", bulk=True)] * 500, at=START)
    mail = MemoryMail()

    class Asked(MemoryMail):
        def deliver(self, message: EmailMessage, *, to: str, **_: Any) -> None:
            mail.deliver(message, to=to)
            if len(mail.delivered) == 20:
                outbox.put([letter(subject="alert")], at=clock.now())

    Post(outbox, Asked(), clock).once()
    subjects = [message["Subject"] for _, message in mail.delivered]
    assert len(subjects) == 501
    assert subjects.index("alert") <= 16 + 32


@pytest.mark.parametrize(
    ("gone", "goes"),
    [
        (Suppression(address="kari@example.com", notice="n.n", why="left", by=RECIPIENT, at=START), ["a", "c"]),
        (Suppression(address="kari@example.com", notice="o.o", why="left", by=RECIPIENT, at=START), ["a", "b", "c"]),
        (Suppression(address="kari@example.com", why="bounces", by="boss", at=START), ["c"]),
        (Suppression(address="kari@example.com", why="late", by="boss", at=START, until=START), ["a", "b", "c"]),
        (Suppression(address="kari@example.com", notice="n.n", key="k", why="x", by="boss", at=START), ["a", "b", "c"]),
    ],
    ids=["left this notice", "left another", "gets none at all", "is over", "one occasion alone"],
)
def test_who_left_while_a_pass_was_queueing_gets_nothing(
    outbox: Outbox, ledger: Ledger, clock: FakeClock, gone: Suppression, goes: list[str]
) -> None:
    outbox.put(
        [
            letter("Kari@example.com", "a", bulk=True, series="n.n"),  # contractual: there is no link to leave by
            letter("Kari@example.com", "b", bulk=True, series="n.n", list_unsubscribe="https://x.example/leave/y"),
            letter("kari@example.com", "c"),  # hers by name, and not one of many
        ],
        at=START,
    )
    Suppressions(ledger).add([gone])
    post = MemoryMail()
    Post(outbox, post, clock).once()
    assert sorted(mail["Subject"] for _, mail in post.delivered) == goes
    assert outbox.waiting() == 0


def test_thousands_who_left_hold_nobody_up(outbox: Outbox, ledger: Ledger, clock: FakeClock) -> None:
    outbox.put([letter(f"c{number}@example.com", bulk=True, series="n.n") for number in range(2_000)], at=START)
    gone = (Suppression(address=f"c{number}@example.com", why="x", by="boss", at=START) for number in range(1_999))
    Suppressions(ledger).add(gone)
    post = MemoryMail()
    assert Post(outbox, post, clock).once() == 1
    assert [to for to, _ in post.delivered] == ["c1999@example.com"]
    assert outbox.waiting() == 0


def test_a_sender_that_is_told_to_stop_ends_between_batches(outbox: Outbox, clock: FakeClock) -> None:
    outbox.put([letter(bulk=True)] * 100, at=START)
    tried = deliver_due(outbox, MemoryMail(), from_="ops@example.com", clock=clock, goes_on=lambda: False)
    assert tried == 16
    assert outbox.waiting() == 84


def test_a_slow_server_is_given_a_second_and_then_the_ledger_knows(outbox: Outbox, clock: FakeClock) -> None:
    outbox.put([letter(bulk=True)] * 10, at=START)
    known: list[int] = []

    class Slow(MemoryMail):
        def deliver(self, message: EmailMessage, *, to: str, **_: Any) -> None:
            known.append(10 - outbox.waiting())
            clock.move(seconds=0.4)
            super().deliver(message, to=to)

    Post(outbox, Slow(), clock).once()
    assert known == [0, 0, 0, 3, 3, 3, 6, 6, 6, 9]


def test_b76_three_hundred_recipients_wait_six_hours_for_a_server(
    outbox: Outbox, clock: FakeClock, closed_port: int, start_smtp: Any, vault: Vault
) -> None:
    hold_through_an_outage(outbox, clock, start_smtp=start_smtp, port=closed_port, vault=vault, count=300)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_b76_at_ten_thousand(outbox: Outbox, clock: FakeClock, closed_port: int, start_smtp: Any, vault: Vault) -> None:
    hold_through_an_outage(outbox, clock, start_smtp=start_smtp, port=closed_port, vault=vault, count=10_000)


def hold_through_an_outage(
    outbox: Outbox, clock: FakeClock, *, start_smtp: Any, port: int, vault: Vault, count: int
) -> None:
    """Queue a notice for `count` recipients, be without a server for six hours, and see that each gets one mail."""
    settings = SmtpSettings(host="127.0.0.1", port=port, security="none")
    post = Post(outbox, SmtpTransport(settings, vault=vault), clock)
    outbox.put([letter(f"c{number}@example.com", bulk=True) for number in range(count)], at=START)
    ids = {mail.to: mail.message_id for mail in outbox.queued()}
    post.through(6 * HOUR)
    assert outbox.waiting() == count
    server = start_smtp(port=port)
    post.through(2 * HOUR)
    assert_each_has_one(server.mailbox.mails, ids)
    assert outbox.waiting() == 0


def assert_each_has_one(mails: list[Any], ids: dict[str, str]) -> None:
    """Each recipient has one mail, with the Message-ID and the date that it was queued with."""
    assert sorted(mail.rcpt_tos[0] for mail in mails) == sorted(ids)
    for mail in mails:
        message = read(mail)
        assert message["Message-ID"] == f"<{ids[mail.rcpt_tos[0]]}@example.com>"
        assert message["Date"].datetime == START


def refuse_some(outbox: Outbox, clock: FakeClock, *, start_smtp: Any, vault: Vault, count: int) -> None:
    """Queue a notice for `count` recipients of whom a third is greylisted and a third refused for good."""
    server = start_smtp()
    outbox.put([letter(f"c{number}@example.com", bulk=True) for number in range(count)], at=START)
    ids = {mail.to: mail.message_id for mail in outbox.queued()}
    grey, gone = [f"c{number}@example.com" for number in range(0, count, 3)], set[str]()
    for to in grey:
        server.mailbox.recipient_answers[to] = ["451 4.7.1 greylisted"]
    for number in range(1, count, 3):
        gone.add(f"c{number}@example.com")
        server.mailbox.recipient_answers[f"c{number}@example.com"] = ["550 5.1.1 no such user"] * 9
    post_to(server, outbox, clock, vault).through(10 * MINUTE)
    assert_each_has_one(server.mailbox.mails, {to: name for to, name in ids.items() if to not in gone})
    assert {mail.to for mail in outbox.given_up(since=START - DAY, until=START + 9 * DAY)} == gone
    assert outbox.waiting() == 0
    assert server.mailbox.tries == count + len(grey)


def test_b77_refusals_for_now_and_for_good_stop_no_other(
    outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault
) -> None:
    refuse_some(outbox, clock, start_smtp=start_smtp, vault=vault, count=300)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_b77_at_ten_thousand(outbox: Outbox, clock: FakeClock, start_smtp: Any, vault: Vault) -> None:
    refuse_some(outbox, clock, start_smtp=start_smtp, vault=vault, count=10_000)


def test_a_notice_is_made_while_the_one_before_is_taken_and_a_mail_that_people_wait_for_is_not(
    outbox: Outbox, clock: FakeClock
) -> None:
    """A sign-in link is made for each try; one that was made too early would have been made for nothing."""
    events: list[str] = []

    class Listening(MemoryMail):
        def deliver(self, message: EmailMessage, *, to: str, meanwhile: Callable[[], None] = nothing) -> None:
            events.append(f"begin {message['Subject']}")
            super().deliver(message, to=to, meanwhile=meanwhile)
            events.append(f"end {message['Subject']}")

    def complete(mail: QueuedMail) -> QueuedMail:
        events.append(f"make {mail.subject}")
        return mail

    for bulk in (False, True):
        outbox.put([letter(subject=f"{name}", bulk=bulk) for name in "ab"], at=START)
        deliver_due(outbox, Listening(), from_="ops@example.com", clock=clock, complete=complete)
    assert events[:6] == ["make a", "begin a", "end a", "make b", "begin b", "end b"]
    assert events[6:] == ["make a", "begin a", "make b", "end a", "begin b", "end b"]


def test_a_notice_that_cannot_be_made_ahead_fails_in_its_own_turn(outbox: Outbox, clock: FakeClock) -> None:
    outbox.put([letter(subject="first", bulk=True), letter(to="nobody", bulk=True), letter(bulk=True)], at=START)
    mail = MemoryMail()
    assert deliver_due(outbox, mail, from_="ops@example.com", clock=clock) == 3
    assert len(mail.delivered) == 2
    assert [one.to for one in outbox.given_up(since=START - DAY, until=START + 9 * DAY)] == ["nobody"]
