"""Notices through the whole of a site: nothing before the owner approved, all of it once, and foretold."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsrunner.app import open_app
from opsrunner.engine.foretold import NoticeForecast
from opsrunner.engine.leaving import Leaver
from opsrunner.engine.notice_forecast import foresee_notices
from opsrunner.errors import NotFound
from opsrunner.model.notice import Suppression
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.task import Evidence, Task, TaskStatus
from opsrunner.testing import FakeClock

House = Any
Open = Callable[..., House]
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support], login: ops1}
mail: {from: ops@example.com}
sources:
  domains:
    csv: domains.csv
    columns: {domain: text, name: text, email: text?, expires_at: date?, status: text}
  mail-log:
    csv: mail_log.csv
    columns: {to: text, subject: text, sent_at: moment}
"""
RENEWALS = """\
name: Domain renewals
accountable: ops1
schedule: {every: day, at: "08:00"}
steps:
  - notice:
      source: domains
      where: {status: active}
      key: domain
      at: expires_at
      to: email
      name: name
      ladder: [30d, 14d, 7d, 1d]
      template: renewal
      live: true
"""
WATCH = """\
name: Reminders of the billing system
accountable: ops1
schedule: {every: day, at: "08:00"}
steps:
  - notice:
      source: domains
      key: domain
      at: expires_at
      to: email
      ladder: [30d, 14d, 7d, 1d]
      mode: watch
      log: {source: mail-log, subject_has: domain, within: 26h}
"""
TEXT = """\
Subject: {{ row.domain }} runs out in {{ days }} days
Dear {{ name }},

{{ row.domain }} runs out on {{ at.strftime("%d.%m.%Y") }}. Leave: {{ unsubscribe_url }}
"""
HTML = "<p>Dear {{ name }}, <b>{{ row.domain }}</b> runs out.</p>\n"
COLUMNS = ("domain", "name", "email", "expires_at", "status")


def domains(*rows: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([COLUMNS, *rows])
    return out.getvalue()


def row(domain: str, expires_at: str, email: str = "kari@example.com", status: str = "active") -> Sequence[str]:
    return (domain, "Kari", email, expires_at, status)


@pytest.fixture
def told(house: Open) -> Callable[..., House]:
    """Open a house with notices: `told({"renewals": RENEWALS}, row(…), …)`."""

    def build(routines: Mapping[str, str], *rows: Sequence[str], site: str = SITE) -> House:
        own = house({}, site=site)
        (own.root / "reports").mkdir(mode=0o700, exist_ok=True)
        own.write("reports/renewal.txt.j2", TEXT)
        own.write("reports/renewal.html.j2", HTML)
        own.write("domains.csv", domains(*rows))
        own.write("mail_log.csv", "to,subject,sent_at\n")
        (own.root / "routines").mkdir(mode=0o700, exist_ok=True)
        for name, text in routines.items():
            own.write(f"routines/{name}.yaml", text)
        own.work()
        return own

    return build


def mails(own: House) -> list[str]:
    return [f"{mail.to} {mail.subject}" for mail in own.app.books.outbox.queued() if mail.bulk]


def outcome(own: House, routine: str = "renewals") -> Outcome:
    (record,) = own.app.books.steps.of_run(own.runs(routine)[-1].id)
    found: Outcome | None = record.outcome
    assert found is not None
    return found


def open_tasks(own: House) -> list[Task]:
    found: list[Task] = own.app.books.tasks.opened()
    return found


def approve(own: House, *struck: int) -> None:
    (task,) = [task for task in open_tasks(own) if task.approve_by]
    boss = own.app.people.named("boss")
    own.app.ticks.tick(
        task.id, status=TaskStatus.DONE, evidence=Evidence(), actor=boss, at=own.clock.now(), struck=struck
    )
    own.clock.move(minutes=1)


def test_nothing_goes_before_the_owner_approved_the_list(told: Open) -> None:
    own = told({"renewals": RENEWALS}, row("a.example", "2026-12-15"), row("b.example", "2027-06-01"))
    own.at("2026-11-21 08:00")
    assert mails(own) == []
    (task,) = open_tasks(own)
    assert (task.title, task.approve_by) == ("Approve the mails of Domain renewals: 1 to go", "owner")
    (shown,) = task.rows
    assert (shown["to"], shown["about"], shown["rung"]) == ("kari@example.com", "a.example", "30d")
    assert shown["subject"] == "a.example runs out in 24 days"
    assert "Dear Kari" in shown["text"]
    assert outcome(own).message.startswith("1 wait for the owner's approval")
    approve(own)
    own.at("2026-11-22 08:00")
    assert mails(own) == ["kari@example.com a.example runs out in 23 days"]
    assert open_tasks(own) == []
    own.at("2026-11-23 08:00")
    assert len(mails(own)) == 1


def test_the_digest_counts_a_notice_as_sent_once_its_mail_has_left(told: Open) -> None:
    own = told(
        {"renewals": RENEWALS}, row("a.example", "2026-12-15"), row("b.example", "2026-12-15", "ola@example.com")
    )

    def figure() -> tuple[str, str]:
        now = own.clock.now()
        house = own.app.digests.preview("daily", now, from_=now - timedelta(hours=1)).digest.house
        return next((one.text, one.tone) for one in house if one.name == "Notices")

    own.at("2026-11-21 08:00")
    approve(own, 1)
    own.at("2026-11-22 08:00")
    own.clock.move(minutes=5)
    assert figure() == ("1 notice waiting, 1 suppressed", "live")
    (mail,) = [mail for mail in own.app.books.outbox.queued() if mail.bulk]
    own.app.books.outbox.sent(mail.id, own.clock.now())
    assert figure() == ("1 notice sent, 1 suppressed", "fine")


def test_only_an_owner_approves(told: Open) -> None:
    own = told({"renewals": RENEWALS}, row("a.example", "2026-12-15"))
    own.at("2026-11-21 08:00")
    (task,) = open_tasks(own)
    with pytest.raises(Exception, match="only an owner may approve"):
        own.app.ticks.tick(
            task.id,
            status=TaskStatus.DONE,
            evidence=Evidence(),
            actor=own.app.people.named("ops1"),
            at=own.clock.now(),
        )


def test_who_is_struck_from_the_list_hears_nothing_of_that(told: Open) -> None:
    own = told(
        {"renewals": RENEWALS},
        row("a.example", "2026-12-15"),
        row("b.example", "2026-12-16", "ola@example.com"),
    )
    own.at("2026-11-21 08:00")
    approve(own, 1)
    own.at("2026-11-22 08:00")
    assert mails(own) == ["kari@example.com a.example runs out in 23 days"]
    assert outcome(own).facts["suppressed"] == 1


def test_a_strike_counts_until_that_is_over(told: Open) -> None:
    own = told({"renewals": RENEWALS}, row("a.example", "2026-12-15", "ola@example.com"))
    own.at("2026-11-21 08:00")
    approve(own, 0)
    own.at("2026-11-22 08:00")
    (struck,) = own.app.books.suppressions.listed(at=own.clock.now())
    assert (struck.key, struck.until) == ("a.example", datetime(2026, 12, 14, 23, tzinfo=UTC))
    own.write("domains.csv", domains(row("a.example", "2027-12-15", "ola@example.com")))
    (ahead,) = foresee_notices(own.app.notices, until=own.clock.now() + timedelta(days=380), vault=own.app.vault)
    assert {one.state for one in ahead.coming} == {"goes"}
    assert mails(own) == []
    own.at("2027-11-16 08:00")
    assert mails(own) == ["ola@example.com a.example runs out in 29 days"]
    assert own.app.books.suppressions.listed(at=own.clock.now()) == []
    until = datetime(2027, 12, 14, 23, tzinfo=UTC)
    again, shorter = replace(struck, until=until), replace(struck, until=until - timedelta(days=1))
    assert [own.app.books.suppressions.add([one]) for one in (again, shorter, replace(again, until=None))] == [1, 0, 1]
    assert own.app.books.suppressions.add([again]) == 0, "what has no end is not shortened"


def test_a_change_of_the_template_or_of_who_is_meant_asks_again(told: Open) -> None:
    own = told({"renewals": RENEWALS}, row("a.example", "2026-12-15"))
    own.at("2026-11-21 08:00")
    approve(own)
    own.at("2026-11-22 08:00")
    assert len(mails(own)) == 1
    own.write("reports/renewal.txt.j2", TEXT.replace("Dear", "Hello"))
    own.at("2026-12-01 08:00")
    assert len(mails(own)) == 1
    (task,) = open_tasks(own)
    assert "Hello Kari" in task.rows[0]["text"]
    own.write("reports/renewal.txt.j2", TEXT)
    own.at("2026-12-01 09:00")
    own.at("2026-12-02 08:00")
    assert len(mails(own)) == 2, "what was approved once stays approved"
    assert open_tasks(own) == [], "and nobody is asked any more"
    own.write("routines/renewals.yaml", RENEWALS.replace("{status: active}", "{status: [active, parked]}"))
    own.at("2026-12-02 09:00")
    own.at("2026-12-08 08:00")
    assert [task.approve_by for task in open_tasks(own)] == ["owner"]


def test_what_is_not_live_tells_only_what_would_go(told: Open) -> None:
    own = told({"renewals": RENEWALS.replace("live: true", "live: false")}, row("a.example", "2026-12-15"))
    own.at("2026-11-21 08:00")
    assert (mails(own), open_tasks(own)) == ([], [])
    assert outcome(own).message == "not live: 1 would go now; 1 with more to come"
    assert outcome(own).facts["held"] == 1


def test_in_a_try_all_of_it_goes_into_the_maildir(told: Open) -> None:
    own = told({"renewals": RENEWALS.replace("live: true", "live: false")}, row("a.example", "2026-12-15"))
    app = open_app(own.root, own.root / "try", clock=own.clock, mails_stay=True)
    try:
        result = app.try_all(actor="boss")
        letters = [path.read_text(encoding="utf-8") for path in result.maildir.rglob("*") if path.is_file()]
    finally:
        app.close()
    assert any("a.example runs out in" in letter for letter in letters)


def test_rows_that_say_nobody_or_no_date_are_one_task_until_they_are_put_right(told: Open) -> None:
    own = told(
        {"renewals": RENEWALS},
        row("a.example", ""),
        row("b.example", "2026-12-15", ""),
        row("c.example", "2026-12-15", "no address"),
        row("d.example", "2026-12-15", "kari@example.com; broken@"),
    )
    own.at("2026-11-21 08:00")
    found = outcome(own)
    assert found.status is StepStatus.WARNING
    assert found.facts["unknown"] == 4
    assert [one["message"] for one in found.rows] == [
        "a.example: the row says no expires_at",
        "b.example: the row says no mail address",
        "c.example: no mail address",
        "d.example: no mail address",
    ]
    (task,) = [task for task in open_tasks(own) if not task.approve_by]
    assert task.title == "Nobody can be told of 4 rows: Domain renewals"
    own.write("domains.csv", domains(row("a.example", "2027-12-15")))
    own.at("2026-11-22 08:00")
    assert [task for task in open_tasks(own) if not task.approve_by] == []


def test_a_column_that_is_not_there_is_named(told: Open) -> None:
    own = told({"renewals": RENEWALS.replace("name: name", "name: nmae")}, row("a.example", "2026-12-15"))
    own.at("2026-11-21 08:00")
    assert outcome(own).message == "the rows have no column 'nmae', did you mean 'name'?"


def test_the_reminder_of_another_is_proven_or_chased(told: Open) -> None:
    own = told({"watch": WATCH}, row("a.example", "2026-12-22"), row("b.example", "2026-12-22", "ola@example.com"))
    own.write("mail_log.csv", "to,subject,sent_at\nKari <kari@example.com>,Your domain A.EXAMPLE,2026-11-22T03:00\n")
    own.at("2026-11-22 08:00")
    assert (outcome(own, "watch").facts["watched"], open_tasks(own)) == (1, []), "the other may still go"
    own.at("2026-11-23 08:00")
    (task,) = open_tasks(own)
    assert task.title == "The reminder for b.example did not go (30d, to ola@example.com)"
    assert outcome(own, "watch").status is StepStatus.WARNING
    own.at("2026-11-24 08:00")
    assert [one.id for one in open_tasks(own)] == [task.id]
    own.write("mail_log.csv", "to,subject,sent_at\nola@example.com,b.example,2026-11-24T09:00\n")
    own.at("2026-11-25 08:00")
    assert open_tasks(own) == []
    assert outcome(own, "watch").status is StepStatus.SUCCEEDED


def test_a_log_that_says_no_moment_is_a_mistake_and_loses_nothing(told: Open) -> None:
    site = SITE.replace("sent_at: moment}", "sent_at: text}")
    own = told({"watch": WATCH}, row("a.example", "2026-12-22"), site=site)
    own.write("mail_log.csv", "to,subject,sent_at\nkari@example.com,a.example,2026-11-22T03:00\n")
    own.at("2026-11-22 08:00")
    assert outcome(own, "watch").message == "the log's sent_at is no moment: declare it as one"
    assert own.app.books.notices.live_keys("watch.notice") == []


def test_a_row_without_the_word_to_look_for_is_never_proven(told: Open) -> None:
    watch = WATCH.replace("subject_has: domain", "subject_has: name")
    rows = [("a.example", "", "kari@example.com", "2026-12-22", "active")]
    own = told({"watch": watch}, *rows, site=SITE.replace("name: text,", "name: text?,"))
    own.write("mail_log.csv", "to,subject,sent_at\nkari@example.com,Your invoice,2026-11-22T03:00\n")
    own.at("2026-11-22 08:00")
    assert (outcome(own, "watch").status, outcome(own, "watch").facts["watched"]) == (StepStatus.WARNING, 0)
    (only,) = outcome(own, "watch").rows
    assert only["message"] == "a.example: the row says no name, by which its mail is looked for"


def test_a_column_to_look_for_that_is_not_there_is_named(told: Open) -> None:
    own = told({"watch": WATCH.replace("subject_has: domain", "subject_has: domian")}, row("a.example", "2026-12-22"))
    own.at("2026-11-22 08:00")
    assert outcome(own, "watch").message == "the rows have no column 'domian', did you mean 'domain'?"


def test_many_lost_reminders_are_one_task(told: Open) -> None:
    rows = [row(f"d{number}.example", "2026-12-22", f"c{number}@example.com") for number in range(30)]
    own = told({"watch": WATCH}, *rows)
    own.at("2026-11-22 08:00")
    own.at("2026-11-24 08:00")
    (task,) = open_tasks(own)
    assert task.title == "30 reminders did not go: Reminders of the billing system"


HOSTILE = [
    "{{ 7 * 7 }}.example",
    "<script>alert(1)</script>.example",
    "a.example\r\nBcc: everyone@example.com",
    "=?utf-8?q?=0aBcc:_everyone@example.com?=",
    "\u202eexample.a",
    "'; drop table notices; --",
]


@pytest.mark.parametrize("name", HOSTILE, ids=["C19 template", "C22 HTML", "C26 header", "C26 word", "bidi", "SQL"])
def test_what_customers_are_called_is_data(told: Open, name: str) -> None:
    """C19 C22 C24 C26: names and domains out of a source are shown as they are, and do nothing."""
    own = told({"renewals": RENEWALS}, (name, name, "kari@example.com", "2026-12-15", "active"))
    own.at("2026-11-21 08:00")
    approve(own)
    own.at("2026-11-22 08:00")
    own.app.deliver()
    (letter,) = [
        path.read_bytes()
        for path in (own.root / "var" / "maildir").rglob("*")
        if path.is_file() and b"runs out" in path.read_bytes()
    ]
    head, _, body = letter.partition(b"\n\n")
    assert b"\nBcc:" not in head
    assert b"49.example" not in letter
    assert b"<script>" not in body.partition(b"text/html")[2]
    assert own.app.books.notices.live_keys("renewals.notice")


def test_what_is_foretold_is_what_a_month_sends(told: Open) -> None:
    """Daily passes for thirty days and more, over the change of the clock, send the very list of the first day."""
    rows = [
        row(f"d{number}.example", f"2027-{3 + number // 28:02d}-{1 + number % 28:02d}", f"c{number % 7}@example.com")
        for number in range(80)
    ]
    hourly = RENEWALS.replace('{every: day, at: "08:00"}', '{every: day, at: "02:30"}').replace(
        "[30d, 14d, 7d, 1d]", "[30d, 14d, 72h, 24h, start, 3d after]"
    )
    own = told({"renewals": hourly}, *rows)
    own.at("2027-03-10 12:00")
    approve(own)
    start = own.clock.now()
    until = start + timedelta(days=32)
    (foretold,) = foresee_notices(own.app.notices, until=until, vault=own.app.vault)
    assert foretold.standing == "live"
    said = [
        (one.goes_at, one.message.recipient.address, one.message.occasion.key, one.message.rung)
        for one in foretold.coming
    ]
    day, zone = start.astimezone(ZoneInfo("Europe/Oslo")).date(), ZoneInfo("Europe/Oslo")
    passes = {
        datetime.combine(day + timedelta(days=ahead), clock, zone).astimezone(UTC)
        for ahead in range(34)
        for clock in (time(2, 30), time(3))
    }
    change = datetime(2027, 3, 28, tzinfo=UTC)
    for moment in sorted(moment for moment in passes if start < moment <= until):
        if moment.astimezone(zone).hour == 3 and abs(moment - change) > timedelta(hours=12):
            continue  # half past two is there on that day
        own.clock.set(moment)
        own.work()
    settled = own.app.books.notices.newest(since=start, most=10_000)
    sent = [(one.at, one.recipient, one.key, one.rung) for one in settled if one.status.value == "sent"]
    assert len(said) > 100
    assert sorted(sent) == sorted(said)


def test_what_is_foretold_can_be_shown_and_says_what_holds_it(told: Open) -> None:
    own = told(
        {"renewals": RENEWALS}, row("a.example", "2026-12-15"), row("b.example", "2026-12-16", "ola@example.com")
    )
    own.app.books.suppressions.add([Suppression(address="ola@example.com", why="asked", by="ops1", at=own.clock.now())])
    (ahead,) = foresee_notices(own.app.notices, until=own.clock.now() + timedelta(days=2), vault=own.app.vault)
    assert ahead.standing == "waits for approval"
    assert [(one.message.occasion.key, one.state, one.why) for one in ahead.coming] == [
        ("a.example", "held", ""),
        ("b.example", "suppressed", "asked"),
    ]
    assert ahead.compose is not None
    mail = ahead.compose(ahead.coming[0])
    assert mail.subject == "a.example runs out in 24 days"
    assert "Leave: " in mail.text
    assert mail.list_unsubscribe.startswith("mailto:ops@example.com")
    with pytest.raises(NotFound, match="there is no notice 'nothing'; there are: renewals"):
        foresee_notices(own.app.notices, until=own.clock.now(), vault=own.app.vault, name="nothing")


def test_an_answer_that_has_not_settled_is_not_asked_for_again(told: Open) -> None:
    own = told(
        {"renewals": RENEWALS}, row("a.example", "2026-12-15"), row("b.example", "2026-12-15", "ola@example.com")
    )
    own.at("2026-11-21 08:00")
    (task,) = open_tasks(own)
    struck = [one["to"] for one in task.rows].index("ola@example.com")
    boss = own.app.people.named("boss")
    own.app.ticks.tick(
        task.id, status=TaskStatus.DONE, evidence=Evidence(), actor=boss, at=own.clock.now(), struck=(struck,)
    )
    own.app.books.requests.ask_for_run("renewals", actor="boss", at=own.clock.now())
    own.work()
    assert (open_tasks(own), mails(own)) == ([], [])
    own.clock.move(minutes=1)
    own.app.books.requests.ask_for_run("renewals", actor="boss", at=own.clock.now())
    own.work()
    assert open_tasks(own) == []
    assert mails(own) == ["kari@example.com a.example runs out in 24 days"]


JOINED = """\
  both:
    tables: [domains]
    query: SELECT * FROM domains WHERE status = 'active'
"""
BY_STEP = "  - query: {source: both}\n    id: due\n  - notice:\n      of: due\n"


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("reports/letter.txt.j2", "Dear", "Dearest"),
        ("reports/greeting.html.j2", "Yours", "Ours"),
        ("opsrunner.yaml", "status = 'active'", "status <> 'active'"),
        ("opsrunner.yaml", "csv: domains.csv", "csv: others.csv"),
        ("routines/renewals.yaml", "live: true", "live: true\n      hours: business"),
        ("routines/renewals.yaml", "live: true", "live: true\n      late: 2d"),
        ("routines/renewals.yaml", "live: true", "live: true\n      moved: tell"),
    ],
)
def test_what_is_behind_a_list_asks_again_when_it_changes(told: Open, name: str, old: str, new: str) -> None:
    routine = RENEWALS.replace("  - notice:\n      source: domains\n      where: {status: active}\n", BY_STEP)
    own = told({"renewals": routine}, row("a.example", "2026-12-15"), site=SITE + JOINED)
    own.write("reports/renewal.txt.j2", "Subject: Soon\n{% extends 'letter.txt.j2' %}{% block said %}Hm{% endblock %}")
    own.write("reports/letter.txt.j2", "Dear {{ name }}, {% block said %}{% endblock %}\n")
    own.write("reports/renewal.html.j2", "<p>Hm</p>{% include 'greeting.html.j2' %}\n")
    own.write("reports/greeting.html.j2", "<p>Yours</p>\n")

    def standing() -> str:
        (one,) = foresee_notices(own.app.notices, until=own.clock.now(), vault=own.app.vault)
        assert not one.problem
        return one.standing

    own.at("2026-11-21 08:00")
    approve(own)
    assert standing() == "live"
    text = (own.root / name).read_text(encoding="utf-8")
    assert old in text
    own.write("others.csv", domains())
    own.write(name, text.replace(old, new))
    own.clock.move(minutes=1)
    own.work()
    assert standing() == "waits for approval"


def test_looking_ahead_changes_nothing(told: Open) -> None:
    own = told({"renewals": RENEWALS}, row("a.example", "2026-12-15"))
    before = own.app.books.ledger.version()
    found: list[NoticeForecast] = foresee_notices(
        own.app.notices, until=own.clock.now() + timedelta(days=60), vault=own.app.vault
    )
    assert [len(one.coming) for one in found] == [4]
    assert own.app.books.ledger.version() == before
    assert own.app.books.notices.live_keys("renewals.notice") == []


def test_a_recipient_leaves_by_a_word_of_ours_alone(told: Open) -> None:
    site = SITE + "web: {url: https://ops.example.com}\n"
    own = told({"renewals": RENEWALS}, row("a.example", "2026-12-15"), site=site)
    leaving = own.app.leave.by("renewals.notice", "kari@example.com")
    assert leaving.url.startswith("https://ops.example.com/leave/")
    word = leaving.url.rpartition("/")[2]
    assert own.app.leave.read(word) == Leaver(notice="renewals.notice", address="kari@example.com")
    for forged in (word[:-2] + ("AA" if not word.endswith("AA") else "BB"), word[4:], "", "ø", "x" * 2_000):
        with pytest.raises(NotFound, match="this link is not one of ours"):
            own.app.leave.read(forged)
    own.app.leave.leave(own.app.leave.read(word), at=own.clock.now(), address="web 192.0.2.1")
    own.at("2026-11-21 08:00")
    assert outcome(own).facts["held"] == 0
    (kept,) = own.app.books.suppressions.listed(at=own.clock.now())
    assert (kept.address, kept.notice, kept.by) == ("kari@example.com", "renewals.notice", "recipient")


def test_only_the_mail_itself_has_its_readers_way_out(told: Open) -> None:
    own = told(
        {"renewals": RENEWALS},
        row("a.example", "2026-12-15"),
        row("b.example", "2026-12-29", "ola@example.com"),
        site=SITE + "web: {url: https://ops.example.com}\n",
    )
    own.at("2026-11-21 08:00")
    (task,) = open_tasks(own)
    assert [one["to"] for one in task.rows] == ["kari@example.com", "ola@example.com"]
    for one in task.rows:
        assert own.app.leave.by("renewals.notice", one["to"]).url not in one["text"]
        assert "Leave: https://ops.example.com/leave/only-in-the-mail" in one["text"]
    approve(own)
    own.at("2026-11-22 08:00")
    (mail,) = [mail for mail in own.app.books.outbox.queued() if mail.bulk]
    way_out = own.app.leave.by("renewals.notice", "kari@example.com").url
    assert (mail.list_unsubscribe, f"Leave: {way_out}" in mail.text) == (way_out, True)


def test_mails_go_with_what_the_notice_says(told: Open) -> None:
    routine = RENEWALS.replace(
        "live: true", "live: true\n      per_minute: 30\n      reply_to: billing@example.com\n      contractual: true"
    )
    own = told({"renewals": routine}, row("a.example", "2026-12-15"))
    own.at("2026-11-21 08:00")
    approve(own)
    own.at("2026-11-22 08:00")
    (mail,) = [mail for mail in own.app.books.outbox.queued() if mail.bulk]
    assert (mail.series, mail.per_minute, mail.reply_to) == ("renewals.notice", 30, "billing@example.com")
    assert mail.list_unsubscribe == "", "nobody leaves what is contractual"
    assert "<b>a.example</b>" in mail.html


def test_rows_of_an_earlier_step_are_told_of(told: Open) -> None:
    routine = RENEWALS.replace(
        "  - notice:\n      source: domains\n      where: {status: active}\n",
        "  - query: {source: domains, where: {status: active}}\n    id: due\n  - notice:\n      of: due\n",
    )
    own = told({"renewals": routine}, row("a.example", "2026-12-15"), row("x.example", "2026-12-15", status="gone"))
    own.at("2026-11-21 08:00")
    (task,) = open_tasks(own)
    assert [one["about"] for one in task.rows] == ["a.example"]
    (ahead,) = foresee_notices(own.app.notices, until=own.clock.now() + timedelta(days=2), vault=own.app.vault)
    assert [one.message.occasion.key for one in ahead.coming] == ["a.example"]


def test_no_row_at_all_is_no_success(told: Open) -> None:
    own = told({"renewals": RENEWALS})
    own.at("2026-11-21 08:00")
    assert (outcome(own).status, outcome(own).message) == (StepStatus.SKIPPED, "no rows: nobody to tell")


TELLING = RENEWALS.replace("live: true", "live: true\n      moved: tell").replace("ladder: [30d", "ladder: [60d, 30d")


def test_a_source_that_is_empty_cancels_nothing(told: Open) -> None:
    own = told({"renewals": TELLING}, row("a.example", "2027-01-10"), row("b.example", "2027-01-11"))
    own.at("2026-11-21 08:00")
    approve(own)
    own.at("2026-11-22 08:00")
    assert len(mails(own)) == 2
    own.write("domains.csv", domains())
    own.at("2026-11-23 08:00")
    assert outcome(own).status is StepStatus.FAILED
    assert outcome(own).message.startswith("no row came, and 2 that are still to come would be cancelled; nobody is")
    assert len(mails(own)) == 2
    own.write("domains.csv", domains(row("a.example", "2027-01-10")))
    own.at("2026-11-24 08:00")
    assert mails(own)[2:] == ["kari@example.com b.example runs out in 48 days"], "one of them is really cancelled"


def test_a_source_that_was_half_written_cancels_nothing(told: Open) -> None:
    rows = [row(f"d{number}.example", "2027-01-10", f"c{number}@example.com") for number in range(110)]
    own = told({"renewals": TELLING}, *rows)
    own.at("2026-11-21 08:00")
    approve(own)
    own.at("2026-11-22 08:00")
    own.write("domains.csv", domains(*rows[:87]))
    own.at("2026-11-23 08:00")
    assert outcome(own).message.startswith("23 of 110 that are still to come came no more at once; nobody is told")
    assert len(mails(own)) == 110
    own.write("domains.csv", domains(*rows[:88]))
    own.at("2026-11-24 08:00")
    assert len(mails(own)) == 132


def test_what_is_over_may_vanish_with_the_last_row(told: Open) -> None:
    own = told({"renewals": TELLING}, row("a.example", "2026-12-10"))
    own.at("2026-11-21 08:00")
    approve(own)
    own.at("2026-11-22 08:00")
    own.write("domains.csv", domains())
    own.at("2026-12-11 08:00")
    assert (outcome(own).status, len(mails(own))) == (StepStatus.SKIPPED, 1)


def test_a_clock_that_was_a_month_ahead_leaves_no_customer_without_the_reminders_to_come(told: Open) -> None:
    own = told({"renewals": RENEWALS}, row("a.example", "2026-12-27"), row("b.example", "2027-02-15"))
    own.at("2026-11-21 08:00")
    approve(own)
    own.at("2026-11-28 08:00")
    ahead = timedelta(days=28, hours=2)
    own.clock.step(seconds=ahead.total_seconds())
    own.work()
    own.clock.move(minutes=11)
    own.work()
    assert mails(own) == [
        "kari@example.com a.example runs out in 29 days",
        "kari@example.com a.example runs out in 1 days",
    ]

    own.clock.step(seconds=-ahead.total_seconds())
    own.work()
    own.clock.move(minutes=11)
    own.work()
    for day in range(29, 63):
        own.at(f"{(date(2026, 11, 1) + timedelta(days=day - 1))} 08:00")
    assert [mail.removeprefix("kari@example.com a.example runs out in ") for mail in mails(own)[2:]] == [
        "14 days",
        "7 days",
    ]


def test_a_restart_in_the_middle_goes_on_where_it_was(told: Open, reopened: Callable[[Path, FakeClock], House]) -> None:
    own = told({"renewals": RENEWALS}, row("a.example", "2026-12-15"))
    own.at("2026-11-21 08:00")
    approve(own)
    own.at("2026-11-22 08:00")
    own.close()
    again = reopened(own.root, own.clock)
    again.at("2026-11-23 08:00")
    assert mails(again) == ["kari@example.com a.example runs out in 23 days"]
