"""The digest as its readers get it, from a real ledger that a daemon has filled."""

from __future__ import annotations

import email
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from typing import Any

import pytest

from opsrunner.engine.digest import Rendered
from opsrunner.engine.digest_collect import collect
from opsrunner.engine.outbox import deliver_due
from opsrunner.errors import MailFailed
from opsrunner.ledger.runs import NewRun
from opsrunner.mail.message import build
from opsrunner.model.digest import OpenItem
from opsrunner.model.mail import NewMail
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import Evidence, Task, TaskStatus

SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support], login: ops1}
  ops2: {name: Second technician, email: ops2@example.com, roles: [sysadmin, support]}
rosters:
  on-call: {rotate: week, handover: mon 09:00, from: 2026-01-05, people: [ops1, ops2]}
  desk: {shifts: [{hours: "07:00-23:00", person: ops1}]}
calendars:
  business: {country: NO, days_off: [2026-11-27]}
mail: {from: ops@example.com}
"""
BACKUPS = """\
name: Nightly backups
accountable: on-call
schedule: {every: day, at: "02:30"}
steps:
  - id: dump
    name: the billing dump
    run: |
      [ ! -e var/broken ] || { echo "Lost connection to MySQL" >&2; exit 2; }
  - run: ["true"]
"""
HOURLY = """\
name: Control panel
accountable: sysadmin
schedule: {every: 1h}
steps:
  - id: probe
    run: |
      [ ! -e var/broken ] || { echo "no answer within 2 s" >&2; exit 1; }
"""
PLAIN = """\
name: Licence count
accountable: sysadmin
schedule: {every: day, at: "05:00"}
steps:
  - run: ["true"]
"""


def item(items: tuple[OpenItem, ...], title: str) -> OpenItem:
    (found,) = [one for one in items if title in one.title]
    return found


def preview(site: Any, series: str = "daily") -> Rendered:
    made: Rendered = site.app.digests.preview(series, site.clock.now())
    return made


def hours(site: Any, until: str, *, step: int = 1) -> None:
    """Let hours pass one by one."""
    end = datetime.fromisoformat(until).replace(tzinfo=UTC)
    while site.clock.now() < end:
        site.clock.move(hours=step)
        site.work()


class Page(HTMLParser):
    """The tags, the attributes and the visible words of a mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def as_sent(mail: Any) -> EmailMessage:
    """Return a queued mail as a mail program reads it from the wire."""
    new = NewMail(to=mail.to, subject=mail.subject, text=mail.text, html=mail.html)
    raw = build(new, from_="ops@example.com", message_id="a.1", date=datetime(2026, 11, 21, tzinfo=UTC)).as_bytes()
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def test_it_says_of_a_failure_why_how_often_since_when_what_was_last_good_and_with_whom(
    house: Callable[..., Any],
) -> None:
    site = house({"backups": BACKUPS}, site=SITE)
    site.at("2026-11-20T12:00:05")
    site.at("2026-11-21T01:30:01")
    (site.root / "var" / "broken").touch()
    for day in (22, 23, 24):
        site.at(f"2026-11-{day}T01:30:01")
    digest = preview(site).digest
    (failed,) = digest.in_hand
    assert (failed.word, failed.title) == ("Failed", "Nightly backups: the billing dump")
    assert (
        failed.facts == "Lost connection to MySQL (exit code 2). Failed 3 times since Sun 02:30. Last fine Sat 02:30."
    )
    assert (failed.with_whom, failed.age_days) == ("With First technician (on-call)", 2)
    assert digest.headline == "Nothing needs you. One is in hand."
    assert "✕ FAILED, third day: Nightly backups: the billing dump" in preview(site).text


def test_it_leads_to_the_page_where_people_elsewhere_have_one(house: Callable[..., Any]) -> None:
    site = house({"backups": BACKUPS}, site=SITE + "web: {url: https://ops.example.com}\n")
    site.at("2026-11-20T12:00:05")
    (site.root / "var" / "broken").touch()
    site.at("2026-11-21T01:30:01")
    made = preview(site)
    (found,) = [one for one in (*made.digest.needs_you, *made.digest.in_hand) if one.task]
    assert found.url == f"https://ops.example.com/tasks/{found.task}"
    assert f'href="{found.url}"' in made.html
    assert found.url in made.text


def test_it_names_forty_failures_as_one_thing_and_says_when_it_is_fine_again(house: Callable[..., Any]) -> None:
    site = house({"panel": HOURLY}, site=SITE)
    site.work()
    (site.root / "var" / "broken").touch()
    hours(site, "2026-11-22T04:00:00")
    (failed,) = preview(site).digest.in_hand
    assert "Failed 40 times since Fri 14:00. It has not been fine yet." in failed.facts
    (site.root / "var" / "broken").unlink()
    hours(site, "2026-11-22T05:00:00")
    digest = preview(site).digest
    assert digest.headline == "The one routine that ran is fine. Nothing needs you."
    (line,) = digest.planned
    assert (line.tone, line.text) == ("fine", "failed 22 of 23 runs, fine since today 06:00")


def test_it_tells_of_a_recovery_when_all_failures_were_told_of_before(house: Callable[..., Any]) -> None:
    site = house({"backups": BACKUPS}, site=SITE)
    site.work()
    (site.root / "var" / "broken").touch()
    site.at("2026-11-21T01:30:01")
    site.at("2026-11-21T06:00:01")
    (site.root / "var" / "broken").unlink()
    site.at("2026-11-22T01:30:01")
    (line,) = preview(site).digest.planned
    assert line.text == "failed once before, fine since today 02:30"


def test_a_warning_says_what_was_found_without_the_exit_code_and_for_how_many_days(house: Callable[..., Any]) -> None:
    warning = """\
name: Certificates
accountable: sysadmin
schedule: {every: day, at: "05:00"}
steps:
  - run: echo "no certificate found; name your folders" >&2; exit 3
    warn_codes: [3]
"""
    site = house({"certificates": warning}, site=SITE)
    for day in (21, 22, 23):
        site.at(f"2026-11-{day}T04:00:01")
        site.at(f"2026-11-{day}T06:00:01")
    (mail,) = [mail for mail in site.app.books.outbox.queued() if "23 Nov" in mail.subject and "daily" in mail.about]
    assert mail.subject == "Nothing needs you, 1 in hand · Mon 23 Nov"
    assert "! LOOK, third day: Certificates" in mail.text
    assert "  No certificate found; name your folders. It has not been fine yet." in mail.text


def test_a_finding_that_opened_a_task_is_said_in_the_words_of_the_task(house: Callable[..., Any]) -> None:
    audit = """\
name: Patch audit
accountable: sysadmin
schedule: {every: day, at: "05:00"}
steps:
  - id: findings
    run: printf 'cause,words\\nsecurity,81 updates\\nreboot,a reboot\\n'
    rows: csv
    warn_if: row.cause == 'security'
  - task: "Install {{ row.words }} on web1"
    for_each: steps.findings.rows
    key: row.cause
    due: +4h
"""
    site = house({"audit": audit}, site=SITE)
    site.at("2026-11-21T04:00:01")
    (look,) = preview(site).digest.in_hand
    assert look.facts.startswith("Install 81 updates on web1, and 1 more; due today 09:00.")
    assert look.with_whom == "For sysadmin, nobody has claimed it"
    assert preview(site).digest.planned == ()  # a fact stands once
    site.at("2026-11-22T03:59:00")
    (overdue,) = [one for one in preview(site).digest.in_hand if "Install" in one.title and "81" in one.title]
    assert (overdue.word, overdue.age_days) == ("Overdue", 1)
    assert preview(site).digest.planned == ()


def test_what_nobody_ticked_is_named_and_counted(house: Callable[..., Any]) -> None:
    round_ = """\
name: Daily round
accountable: sysadmin
schedule: {every: day, at: "08:00"}
steps:
  - {task: Read the shift notes}
  - {task: Look at the mail queues}
  - {task: Walk through the tickets}
"""
    site = house({"round": round_}, site=SITE)
    site.at("2026-11-21T07:00:01")
    site.at("2026-11-22T06:00:01")  # the digest of the morning
    site.at("2026-11-22T07:00:01")
    (look,) = preview(site).digest.in_hand
    assert look.title == "Daily round"
    assert "3 of 3 tasks were not done: Read the shift notes; Look at the mail queues; Walk through" in look.facts


def test_only_what_is_decided_approved_escalated_or_late_needs_its_reader(house: Callable[..., Any]) -> None:
    routines = {
        "abuse": "name: Abuse\naccountable: sysadmin\nsteps:\n"
        "  - {task: Answer the abuse report on web5, role: on-call, due: +2h, remind: [-1h],"
        " escalate: {after: 2h, to: owner}}\n",
        "closures": "name: Closures\naccountable: sysadmin\nsteps:\n"
        "  - {id: pick, run: \"printf 'a\\\\n1\\\\n2\\\\n3\\\\n'\", rows: csv}\n"
        "  - {task: Close the unpaid accounts, id: ok, approve: {rows: steps.pick.rows, by: owner}, due: +60h}\n",
        "plans": "name: Plans\naccountable: owner\nsteps:\n  - {task: Think about a third rack, due: +90h}\n",
        "late": "name: Taxes\naccountable: owner\nsteps:\n  - {task: Sign the tax return, due: +1h}\n",
        "others": "name: Others\naccountable: sysadmin\nsteps:\n  - {task: Sweep the floor, due: +80h}\n",
    }
    site = house(routines, site=SITE)
    site.work()
    for routine in routines:
        site.app.books.requests.ask_for_run(routine, actor="boss", at=site.clock.now())
    site.clock.move(seconds=2)
    site.work()
    for hour in (13, 14, 15, 16, 18):
        site.at(f"2026-11-20T{hour}:01:00")
    digest = preview(site).digest
    told = {one.title: (one.word, one.facts, one.with_whom) for one in digest.needs_you}
    assert told == {
        "Sign the tax return": ("Overdue", "It was due today 14:00, 5 h ago. From Taxes.", "Yours (owner)"),
        "Answer the abuse report on web5": (
            "Overdue",
            "It was due today 15:00, 4 h ago. Reminded once, escalated to you today 17:01. From Abuse.",
            "With Second technician (on-call)",
        ),
        "Close the unpaid accounts": (
            "Approve",
            "3 rows on the list; nothing goes on without an answer. Due Mon 01:00. From Closures.",
            "Yours (owner)",
        ),
    }
    assert digest.in_hand == ()
    assert "Yours is due: Think about a third rack" in [line.text for line in digest.coming]
    assert digest.subject.startswith("3 need you: ")


def test_a_late_checklist_is_one_thing_that_counts_its_tasks(house: Callable[..., Any]) -> None:
    tasks = "".join(f"  - {{task: Look at server {number}, due: +1h}}\n" for number in range(6))
    site = house({"round": f"name: Daily round\naccountable: on-call\nsteps:\n{tasks}"}, site=SITE)
    site.work()
    site.app.books.requests.ask_for_run("round", actor="boss", at=site.clock.now())
    site.clock.move(seconds=2)
    site.work()
    site.at("2026-11-20T15:00:03")
    (overdue,) = preview(site).digest.in_hand
    assert (overdue.word, overdue.title) == ("Overdue", "Daily round: 6 of 6 tasks")
    assert overdue.facts == "Look at server 0, and 5 more. The first was due today 14:00, 2 h ago."


def test_a_broken_file_is_named_once_with_line_and_column_and_what_to_type(house: Callable[..., Any]) -> None:
    site = house({"backups": BACKUPS}, site=SITE)
    site.work()
    site.write("routines/backups.yaml", BACKUPS + "    timout: 3m\n")
    site.write("routines/fresh.yaml", "name: [oh\n")
    site.clock.move(seconds=6)
    site.work()
    made = preview(site)
    broken = item(made.digest.in_hand, "routines/backups.yaml")
    assert re.match(r"Line 10, column 5: steps\[1\]\.timout: unknown key", broken.facts)
    assert "Its last good version stays in force." in broken.facts
    assert "It does not run until that is mended." in item(made.digest.in_hand, "fresh.yaml").facts
    for part in (made.text, Page(made.html).words):
        assert part.count("timout") == 1
        assert "opsrunner check routines/backups.yaml" in part


def test_it_names_mails_that_were_given_up_and_groups_many(house: Callable[..., Any]) -> None:
    site = house({}, site=SITE)
    site.work()
    site.clock.move(seconds=1)

    def lose(*addresses: str) -> None:
        mails = [NewMail(to=to, subject=f"Hello {to}", text="x", html="") for to in addresses]
        with site.app.books.transaction():
            for mail_id in site.app.books.outbox.put(mails, at=site.clock.now()):
                site.app.books.outbox.failed(mail_id, site.clock.now(), "550 5.1.1 no such user")

    lose("ops1@example.com")
    site.clock.move(minutes=5)
    (lost,) = preview(site).digest.needs_you
    assert lost.title == "A mail to ops1@example.com"
    assert lost.facts.endswith("550 5.1.1 no such user. Mend the address of First technician in opsrunner.yaml.")
    lose(*(f"customer{number}@example.net" for number in range(2000)))
    site.clock.move(minutes=5)
    digest = preview(site).digest
    (lost,) = digest.needs_you
    assert lost.title.startswith("2,001 mails to ops1@example.com, customer0@example.net, ")
    assert "✕ 0 of 2,001 mails sent, 2,001 refused" in preview(site).text


def test_mails_that_wait_or_are_lost_since_before_the_period_do_not_leave_the_figure_fine(
    house: Callable[..., Any],
) -> None:
    site = house({}, site=SITE)
    site.work()

    def put(to: str) -> int:
        with site.app.books.transaction():
            (mail_id,) = site.app.books.outbox.put(
                [NewMail(to=to, subject="x", text="x", html="")], at=site.clock.now()
            )
        return int(mail_id)

    def figure() -> tuple[str, str]:
        now = site.clock.now()
        digest = site.app.digests.preview("daily", now, from_=now - timedelta(days=1)).digest
        return next((one.text, one.tone) for one in digest.house if one.name == "Mails")

    assert figure() == ("no mail to send", "nothing")
    stuck, lost = put("stuck@example.net"), put("lost@example.net")
    site.clock.move(days=2)
    site.app.books.outbox.failed(lost, site.clock.now(), "550 5.1.1 no such user")
    assert figure() == ("1 older mail refused, 1 older mail waiting", "failed")
    site.clock.move(days=2)
    site.app.books.outbox.sent(put("new@example.net"), site.clock.now())
    site.clock.move(seconds=1)
    assert figure() == ("1 of 1 mail sent, 1 older mail waiting", "look")
    site.app.books.outbox.sent(stuck, site.clock.now())
    assert figure() == ("1 of 1 mail sent", "fine")


def test_it_says_in_every_digest_what_is_not_verified(house: Callable[..., Any]) -> None:
    """C44."""
    smtp = "smtp: {host: mail.example.com, verify: false}"
    probe = (
        "name: Panel\naccountable: owner\nsteps:\n  - {id: login, http: {get: 'https://127.0.0.1/', verify: false}}\n"
    )
    written = SITE.replace("from: ops@example.com", f"from: ops@example.com, {smtp}")
    written += "sources: {bills: {sql: {url: 'mysql://ops@db1/x', verify: false}, table: t}}\n"
    site = house({"panel": probe}, site=written)
    for series in ("daily", "weekly", "monthly"):
        muted = preview(site, series).digest.muted
        assert any("certificate of mail.example.com (mail.smtp.verify: false)" in line for line in muted)
        assert any(line.startswith("Panel asks without checking the certificate (login") for line in muted)
        assert any("(sources.bills.sql.verify: false)" in line for line in muted)
    assert house({}, site=SITE).app.digests.preview("daily", site.clock.now()).digest.muted == ()


def test_it_tells_what_is_held_back_until_when_by_whom_and_why(house: Callable[..., Any]) -> None:
    frozen = PLAIN.replace("Licence count", "Kernel updates").replace("steps:", "tags: [changes]\nsteps:")
    freeze = "freezes:\n  - {from: 2026-11-18, until: 2026-11-30, tags: [changes], reason: High season}\n"
    site = house({"licences": PLAIN, "kernels": frozen, "panel": HOURLY}, site=SITE + freeze)
    site.work()
    until = datetime(2026, 11, 25, 7, tzinfo=UTC)
    site.app.books.holds.pause("panel", until=until, reason="new hardware", actor="ops1", at=site.clock.now())
    site.at("2026-11-21T04:00:01")
    site.at("2026-11-21T05:59:00")
    digest = preview(site).digest
    assert digest.muted == (
        "Control panel is paused until Wed 25 Nov 08:00: new hardware (First technician).",
        "1 routine tagged changes is frozen until Mon 30 Nov: High season.",
    )
    planned = {line.name: line.text for line in digest.planned}
    assert planned["Kernel updates"] == "skipped once (frozen)"
    assert planned["Licence count"] == "fine today 05:00"
    assert digest.counts.startswith("1 of 3 routines fine")
    assert [line.text for line in digest.coming if "panel" in line.text.lower()] == []


def test_it_tells_hand_overs_gaps_and_what_a_holiday_moves(house: Callable[..., Any]) -> None:
    moved = """\
name: Weekly letter
accountable: sysadmin
schedule: {every: week, on: friday, at: "10:00", on_holiday: next business day}
steps:
  - task: Write it
"""
    site = house({"letter": moved}, site=SITE)
    site.at("2026-11-22T06:00:00")
    coming = {line.text: line.when for line in preview(site).digest.coming}
    assert coming["on-call passes to First technician"] == "Mon 09:00"
    assert coming["Nobody holds desk, 23:00 to 07:00, on 7 days"] == "23:00"
    assert not any("Weekly letter" in text for text in coming)  # it is moved past the seven days
    site.at("2026-11-24T06:00:00")
    (line,) = [line for line in preview(site).digest.coming if "Weekly letter" in line.text]
    assert (line.when, "moved to the next business day" in line.text) == ("Mon 10:00", True)


def test_its_strip_shows_the_worst_of_each_day_on_the_sites_clock(house: Callable[..., Any]) -> None:
    site = house({"backups": BACKUPS.replace("02:30", "00:30"), "licences": PLAIN}, site=SITE)
    site.at("2026-11-20T23:30:01")  # Saturday 00:30 in Oslo
    site.at("2026-11-21T04:00:01")
    (site.root / "var" / "broken").touch()
    site.at("2026-11-21T23:30:01")
    site.at("2026-11-22T04:00:01")
    (site.root / "var" / "broken").unlink()
    site.app.books.holds.pause("licences", until=datetime(2026, 11, 30, tzinfo=UTC), reason="x", actor="boss",
                               at=site.clock.now())  # fmt: skip
    site.at("2026-11-22T23:30:01")
    for series in ("daily", "weekly", "monthly"):
        made = preview(site, series)
        days = [(str(mark.day), mark.tone, mark.text) for mark in made.digest.days]
        assert days == [
            ("2026-11-21", "fine", "2 runs"),
            ("2026-11-22", "failed", "1 of 2 runs failed or missed"),
            ("2026-11-23", "fine", "1 run"),
        ]
        assert "✓ ✕ ✓  the worst of each day since Sat 21 Nov" in made.text
        assert "✓✕✓The worst of each day since Sat 21 Nov" in Page(made.html).words.replace("\n", "")


def test_a_strip_never_has_more_than_fourteen_days(house: Callable[..., Any]) -> None:
    site = house({"licences": PLAIN}, site=SITE)
    site.work()
    for day in range(20):
        site.clock.set(datetime(2026, 11, 21, 4, 0, 1, tzinfo=UTC) + timedelta(days=day))
        site.work()
    days = preview(site).digest.days
    assert (len(days), str(days[-1].day)) == (14, "2026-12-10")


def test_each_series_accounts_for_every_run_exactly_once(house: Callable[..., Any]) -> None:
    site = house({"panel": HOURLY, "backups": BACKUPS}, site=SITE)
    site.work()
    (site.root / "var" / "broken").touch()
    hours(site, "2026-12-02T12:00:00", step=6)
    site.at("2026-12-02T12:00:00")
    rows = site.app.books.ledger.all("SELECT id, finished_at, ended FROM runs WHERE finished_at IS NOT NULL")
    for series in ("daily", "weekly", "monthly"):
        after, told = 0, set()
        for digest in site.app.books.ledger.all("SELECT * FROM digests WHERE series = ? ORDER BY until_at", (series,)):
            mine = [row for row in rows if after < row["ended"] <= digest["through"]]
            assert digest["runs"] == len(mine)
            assert all(row["finished_at"] <= digest["until_at"] for row in mine)
            told |= {row["id"] for row in mine}
            after = digest["through"]
        untold = [row for row in rows if row["ended"] > after]
        assert told
        assert not told & {row["id"] for row in untold}
        assert len(told) + len(untold) == len(rows)
        assert site.app.digests.preview(series, site.clock.now()).digest.runs == len(untold)


def test_a_run_that_ends_after_the_digest_is_told_of_in_the_next(house: Callable[..., Any]) -> None:
    site = house({"licences": PLAIN.replace("05:00", "07:01")}, site=SITE)
    site.at("2026-11-20T12:00:05")
    site.at("2026-11-21T06:01:00")  # one pass late: the digest of 07:00 is written, the run of 07:01 ends
    (run,) = site.runs("licences")
    first = site.app.books.digests.last("daily")
    assert first.until_at == datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert (first.runs, run.status) == (0, RunStatus.SUCCEEDED)
    site.at("2026-11-22T06:00:01")
    assert site.app.books.digests.last("daily").runs == 1


def test_one_late_digest_names_the_whole_downtime_once(house: Callable[..., Any]) -> None:
    site = house({"licences": PLAIN.replace("steps:", "catch_up: skip\nsteps:")}, site=SITE)
    site.at("2026-11-20T12:00:10")
    site.clock.move(days=4)
    site.work()
    made = site.app.books.digests.last("daily")
    assert "Fri 20 Nov 13:00 to Tue 24 Nov 13:00" in made.text
    assert made.text.count("did not run from Fri 20 Nov 13:00 to Tue 24 Nov 13:00") == 1
    assert "Did not run, 4 times from Sat 05:00 to today 05:00: it is not caught up." in " ".join(made.text.split())


def test_it_does_not_call_the_night_fine_when_all_of_it_was_left_out(house: Callable[..., Any]) -> None:
    site = house({"licences": PLAIN}, site=SITE)
    site.work()
    until = datetime(2026, 11, 30, tzinfo=UTC)
    site.app.books.holds.pause("licences", until=until, reason="moving", actor="boss", at=site.clock.now())
    site.at("2026-11-21T04:00:01")
    digest = preview(site).digest
    assert digest.headline == "Nothing has run to its end. Nothing needs you."
    assert digest.subject == "Nothing has run to its end · Sat 21 Nov"


OVERLONG = """\
name: Copy
accountable: sysadmin
schedule: {every: 1h}
steps:
  - run: while [ ! -e var/gate ]; do sleep 0.02; done
    timeout: 100h
"""


def pass_hours(site: Any, count: int) -> None:
    """Let hours pass while a run goes on, and others end."""
    for _ in range(count):
        site.clock.move(hours=1)
        site.daemon.work_once()
        while len(site.workers.busy()) > 1:
            site.app.draining.wait(0.01)


def test_a_routine_that_was_in_its_own_way_is_not_green_and_says_what_did_not_run(house: Callable[..., Any]) -> None:
    site = house({"copy": OVERLONG, "licences": PLAIN.replace("05:00", "10:00")}, site=SITE)
    site.work()
    pass_hours(site, 24)
    (site.root / "var" / "gate").touch()
    site.work()
    made = preview(site)
    planned = {line.name: (line.tone, line.text) for line in made.digest.planned}

    assert planned["Copy"] == ("look", "skipped 6 times (the one before still ran)")
    assert planned["Licence count"][0] == "fine"
    assert made.digest.headline == "One did not run every time it was due. One is fine. Nothing needs you."
    assert made.digest.subject == "1 skipped at times, 1 fine · Sat 21 Nov"
    assert made.digest.counts == "1 of 2 routines fine, 2 runs, 6 skipped."
    assert (made.digest.days[-1].tone, made.digest.days[-1].text) == ("look", "14 of 16 runs skipped")
    assert "All" not in Page(made.html).words
    assert "✓ Copy" not in made.text


def while_a_copy_goes_on(house: Callable[..., Any], *, hours: int) -> Any:
    """Return the digest of a site whose only routine has been under way for some hours; then let it end."""
    site = house({"copy": OVERLONG}, site=SITE)
    site.work()
    pass_hours(site, hours)
    digest = preview(site).digest
    (site.root / "var" / "gate").touch()
    site.work()
    return digest


def test_a_routine_that_never_ran_since_it_was_in_its_own_way_all_day_is_told_of(house: Callable[..., Any]) -> None:
    digest = while_a_copy_goes_on(house, hours=5)

    assert digest.headline == "One did not run every time it was due. Nothing needs you."
    assert digest.counts == "Nothing ran, 4 skipped."
    assert [(line.tone, line.text) for line in digest.planned] == [
        ("look", "skipped 4 times (the one before still ran)")
    ]


def test_what_is_under_way_was_due(house: Callable[..., Any]) -> None:
    digest = while_a_copy_goes_on(house, hours=1)

    assert digest.headline == "Nothing has run to its end. Nothing needs you."


def test_what_was_due_while_nobody_looked_is_not_passed_over(house: Callable[..., Any]) -> None:
    held = PLAIN.replace("Licence count", "Held")
    site = house({"licences": PLAIN, "panel": HOURLY, "held": held}, site=SITE)
    site.at("2026-11-20T12:30:00")
    until = datetime(2026, 11, 30, tzinfo=UTC)
    site.app.books.holds.pause("held", until=until, reason="moving", actor="boss", at=site.clock.now())
    soon, night = datetime(2026, 11, 20, 12, 33, tzinfo=UTC), datetime(2026, 11, 21, 5, tzinfo=UTC)
    before, made = (site.app.digests.preview("daily", at) for at in (soon, night))
    site.clock.set(night)
    site.work()
    after = preview(site)

    assert before.digest.headline == "Nothing was due. Nothing needs you."
    assert before.digest.gaps == ()
    assert made.digest.headline == "Two routines were due, and nothing has looked at them yet."
    assert made.digest.subject == "2 due and not looked at · Sat 21 Nov"
    line = "The scheduler has not run since Fri 20 Nov 13:30; 2 routines were due since then."
    assert made.digest.gaps == (line,)
    assert line in " ".join(made.text.split())
    assert made.digest.preheader.startswith("Next: ")
    assert "has not run since" not in after.text
    assert after.digest.headline == "Both are fine. Nothing needs you."


def test_a_daemon_that_is_down_is_told_of_also_when_nothing_was_due(house: Callable[..., Any]) -> None:
    site = house({"licences": PLAIN}, site=SITE)
    site.work()
    site.clock.move(hours=2)
    digest = preview(site).digest

    assert digest.headline == "Nothing was due. Nothing needs you."
    assert digest.gaps == ("The scheduler has not run since Fri 20 Nov 13:00; nothing was due since then.",)


def test_many_skips_that_were_asked_for_are_one_line(house: Callable[..., Any]) -> None:
    site = house({"panel": HOURLY}, site=SITE)
    site.work()
    for hour in range(48):
        at = datetime(2026, 11, 21, tzinfo=UTC) + timedelta(hours=hour)
        site.app.books.holds.skip("panel", nominal_at=at, reason="moving", actor="boss", at=site.clock.now())
    site.app.books.holds.skip(
        "panel", nominal_at=datetime(2026, 11, 24, tzinfo=UTC), reason="new rack", actor="boss", at=site.clock.now()
    )
    muted = preview(site).digest.muted
    hours(site, "2026-11-21T12:30:00")
    (line,) = preview(site).digest.planned

    assert muted == (
        "Control panel leaves out 48 times from Sat 21 Nov 01:00 to Mon 23 Nov 00:00: moving (The owner).",
        "Control panel leaves out Tue 24 Nov 01:00: new rack (The owner).",
    )
    assert line.text == "skipped 7 times (as asked)"


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} {{ ''.__class__ }} </td></table>"
NASTY = r"""\r\nBcc: thief@evil.example\u2028X-Evil: yes\0"""


def hostile_house(house: Callable[..., Any]) -> Any:
    nasty = NASTY.replace("\\0", "")  # YAML refuses NUL itself
    names = {"Example Hosting": f'"Ex {HOSTILE} {nasty}"', "First technician": f'"First {HOSTILE} {nasty}"'}
    site = SITE
    for plain, bad in names.items():
        site = site.replace(plain, bad)
    rows = f"{HOSTILE} {NASTY}"
    hostile = f"""\
name: "Look {HOSTILE.replace("{{", "{").replace("}}", "}")}"
accountable: ops1
schedule: {{every: day, at: "05:00"}}
steps:
  - id: found
    name: "Step {HOSTILE.replace("{{", "{").replace("}}", "}")}"
    run: cat rows.json
    rows: json
    warn_if: row.message
    on_failure: continue
  - id: told
    run: cat rows.json; cat rows.json >&2; exit 1
    on_failure: continue
  - task: "Ask {{{{ row.message }}}}"
    for_each: steps.found.rows
    key: row.message
    role: owner
"""
    made = house({"hostile": hostile}, site=site)
    made.write("rows.json", f'[{{"message": "{rows.replace(chr(92) + "0", chr(92) + "u0000")}"}}]')
    made.at("2026-11-21T04:00:01")
    made.at("2026-11-21T06:00:01")
    return made


def test_nothing_from_outside_becomes_markup_a_header_or_a_template(house: Callable[..., Any]) -> None:
    """C22, C24, C26."""
    site = hostile_house(house)
    mails = site.app.books.outbox.queued()
    assert {mail.about.split()[0] for mail in mails} == {"digest", "follow-up"}
    for mail in mails:
        message = as_sent(mail)
        assert sorted(message.keys()) == sorted(set(message.keys()))
        assert "Bcc" not in message
        assert "X-Evil" not in message
        assert "\n" not in str(message["Subject"])
        page = Page(message.get_body(("html",)).get_content())  # type: ignore[union-attr]
        assert not page.tags & {"script", "img", "iframe", "svg", "form", "object"}
        assert not [name for name in page.attributes if name.startswith("on")]
        text = message.get_body(("plain",)).get_content()  # type: ignore[union-attr]
        for words in (" ".join(page.words.split()), " ".join(text.split())):
            assert "<script>alert(1)</script>" in words
            assert "49" not in re.sub(r"opsrunner \w+ \d+", "", words)
        assert "\x00" not in text
        assert "\u2028" not in text


def test_its_own_template_signs_stand_as_they_were_said(house: Callable[..., Any]) -> None:
    """C22."""
    site = hostile_house(house)
    made = preview(site)
    assert "{{ 7 * 7 }}" in " ".join(Page(made.html).words.split())
    assert "{{ 7 * 7 }}" in " ".join(made.text.split())


def test_binary_output_makes_a_valid_mail(house: Callable[..., Any]) -> None:
    """B53."""
    binary = PLAIN.replace(
        'run: ["true"]', r"""run: printf 'disk \377\376\000 \033[31mred\033[0m \303 full' >&2; exit 1"""
    )
    site = house({"binary": binary}, site=SITE)
    site.at("2026-11-21T04:00:01")
    site.at("2026-11-21T06:00:01")
    for mail in site.app.books.outbox.queued():
        message = as_sent(mail)
        for part in message.iter_parts():
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            words = content.decode("utf-8", "strict")
            assert "disk" in words.lower()
            assert not set(words) & {"\x00", "\x1b"}


@pytest.fixture
def flood(house: Callable[..., Any]) -> Any:
    """A site whose 50 routines failed 100 times each, with lines of a megabyte."""
    routines = {f"r{number}": PLAIN.replace("Licence count", f"Routine {number}") for number in range(50)}
    site = house(routines, site=SITE)
    site.work()
    books, line, at = site.app.books, "disk full & <b>" * 70_000, site.clock.now()
    with books.transaction():
        for routine in site.app.site.routines.values():
            plan = routine.steps[0]
            for number in range(100):
                moment = at + timedelta(minutes=number)
                new = NewRun(routine=routine.id, trigger=Trigger.MANUAL, status=RunStatus.RUNNING)
                run = books.runs.claim(new, at=moment)
                failed = Outcome(status=StepStatus.FAILED, message=line[:300])
                books.steps.finish(run.id, 0, plan, outcome=failed, at=moment)
                told = line if number == 99 else line[:300]
                site.app.follow_ups.failed(run, routine, plan, key="", message=told, at=moment)
                books.runs.finish(run.id, status=RunStatus.FAILED, reason="step run", at=moment)
    site.clock.move(hours=4)
    return site


def test_5000_failures_make_a_small_mail_with_right_counts_in_seconds(flood: Any) -> None:
    """B82."""
    started = time.thread_time()
    made = preview(flood)
    assert time.thread_time() - started < 3
    assert made.digest.headline == "Nothing needs you. 50 are in hand."
    assert made.digest.counts.startswith("0 of 50 routines fine, 5,000 runs")
    assert made.digest.runs == 5000
    assert {one.facts.partition("Failed ")[2].partition(" since")[0] for one in made.digest.in_hand} == {"100 times"}
    flood.app.digests.send_now("daily", flood.clock.now())
    mail = [mail for mail in flood.app.books.outbox.queued() if mail.about == "digest daily"][-1]
    assert len(as_sent(mail).as_bytes()) < 200_000
    for words in (" ".join(mail.text.split()), " ".join(Page(mail.html).words.split())):
        assert "50 are in hand" in words
        shown = words.upper().count("✕ FAILED")
        left_out = re.search(r"and (\d+) more", words)
        assert left_out is None or shown + int(left_out[1]) == 50
    assert preview(flood).digest.runs == 0


def test_a_step_that_failed_for_5000_hosts_is_one_thing(house: Callable[..., Any]) -> None:
    """B82."""
    site = house({"fleet": PLAIN.replace("Licence count", "Fleet audit")}, site=SITE)
    site.work()
    books, routine = site.app.books, site.app.site.routines["fleet"]
    new = NewRun(routine="fleet", trigger=Trigger.MANUAL, status=RunStatus.RUNNING)
    with books.transaction():
        run = books.runs.claim(new, at=site.clock.now())
        bad = [(f"web{number}", "x" * 1_000_000 if number == 0 else "no route") for number in range(5000)]
        site.app.follow_ups.failed_for(run, routine, routine.steps[0], bad=bad, at=site.clock.now())
        books.runs.finish(run.id, status=RunStatus.FAILED, reason="step run", at=site.clock.now())
    started = time.thread_time()
    site.clock.move(minutes=1)
    digest = preview(site).digest
    assert time.thread_time() - started < 5
    (failed,) = digest.in_hand
    assert failed.title == "Fleet audit, for 5,000"
    assert failed.facts.endswith("web1: no route; web2: no route and 4,997 more.")


def test_figures_that_a_rule_found_are_named(house: Callable[..., Any]) -> None:
    load = PLAIN.replace(
        'run: ["true"]',
        "id: load\n    run: printf 'load,cores,state\\n9.5,2,high\\n'\n    rows: csv\n    warn_if: row.state == 'high'",
    )
    site = house({"capacity": load}, site=SITE)
    site.at("2026-11-21T04:00:01")
    (look,) = preview(site).digest.in_hand
    assert look.facts.startswith("Load 9.5, cores 2, high.")


def test_the_house_counts_hosts_by_the_newest_step_that_asked_them(house: Callable[..., Any]) -> None:
    hosts = "hosts:\n" + "".join(f"  web{number}: {{address: 127.0.0.{number}}}\n" for number in (1, 2, 3, 4))
    fleet = "name: Fleet\naccountable: sysadmin\nsteps:\n  - ssh: {hosts: [web1, web2, web3, web4], run: uptime}\n"
    site = house({"fleet": fleet}, site=SITE + hosts)
    site.work()
    books, plan = site.app.books, site.app.site.routines["fleet"].steps[0]

    def ask(**ends: StepStatus) -> None:
        site.clock.move(minutes=1)
        new = NewRun(routine="fleet", trigger=Trigger.MANUAL, status=RunStatus.RUNNING)
        run = books.runs.claim(new, at=site.clock.now())
        parts = tuple(Part(key=host, status=status) for host, status in ends.items())
        outcome = Outcome(status=StepStatus.SUCCEEDED, parts=parts)
        books.steps.finish(run.id, 0, plan, outcome=outcome, at=site.clock.now())
        books.runs.finish(run.id, status=RunStatus.SUCCEEDED, reason="", at=site.clock.now())

    assert preview(site).digest.house[0].text == "none of 4 hosts asked"
    ask(web1=StepStatus.UNKNOWN, web2=StepStatus.SUCCEEDED, web3=StepStatus.FAILED)
    ask(web1=StepStatus.SUCCEEDED, web2=StepStatus.UNKNOWN)
    figure = preview(site).digest.house[0]
    assert (figure.text, figure.tone) == ("2 of 4 hosts reachable, 1 not asked", "look")


def test_a_routine_whose_people_have_work_left_is_not_counted_as_fine(house: Callable[..., Any]) -> None:
    orders = (
        "name: Orders\naccountable: sysadmin\nsteps:\n"
        "  - {id: found, run: \"printf 'number\\n7\\n'\", rows: csv}\n"
        "  - {task: 'Order {{ row.number }}', for_each: steps.found.rows, key: row.number}\n"
    )
    site = house({"orders": orders})
    asked = site.app.books.requests.ask_for_run("orders", actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.work()
    assert site.app.books.requests.get(asked).run is not None
    digest = site.app.digests.preview("daily", site.clock.now()).digest
    (line,) = digest.planned
    assert (line.tone, line.text) == ("live", "0 of 1 task done")
    assert "fine" not in digest.headline


def give_up(site: Any, note: str) -> Task:
    """Mark the one open task as not to be done, by the first technician."""
    (task,) = site.app.books.tasks.opened()
    site.clock.move(minutes=5)
    closed: Task = site.app.ticks.tick(
        task.id,
        actor=site.app.people.named("ops1"),
        status=TaskStatus.COULD_NOT,
        evidence=Evidence(note=note),
        at=site.clock.now(),
    )
    site.clock.move(minutes=1)
    site.work()
    return closed


def ask(site: Any, routine: str) -> None:
    """Let a routine run once."""
    site.app.books.requests.ask_for_run(routine, actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.work()


ORDERS = """\
name: Orders
accountable: sysadmin
steps:
  - {id: found, run: "printf 'number\\n7\\n'", rows: csv}
  - {task: 'Order {{ row.number }}', for_each: steps.found.rows, key: row.number}
"""


def test_a_task_of_a_row_that_could_not_be_done_is_told_of_once_and_its_routine_is_not_fine(
    house: Callable[..., Any],
) -> None:
    site = house({"orders": ORDERS}, site=SITE)
    ask(site, "orders")
    give_up(site, "the panel refuses the licence")
    made = preview(site)
    (look,) = made.digest.in_hand
    assert (look.tone, look.word, look.title, look.with_whom) == ("look", "Not done", "Order 7", "For sysadmin")
    said = "First technician could not do it today 13:05: the panel refuses the licence. From Orders."
    assert look.facts == said
    assert look.command == f"opsrunner task show {look.task}"
    assert said in " ".join(made.text.split())
    assert (made.digest.needs_you, made.digest.planned) == ((), ())
    assert "fine" not in made.digest.headline

    assert site.app.digests.write("daily", site.clock.now()) is not None
    site.clock.move(hours=2)
    assert preview(site).digest.in_hand == ()


def test_an_ad_hoc_task_that_could_not_be_done_is_told_of(house: Callable[..., Any]) -> None:
    site = house({"plain": PLAIN}, site=SITE)
    boss = site.app.people.named("boss")
    site.app.ticks.add("Call the data centre", actor=boss, at=site.clock.now(), role="sysadmin")
    give_up(site, "nobody answers")
    (look,) = preview(site).digest.in_hand
    assert (look.word, look.title) == ("Not done", "Call the data centre")
    assert look.facts == "First technician could not do it today 13:05: nobody answers."
    assert "One is in hand." in preview(site).digest.headline


def test_a_follow_up_that_could_not_be_done_is_told_of_with_what_failed(house: Callable[..., Any]) -> None:
    site = house({"backups": BACKUPS}, site=SITE)
    site.write("var/broken", "")
    ask(site, "backups")
    assert site.app.digests.write("daily", site.clock.now()) is not None
    give_up(site, "the disk of the server is gone")
    look = item(preview(site).digest.in_hand, "the billing dump")
    assert look.word == "Not done"
    assert look.facts.startswith("First technician could not do it today 13:05: the disk of the server is gone.")
    assert "Lost connection to MySQL" in look.facts


def test_many_alike_that_could_not_be_done_are_one_thing(house: Callable[..., Any]) -> None:
    site = house({"orders": ORDERS.replace("7\\n", "1\\n2\\n3\\n4\\n")}, site=SITE)
    ask(site, "orders")
    for task in site.app.books.tasks.opened():
        why = Evidence(note="no stock")
        site.app.books.tasks.close(task.id, status=TaskStatus.COULD_NOT, by="ops1", evidence=why, at=site.clock.now())
    (look,) = preview(site).digest.in_hand
    assert (look.word, look.title) == ("Not done", "Orders: 4 tasks")
    one = "Order {} (First technician: no stock)"
    assert look.facts == f"{one.format(1)}; {one.format(2)}; {one.format(3)} and 1 more."


def test_what_a_run_tells_of_as_not_done_is_told_of_once(house: Callable[..., Any]) -> None:
    site = house({"orders": f"{ORDERS}  - {{task: Count the stock}}\n"}, site=SITE)
    ask(site, "orders")
    site.clock.move(minutes=5)
    for task in site.app.books.tasks.opened():
        why, at = Evidence(note=f"not {task.item}"), site.clock.now()
        site.app.books.tasks.close(task.id, status=TaskStatus.COULD_NOT, by="ops1", evidence=why, at=at)
    site.clock.move(minutes=1)
    site.work()
    told = {one.title: one.facts for one in preview(site).digest.in_hand}
    assert told.keys() == {"Order 7", "Orders"}
    assert told["Orders"].startswith("1 of 1 task was not done: Count the stock (could not: not ")


def test_an_escalated_task_that_could_not_be_done_needs_its_reader_and_its_mail_leaves_after_quiet_hours(
    house: Callable[..., Any],
) -> None:
    escalates = "due: +2h, remind: [1h], escalate: {after: 2h, to: owner}}"
    quiet = "roles: [owner], login: boss, quiet: '16:00-08:00'}"
    settings = SITE.replace("roles: [owner], login: boss}", quiet)
    settings = settings.replace("login: ops1}", "login: ops1, quiet: '15:00-08:00'}")
    site = house(
        {"orders": ORDERS.replace("key: row.number}", f"key: row.number, role: ops1, {escalates}")}, site=settings
    )
    ask(site, "orders")
    for hour in (15, 16):
        site.at(f"2026-11-20T{hour}:01:00")
    held = {mail.to: mail.about for mail in site.app.books.outbox.queued() if mail.not_before}
    assert held == {"ops1@example.com": "reminder 1", "owner@example.com": "escalation 1"}
    give_up(site, "no stock")
    assert [mail.to for mail in site.app.books.outbox.queued() if mail.not_before] == ["owner@example.com"]
    (look,) = preview(site).digest.needs_you
    assert (look.word, look.tone, look.title) == ("Not done", "look", "Order 7")
    assert look.facts.startswith("First technician could not do it today 17:06: no stock. It was due today 15:00")
    assert "escalated to you" in look.facts
    assert preview(site).digest.subject.startswith("1 needs you: Order 7")


def test_the_day_as_it_stands_counts_what_a_digest_has_told_of(house: Callable[..., Any]) -> None:
    site = house({"panel": HOURLY}, site=SITE)
    hours(site, "2026-11-20T14:00")
    before = site.app.digests.stands(site.clock.now(), from_=site.clock.now() - timedelta(hours=6))
    assert site.app.digests.write("daily", site.clock.now()) is not None
    after = site.app.digests.stands(site.clock.now(), from_=site.clock.now() - timedelta(hours=6))
    assert before.runs == after.runs > 0
    assert "Nothing ran" not in after.headline


def test_rows_of_a_site_with_the_columns_of_findings_are_told_of_like_any_others(house: Callable[..., Any]) -> None:
    alarms = (
        "name: Alarms\naccountable: sysadmin\nsteps:\n"
        "  - {id: found, run: \"printf 'severity,findings,hosts\\nP1,x,\\n'\", rows: csv}\n"
        "  - {task: 'Alarm {{ row.severity }}', for_each: steps.found.rows, key: row.severity}\n"
    )
    site = house({"alarms": alarms}, site=SITE)
    site.app.books.requests.ask_for_run("alarms", actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.work()
    (task,) = site.app.books.tasks.opened()
    assert task.row.keys() == {"severity", "findings", "hosts"}
    site.at("2026-11-21T06:00:01")
    assert site.app.books.digests.last("daily") is not None
    assert site.daemon.is_healthy()


def test_a_fault_in_a_digest_ends_neither_the_daemon_nor_another_series_and_is_told(
    house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = house({"panel": HOURLY}, site=SITE + 'digest: {daily: "07:00", weekly: "mon 07:00"}\n')
    site.at("2026-11-20T12:00:01")
    looks = 0

    def trip(desk: Any, span: Any, **more: Any) -> Any:
        nonlocal looks
        if span.series != "daily":
            return collect(desk, span, **more)
        looks += 1
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as broken:
        broken.setattr("opsrunner.engine.digest.collect", trip)
        site.at("2026-11-23T06:00:01")
        assert site.app.books.digests.last("weekly") is not None
        assert site.app.books.digests.last("daily") is None
        assert not site.daemon.is_healthy()
        assert "a fault of ours" in caplog.text
        assert "Traceback" in caplog.text
        assert looks == 1, "not more often than digests are looked at"
        for _ in range(10):
            site.clock.move(minutes=10)
            site.work()
        assert not site.daemon.is_healthy(), "a pass that succeeds does not make up for it"
        assert looks > 5
        assert caplog.text.count("Traceback") == 1
        assert site.told("panel")[-1] == "succeeded schedule"
        assert site.runs("panel")[-1].nominal_at == datetime(2026, 11, 23, 7, tzinfo=UTC)
    site.clock.move(seconds=6)
    site.work()
    assert site.app.books.digests.last("daily") is not None
    assert site.daemon.is_healthy()


def write_daily(site: Any) -> tuple[str, str]:
    """Write the daily digest that is due; return its text, and the figure about mails."""
    before = site.app.books.digests.last("daily")
    site.app.digests.write_due(site.clock.now())
    text: str = site.app.books.digests.last("daily").text
    assert before is None or site.app.books.digests.last("daily").id != before.id
    (figure,) = re.findall(r"^.*(?:no mail to send|\bmails? (?:sent|refused)).*$", text, re.MULTILINE)
    return text, figure


def test_a_mail_that_is_refused_between_the_border_of_a_digest_and_its_writing_is_told_once(
    house: Callable[..., Any],
) -> None:
    site = house({}, site=SITE)
    site.work()
    outbox, clock = site.app.books.outbox, site.clock
    clock.set(datetime(2026, 11, 21, 5, 59, tzinfo=UTC))
    (mail_id,) = outbox.put([NewMail(to="gone@example.net", subject="x", text="x")], at=clock.now())
    clock.set(datetime(2026, 11, 21, 6, 0, 2, tzinfo=UTC))
    outbox.failed(mail_id, clock.now(), "550 5.1.1 no such user")
    clock.move(seconds=1)
    text, figure = write_daily(site)
    assert "gone@example.net" not in text
    assert "refused" not in figure
    assert "1 waiting" in figure
    clock.move(days=1)
    text, figure = write_daily(site)
    assert "A mail to gone@example.net" in text
    assert "1 older mail refused" in figure
    clock.move(days=1)
    text, figure = write_daily(site)
    assert "gone@example.net" not in text
    assert "refused" not in figure


def test_a_mail_that_is_refused_while_a_digest_is_written_is_told_once(house: Callable[..., Any]) -> None:
    site = house({}, site=SITE)
    site.work()
    outbox, clock = site.app.books.outbox, site.clock
    told: list[tuple[str, str]] = []

    class Slow:
        """Refuses one recipient, after a digest was written meanwhile."""

        def deliver(self, message: EmailMessage, *, to: str, **_: Any) -> None:
            if to != "gone@example.net":
                return
            clock.set(datetime(2026, 11, 21, 6, 0, 3, tzinfo=UTC))
            told.append(write_daily(site))
            clock.move(seconds=2)
            raise MailFailed("550 5.1.1 no such user", permanent=True)

        def close(self) -> None:
            pass

    clock.set(datetime(2026, 11, 21, 5, 59, 59, tzinfo=UTC))
    outbox.put([NewMail(to="gone@example.net", subject="x", text="x")], at=clock.now())
    deliver_due(outbox, Slow(), from_="ops@example.com", clock=clock)
    for _ in range(2):
        clock.move(days=1)
        told.append(write_daily(site))
    assert ["A mail to gone@example.net" in text for text, _ in told] == [False, True, False]
    assert ["refused" in figure for _, figure in told] == [False, True, False]
