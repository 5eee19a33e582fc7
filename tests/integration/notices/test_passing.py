"""Passes of a notice over a real ledger: each recipient is told once, whatever moves, stops or comes again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from opsrunner.errors import ExpressionError
from opsrunner.ledger.books import Books
from opsrunner.model.mail import NewMail
from opsrunner.model.notice import NoticeTally, Occasion, Recipient, Suppression, Told, ToldStatus
from opsrunner.notices.desk import PassDesk
from opsrunner.notices.due import Rules
from opsrunner.notices.messages import Message, NoticeSettings
from opsrunner.notices.passing import NoticePass
from opsrunner.notices.words import parse_ladder

NOTICE = "renewals.notice"
OSLO = ZoneInfo("Europe/Oslo")
KARI, OLA = "kari@example.com", "ola@example.com"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    found = Books.open(tmp_path / "ledger.db")
    yield found
    found.ledger.close()


def compose(message: Message) -> NewMail:
    if "broken" in message.recipient.row:
        raise ExpressionError("renewal.txt.j2: 'colour' is undefined")
    subject = f"{message.change or message.rung} {message.occasion.key}"
    text = str(message.recipient.row.get("of", "t"))
    return NewMail(to=message.recipient.address, subject=subject, text=text, about=NOTICE, bulk=True, series=NOTICE)


class Watched:
    """Another's log, by hand: what went, and until when the rest may still go."""

    def __init__(self, *went: tuple[str, str], patient: bool = False) -> None:
        self.sent, self.patient = set(went), patient

    def keep(self, message: Message) -> None:
        """Nothing is shared: it tells by the rung."""

    def went(self, message: Message, *, now: datetime) -> bool | None:
        if (message.recipient.address, message.rung) in self.sent:
            return True
        return None if self.patient else False


def domain(key: str, at: str, *addresses: str, until: str = "") -> Occasion:
    recipients = tuple(Recipient(address=address, name="N", row={"domain": key}) for address in addresses or (KARI,))
    return Occasion(notice=NOTICE, key=key, at=utc(at), until=utc(until) if until else None, recipients=recipients)


def look(
    books: Books,
    now: str,
    occasions: Sequence[Occasion],
    *,
    words: Sequence[str] = ("30d", "14d", "7d", "1d"),
    watcher: Watched | None = None,
    tells: bool = False,
    holds: bool = False,
    remembers: bool = True,
    contractual: bool = False,
    finish: bool = True,
) -> PassDesk:
    has_until = any(occasion.until for occasion in occasions) or "end" in words
    settings = NoticeSettings(
        notice=NOTICE,
        rules=Rules(ladder=parse_ladder(words, has_until=has_until), zone=OSLO),
        tells_moves=tells,
        holds=holds,
        remembers=remembers,
        contractual=contractual,
    )
    desk = PassDesk(
        settings,
        notices=books.notices,
        suppressions=books.suppressions,
        compose=compose,
        now=utc(now),
        watcher=watcher,
    )
    passing = NoticePass(desk)
    passing.take(occasions)
    if finish:
        passing.finish()
    return desk


def mails(books: Books) -> list[str]:
    return [f"{mail.to} {mail.subject}" for mail in books.outbox.queued()]


def told(books: Books, key: str) -> list[str]:
    found: list[Told] = books.notices.told(NOTICE, [key]).get(key, [])
    return [f"{one.edition} {one.rung} {one.recipient} {one.status.value} {one.why}".strip() for one in found]


def test_each_rung_goes_once_however_often_it_is_looked_at(books: Books) -> None:
    row = domain("a.example", "2026-12-31T12:00")
    for day in range(1, 32):
        for hour in (8, 9):
            look(books, f"2026-12-{day:02d}T{hour:02d}:00", [row])
    assert mails(books) == [
        f"{KARI} 30d a.example",
        f"{KARI} 14d a.example",
        f"{KARI} 7d a.example",
        f"{KARI} 1d a.example",
    ]


def test_every_rung_that_is_sent_names_its_mail(books: Books) -> None:
    desk = look(books, "2026-12-02T08:00", [domain("a.example", "2026-12-31T12:00")])
    assert desk.tally == NoticeTally(sent=1, waiting=1)
    (one,) = books.notices.told(NOTICE, ["a.example"])["a.example"]
    (mail,) = books.outbox.queued()
    assert one.outbox == mail.id
    assert (one.status, one.name, one.due_at) == (ToldStatus.SENT, "N", utc("2026-12-01T12:00"))


def test_after_days_of_silence_the_newest_goes_and_the_older_ones_are_missed(books: Books) -> None:
    row = domain("a.example", "2026-12-31T12:00")
    look(books, "2026-11-20T08:00", [row])
    desk = look(books, "2026-12-25T08:00", [row])
    assert told(books, "a.example") == [
        f"1 30d {KARI} missed coalesced",
        f"1 14d {KARI} missed coalesced",
        f"1 7d {KARI} sent",
    ]
    assert (desk.tally.missed, desk.tally.too_late, desk.tally.sent) == (2, 0, 1)


def test_what_was_due_when_nobody_could_send_is_missed_and_said_so(books: Books) -> None:
    row = domain("a.example", "2026-12-31T12:00")
    look(books, "2026-12-25T08:00", [row])
    desk = look(books, "2027-01-02T08:00", [row])
    assert told(books, "a.example")[-1] == f"1 1d {KARI} missed too_late"
    assert desk.tally.too_late == 1


def test_a_customer_in_two_audiences_gets_one_mail(books: Books) -> None:
    first = domain("window", "2026-12-03T12:00", KARI)
    second = domain("window", "2026-12-03T12:00", KARI, OLA)
    look(books, "2026-12-02T13:00", [first, second], words=["24h"])
    look(books, "2026-12-02T14:00", [second, first], words=["24h"])
    assert mails(books) == [f"{KARI} 24h window", f"{OLA} 24h window"]


def test_two_moments_for_one_thing_are_a_problem_and_the_first_counts(books: Books) -> None:
    desk = look(books, "2026-12-02T08:00", [domain("a", "2026-12-31T12:00"), domain("a", "2026-12-30T12:00", OLA)])
    assert [problem.problem for problem in desk.problems] == ["two rows give it different moments"]
    assert mails(books) == [f"{KARI} 30d a"]


def test_the_clock_that_steps_back_sends_nothing_twice(books: Books) -> None:
    row = domain("a.example", "2026-12-31T12:00")
    for now in ("2026-12-17T13:00", "2026-12-10T08:00", "2026-12-17T13:00", "2026-12-24T13:00", "2026-12-01T13:00"):
        look(books, now, [row])
    assert mails(books) == [f"{KARI} 14d a.example", f"{KARI} 7d a.example"]


def test_a_renewed_domain_begins_anew_next_year(books: Books) -> None:
    look(books, "2026-12-02T08:00", [domain("a", "2026-12-31T12:00")])
    look(books, "2026-12-10T08:00", [domain("a", "2027-12-31T12:00")])
    assert mails(books) == [f"{KARI} 30d a"], "quiet: nobody is told that it was renewed"
    look(books, "2027-12-02T08:00", [domain("a", "2027-12-31T12:00")])
    assert told(books, "a") == [f"1 30d {KARI} sent", f"2 30d {KARI} sent"]


def test_a_date_that_was_corrected_says_nothing_again(books: Books) -> None:
    look(books, "2026-12-02T08:00", [domain("a", "2026-12-31T12:00")])
    look(books, "2026-12-04T08:00", [domain("a", "2027-01-02T12:00")])
    look(books, "2026-12-05T08:00", [domain("a", "2026-12-31T12:00")])
    assert mails(books) == [f"{KARI} 30d a"]


def test_who_had_heard_is_told_that_it_moved_and_others_are_not(books: Books) -> None:
    words = ["7d", "24h"]
    look(books, "2026-12-03T13:00", [domain("w", "2026-12-10T12:00", KARI)], words=words, tells=True)
    moved = domain("w", "2026-12-12T12:00", KARI, OLA)
    for now in ("2026-12-04T08:00", "2026-12-04T09:00"):
        look(books, now, [moved], words=words, tells=True)
    assert mails(books) == [f"{KARI} 7d w", f"{KARI} moved w"]
    look(books, "2026-12-06T08:00", [moved], words=words, tells=True)
    look(books, "2026-12-11T13:00", [moved], words=words, tells=True)
    assert mails(books)[2:] == [f"{KARI} 7d w", f"{OLA} 7d w", f"{KARI} 24h w", f"{OLA} 24h w"]
    assert books.notices.occasions(NOTICE, ["w"])["w"].was_at == utc("2026-12-10T12:00")


def test_what_moved_nearer_says_so_once_and_not_its_rung_beside(books: Books) -> None:
    words = ["7d", "24h"]
    look(books, "2026-12-03T13:00", [domain("w", "2026-12-10T12:00", KARI)], words=words, tells=True)
    look(books, "2026-12-04T08:00", [domain("w", "2026-12-05T06:00", KARI)], words=words, tells=True)
    assert mails(books) == [f"{KARI} 7d w", f"{KARI} moved w"]


def test_who_had_heard_is_told_that_it_is_cancelled_once(books: Books) -> None:
    look(books, "2026-12-03T13:00", [domain("w", "2026-12-10T12:00", KARI)], words=["7d"], tells=True)
    look(books, "2026-12-03T14:00", [domain("late", "2026-12-30T12:00", OLA)], words=["7d"], tells=True)
    for hour in (15, 16):
        look(books, f"2026-12-03T{hour}:00", [], words=["7d"], tells=True)
    assert mails(books) == [f"{KARI} 7d w", f"{KARI} cancelled w"]
    assert books.notices.live_keys(NOTICE) == []


def test_who_hears_that_it_is_cancelled_reads_of_its_own_row_alone(books: Books) -> None:
    both = tuple(Recipient(address=address, name="N", row={"of": address}) for address in (KARI, OLA))
    occasion = Occasion(notice=NOTICE, key="w", at=utc("2026-12-10T12:00"), recipients=both)
    look(books, "2026-12-03T13:00", [occasion], words=["7d"], tells=True)
    look(books, "2026-12-03T14:00", [], words=["7d"], tells=True)
    cancelled = [mail for mail in books.outbox.queued() if mail.subject == "cancelled w"]
    assert [(mail.to, mail.text) for mail in cancelled] == [(KARI, KARI), (OLA, OLA)]


def own_row(key: str, address: str, at: str = "2026-12-10T12:00") -> Occasion:
    recipients = (Recipient(address=address, name="N", row={"of": address}),)
    return Occasion(notice=NOTICE, key=key, at=utc(at), recipients=recipients)


def cancelled(books: Books) -> list[tuple[str, str]]:
    return [(mail.to, mail.text) for mail in books.outbox.queued() if mail.subject.startswith("cancelled")]


def test_who_stands_in_a_row_of_its_own_reads_of_it_when_that_is_cancelled(books: Books) -> None:
    look(books, "2026-12-03T13:00", [own_row("w", KARI), own_row("w", OLA)], words=["7d"], tells=True)
    look(books, "2026-12-03T14:00", [], words=["7d"], tells=True)
    assert cancelled(books) == [(KARI, KARI), (OLA, OLA)]


def test_who_joins_later_reads_of_its_own_row_when_that_is_cancelled(books: Books) -> None:
    look(books, "2026-12-03T13:00", [own_row("w", KARI)], words=["7d"], tells=True)
    look(books, "2026-12-03T14:00", [own_row("w", KARI), own_row("w", OLA)], words=["7d"], tells=True)
    look(books, "2026-12-03T15:00", [], words=["7d"], tells=True)
    assert cancelled(books) == [(KARI, KARI), (OLA, OLA)]


def test_who_heard_and_stands_there_no_more_reads_of_its_last_row_when_what_moved_is_cancelled(books: Books) -> None:
    look(books, "2026-12-03T13:00", [own_row("w", KARI)], words=["7d"], tells=True)
    look(books, "2026-12-03T14:00", [own_row("w", OLA, "2026-12-09T12:00")], words=["7d"], tells=True)
    look(books, "2026-12-03T15:00", [], words=["7d"], tells=True)
    assert cancelled(books) == [(OLA, OLA), (KARI, KARI)] or cancelled(books) == [(KARI, KARI), (OLA, OLA)]


def strike(books: Books, key: str, until: str) -> None:
    struck = Suppression(address=KARI, notice=NOTICE, key=key, why="struck", by="boss", at=utc("2026-12-01T09:00"))
    books.suppressions.add([replace(struck, until=utc(until))])


def test_who_was_struck_hears_nothing_of_what_moved_either(books: Books) -> None:
    strike(books, "w", "2026-12-10T12:00")
    look(books, "2026-12-02T08:00", [domain("w", "2026-12-10T12:00", KARI, OLA)], words=["7d", "1d"], tells=True)
    moved = [domain("w", "2026-12-20T12:00", KARI, OLA)]
    for day in range(3, 21):
        look(books, f"2026-12-{day:02d}T13:00", moved, words=["7d", "1d"], tells=True)
    assert mails(books) == [f"{OLA} 7d w", f"{OLA} 1d w"]
    assert told(books, "w")[0] == f"2 7d {KARI} suppressed struck"


def test_a_strike_does_not_silence_the_next_period_of_a_key(books: Books) -> None:
    words = ["7d", "3d after"]
    strike(books, "hosting", "2026-12-20T12:00")  # seven days after its last rung
    look(books, "2026-12-09T08:00", [domain("hosting", "2026-12-10T12:00")], words=words)
    look(books, "2026-12-15T08:00", [domain("hosting", "2026-12-21T12:00")], words=words)
    assert mails(books) == [f"{KARI} 7d hosting"]


def test_what_is_cancelled_and_comes_back_is_told_again(books: Books) -> None:
    window = domain("w", "2026-12-10T12:00", KARI)
    look(books, "2026-12-03T13:00", [window], words=["7d"], tells=True)
    look(books, "2026-12-03T14:00", [], words=["7d"], tells=True)
    look(books, "2026-12-03T15:00", [window], words=["7d"], tells=True)
    assert mails(books) == [f"{KARI} 7d w", f"{KARI} cancelled w", f"{KARI} 7d w"]


def test_what_ended_and_comes_back_another_month_begins_anew(books: Books) -> None:
    """Nobody is told that it moved, and no rung of the old one stands for one of the new."""
    words = ["7d", "24h"]
    look(books, "2026-12-03T13:00", [domain("w", "2026-12-10T12:00")], words=words, tells=True)
    look(books, "2026-12-09T13:00", [domain("w", "2026-12-10T12:00")], words=words, tells=True)
    look(books, "2026-12-10T13:00", [], words=words, tells=True)
    for now in ("2027-01-03T13:00", "2027-01-03T14:00", "2027-01-09T13:00"):
        look(books, now, [domain("w", "2027-01-10T12:00")], words=words, tells=True)
    assert mails(books) == [f"{KARI} 7d w", f"{KARI} 24h w"] * 2


def test_what_was_gone_for_a_while_and_is_as_it_was_says_nothing_again(books: Books) -> None:
    window = domain("w", "2026-12-10T12:00")
    look(books, "2026-12-03T13:00", [window], words=["7d", "24h"])
    look(books, "2026-12-03T14:00", [], words=["7d", "24h"])
    for now in ("2026-12-03T15:00", "2026-12-03T16:00"):
        look(books, now, [window], words=["7d", "24h"], tells=True)
    assert mails(books) == [f"{KARI} 7d w"]


def test_what_is_over_is_not_cancelled(books: Books) -> None:
    look(books, "2026-12-03T13:00", [domain("w", "2026-12-10T12:00", KARI)], words=["7d"], tells=True)
    look(books, "2026-12-10T13:00", [], words=["7d"], tells=True)
    assert mails(books) == [f"{KARI} 7d w"]
    assert books.notices.occasions(NOTICE, ["w"])["w"].why == "over"


def test_a_row_that_says_no_moment_any_more_is_kept(books: Books) -> None:
    look(books, "2026-12-03T13:00", [domain("w", "2026-12-10T12:00", KARI)], words=["7d"], tells=True)
    desk = look(books, "2026-12-04T13:00", [], words=["7d"], tells=True, finish=False)
    desk.keep("w")
    NoticePass(desk).finish()
    assert mails(books) == [f"{KARI} 7d w"]
    assert books.notices.live_keys(NOTICE) == ["w"]


def test_nothing_goes_while_it_is_held_and_all_that_would_is_listed_once(books: Books) -> None:
    row = domain("a", "2026-12-31T12:00", KARI, OLA)
    for _ in range(2):
        desk = look(books, "2026-12-02T08:00", [row], holds=True, remembers=False)
        assert [(held.mail.to, held.mail.subject) for held in desk.held] == [(KARI, "30d a"), (OLA, "30d a")]
        assert desk.tally.held == 2
    assert mails(books) == []
    assert books.notices.live_keys(NOTICE) == [], "what is not live leaves nothing behind"
    look(books, "2026-12-02T09:00", [row])
    assert mails(books) == [f"{KARI} 30d a", f"{OLA} 30d a"]


def test_who_approves_early_sees_what_is_to_come(books: Books) -> None:
    desk = look(books, "2026-11-20T08:00", [domain("a", "2026-12-31T12:00")], holds=True)
    assert desk.held == []
    assert [(held.mail.subject, held.message.due_at) for held in desk.coming] == [("30d a", utc("2026-12-01T12:00"))]


@pytest.mark.parametrize(
    ("suppression", "contractual", "goes"),
    [
        (Suppression(address=KARI, why="asked", by="ops1", at=utc("2026-12-01T00:00")), True, False),
        (
            Suppression(address=KARI, notice=NOTICE, why="left", by="recipient", at=utc("2026-12-01T00:00")),
            False,
            False,
        ),
        (Suppression(address=KARI, notice=NOTICE, why="left", by="recipient", at=utc("2026-12-01T00:00")), True, True),
        (
            Suppression(address=KARI, notice="other.x", why="left", by="recipient", at=utc("2026-12-01T00:00")),
            False,
            True,
        ),
        (
            Suppression(address=KARI, notice=NOTICE, key="a", why="struck", by="boss", at=utc("2026-12-01T00:00")),
            True,
            False,
        ),
        (
            Suppression(address=KARI, notice=NOTICE, key="b", why="struck", by="boss", at=utc("2026-12-01T00:00")),
            True,
            True,
        ),
    ],
    ids=["by staff", "left", "left what is contractual", "left another", "struck", "struck of another"],
)
def test_who_is_suppressed_gets_nothing(books: Books, suppression: Suppression, contractual: bool, goes: bool) -> None:
    books.suppressions.add([suppression])
    desk = look(books, "2026-12-02T08:00", [domain("a", "2026-12-31T12:00")], contractual=contractual)
    assert (desk.tally.sent, desk.tally.suppressed) == ((1, 0) if goes else (0, 1))
    assert mails(books) == ([f"{KARI} 30d a"] if goes else [])
    assert look(books, "2026-12-02T09:00", [domain("a", "2026-12-31T12:00")]).tally.sent == 0


def test_one_mail_that_cannot_be_made_stops_no_other(books: Books) -> None:
    bad = Occasion(
        notice=NOTICE,
        key="bad",
        at=utc("2026-12-31T12:00"),
        recipients=(Recipient(address=OLA, row={"broken": True}),),
    )
    desk = look(books, "2026-12-02T08:00", [bad, domain("a", "2026-12-31T12:00")])
    assert mails(books) == [f"{KARI} 30d a"]
    assert [(one.key, one.problem) for one in desk.problems] == [("bad", "renewal.txt.j2: 'colour' is undefined")]
    fixed = domain("bad", "2026-12-31T12:00", OLA)
    look(books, "2026-12-03T08:00", [fixed, domain("a", "2026-12-31T12:00")])
    assert mails(books) == [f"{KARI} 30d a", f"{OLA} 30d bad"]


def test_a_mail_that_is_given_up_marks_its_rung(books: Books) -> None:
    look(books, "2026-12-02T08:00", [domain("a", "2026-12-31T12:00")])
    (mail,) = books.outbox.queued()
    books.outbox.failed(mail.id, utc("2026-12-02T08:01"), "550 no such user")
    assert told(books, "a") == [f"1 30d {KARI} failed 550 no such user"]
    assert look(books, "2026-12-03T08:00", [domain("a", "2026-12-31T12:00")]).tally.sent == 0


def test_watching_proves_that_another_sent(books: Books) -> None:
    row = domain("a", "2026-12-31T12:00")
    desk = look(books, "2026-12-02T08:00", [row], watcher=Watched(patient=True))
    assert (desk.tally.watched, desk.tally.lost, desk.tally.waiting) == (0, 0, 1)
    desk = look(books, "2026-12-02T09:00", [row], watcher=Watched((KARI, "30d")))
    assert (desk.tally.watched, desk.tally.lost) == (1, 0)
    assert told(books, "a") == [f"1 30d {KARI} watched"]
    assert mails(books) == []


def test_what_another_did_not_send_is_chased_until_it_went(books: Books) -> None:
    row = domain("a", "2026-12-31T12:00")
    for day in (3, 4):
        desk = look(books, f"2026-12-{day:02d}T08:00", [row], watcher=Watched())
        assert [(one.key, one.rung, one.to) for one in desk.lost] == [("a", "30d", KARI)]
    desk = look(books, "2026-12-05T08:00", [row], watcher=Watched((KARI, "30d")))
    assert desk.lost == []
    assert told(books, "a") == [f"1 30d {KARI} watched went late"]


def test_nothing_of_a_batch_that_was_cut_off_is_there(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed within the commit, the rungs and their mails are both not there; the next pass tells all of it."""
    rows = [domain(f"d{number}", "2026-12-31T12:00") for number in range(5)]

    def power_cut(*_args: object, **_kwargs: object) -> list[int]:
        raise KeyboardInterrupt

    monkeypatch.setattr(books.notices._outbox, "put", power_cut)
    with pytest.raises(KeyboardInterrupt):
        look(books, "2026-12-02T08:00", rows)
    assert (mails(books), books.notices.told(NOTICE, ["d0", "d4"])) == ([], {})
    monkeypatch.undo()
    look(books, "2026-12-02T08:00", rows)
    assert len(mails(books)) == 5


def test_a_routine_that_is_renamed_keeps_what_it_told(books: Books) -> None:
    row = domain("a", "2026-12-31T12:00")
    look(books, "2026-12-02T08:00", [row])
    books.suppressions.add(
        [Suppression(address=OLA, notice=NOTICE, why="left", by="recipient", at=utc("2026-12-01T00:00"))]
    )
    books.routines.see({"renewals": "Renewals"}, at=utc("2026-12-01T00:00"))
    assert books.routines.rename("renewals", "domains")
    assert list(books.notices.told("domains.notice", ["a"])) == ["a"]
    assert books.notices.live_keys("domains.notice") == ["a"]
    assert books.notices.told(NOTICE, ["a"]) == {}
    assert [one.notice for one in books.suppressions.listed(at=utc("2026-12-02T08:00"))] == ["domains.notice"]


def test_what_was_told_in_a_period_is_counted_for_the_digest(books: Books) -> None:
    look(books, "2026-12-02T08:00", [domain("a", "2026-12-31T12:00", KARI, OLA)])
    counted = books.notices.between(since=utc("2026-12-02T00:00"), until=utc("2026-12-03T00:00"))
    assert counted == {(NOTICE, ToldStatus.SENT, ""): 2}
    assert books.notices.between(since=utc("2026-12-03T00:00"), until=utc("2026-12-04T00:00")) == {}
    assert [one.recipient for one in books.notices.newest(since=utc("2026-12-02T00:00"), recipient=OLA)] == [OLA]


def test_a_pass_of_many_stays_linear(books: Books) -> None:
    rows = [domain(f"d{number}.example", "2026-12-31T12:00", f"c{number}@example.com") for number in range(1_200)]
    for start in range(0, len(rows), 500):
        look(books, "2026-12-02T08:00", rows[start : start + 500], finish=False)
    assert books.outbox.waiting() == 1_200
    later = utc("2026-12-02T08:00") + timedelta(hours=1)
    assert look(books, later.isoformat()[:16], rows).tally == NoticeTally(waiting=1_200)


def gone(address: str = KARI, notice: str = NOTICE) -> Suppression:
    return Suppression(address=address, notice=notice, why="left", by="recipient", at=utc("2026-12-02T09:00"))


def test_what_has_not_left_to_who_gets_no_more_is_taken_back(books: Books) -> None:
    look(books, "2026-12-02T08:00", [domain("a.example", "2026-12-31T12:00", KARI, OLA)])
    other = NewMail(to=KARI, subject="other", text="t", bulk=True, series="other.notice", list_unsubscribe="x")
    books.outbox.put([other], at=utc("2026-12-02T08:00"))

    assert books.notices.take_back(gone(), contractual=False) == 0, "nobody leaves what is contractual"
    assert books.notices.take_back(gone(), contractual=True) == 1
    assert mails(books) == [f"{OLA} 30d a.example", f"{KARI} other"]
    assert told(books, "a.example") == [f"1 30d {KARI} suppressed left", f"1 30d {OLA} sent"]
    assert books.notices.take_back(gone(notice=""), contractual=False) == 1, "of all notices"
    assert mails(books) == [f"{OLA} 30d a.example"]


def test_who_left_while_a_pass_was_queueing_has_a_rung_that_says_so(books: Books) -> None:
    look(books, "2026-12-02T08:00", [domain("a.example", "2026-12-31T12:00", KARI, OLA)])
    books.suppressions.add([replace(gone(), by="boss")])
    ids = [mail.id for mail in books.outbox.queued()]
    assert books.outbox.silence(ids, at=utc("2026-12-02T09:00")) == {ids[0]}
    assert books.outbox.silence(ids, at=utc("2026-12-02T09:00")) == {ids[0]}
    assert told(books, "a.example") == [f"1 30d {KARI} suppressed left", f"1 30d {OLA} sent"]
    assert mails(books) == [f"{OLA} 30d a.example"]


def test_a_mail_that_was_taken_back_while_it_was_handed_over_was_sent(books: Books) -> None:
    look(books, "2026-12-02T08:00", [domain("a.example", "2026-12-31T12:00")])
    (flying,) = books.outbox.queued()
    books.notices.take_back(gone(KARI.upper()), contractual=True)
    books.outbox.sent(flying.id, utc("2026-12-02T09:01"))

    assert told(books, "a.example") == [f"1 30d {KARI} sent"]


def test_a_mail_that_was_taken_back_and_refused_stays_taken_back(books: Books) -> None:
    look(books, "2026-12-02T08:00", [domain("a.example", "2026-12-31T12:00")])
    (flying,) = books.outbox.queued()
    books.notices.take_back(gone(), contractual=True)
    books.outbox.retry(flying.id, utc("2026-12-02T09:01"), utc("2026-12-02T09:02"), "451")

    assert books.outbox.due(utc("2026-12-03T09:00")) == []
    assert told(books, "a.example") == [f"1 30d {KARI} suppressed left"]
