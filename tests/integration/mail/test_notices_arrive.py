"""Notices as customers have them: through a real Postfix into a real Dovecot, and back where nobody lives there."""

from __future__ import annotations

import email
import email.policy
import imaplib
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from icalendar import Calendar

from opsrunner.model.notice import Suppression
from opsrunner.model.task import Evidence, TaskStatus
from opsrunner.testing import FakeClock

from ...mail_house import NEEDS, MailHouse, wait_for
from ..app.announced import BEGIN, RESELLERS, START, WINDOWS, Scene, invite_of, text_of
from ..app.conftest import House, reopened
from ..app.test_notices import HTML, TEXT
from .conftest import PASSWORD

__all__ = ["reopened"]
pytestmark = pytest.mark.needs(*NEEDS)
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner], login: boss}}
  ops1: {{name: First technician, email: ops1@example.com, roles: [sysadmin]}}
mail:
  from: ops@example.com
  smtp:
    {{host: 127.0.0.1, port: {port}, security: starttls, username: boss@example.com, password: {{file: secrets/smtp}}}}
web: {{url: https://ops.example.com}}
sources:
  services:
    csv: data/services.csv
    columns:
      {{service: text, customer: text, name: text, email: text, host: text, status: text, amount: number, cycle: text}}
  resellers:
    csv: data/resellers.csv
    columns: {{service: text, customer: text, name: text, email: text, host: text}}
  domains:
    csv: data/domains.csv
    columns: {{domain: text, name: text, email: text, expires_at: date}}
  bounces: {{bounces: {maildir}}}
"""
RENEWALS = """\
name: Domain renewals
accountable: ops1
schedule: {every: day, at: "08:00"}
steps:
  - notice:
      source: domains
      key: domain
      at: expires_at
      to: email
      name: name
      ladder: [30d, 14d]
      template: renewal
      live: true
"""
BOUNCES = """\
name: Addresses that bounce
accountable: sysadmin
schedule: {every: weekday, at: "09:00"}
steps:
  - query: {source: bounces, where: {permanent: true, ours: true}}
    id: bounced
  - task: "Mails to {{ row.address }} come back"
    for_each: steps.bounced.rows
    key: row.address
    how: "{{ row.diagnostic }} ({{ row.status }})"
"""
HOSTILE = "Ev{{7*7}}il <script>x</script>\u2028, everyone@example.com"
INJECTED = '"; touch /tmp/P; <img onerror=1>{{7*7}}\r\nBcc: everyone@example.com"'
SERVICES = f"""\
service,customer,name,email,host,status,amount,cycle
{INJECTED},C1,"{HOSTILE}",kari@example.com,web1,active,10.00,monthly
mail.example,C2,"Ola\r\nBcc: everyone@example.com",ola@example.com,web2,active,5.00,monthly
"""
DOMAINS = """\
domain,name,email,expires_at
a.example,Kari,kari@example.com,2026-12-15
b.example,Per,gone@example.com,2026-12-16
"""


class Post:
    """What lies in the mailboxes."""

    def __init__(self, house: MailHouse, certificate: Any) -> None:
        self.house, self._certificate = house, certificate

    def of(self, user: str, *, count: int) -> list[EmailMessage]:
        """Return a user's mails once there are so many, in the order in which they came."""
        found: list[EmailMessage] = wait_for(lambda: self._enough(user, count), self.house)
        assert len(found) == count
        return found

    def is_empty(self, user: str) -> bool:
        return not self._fetch(user)

    def _enough(self, user: str, count: int) -> list[EmailMessage] | None:
        found = self._fetch(user)
        return found if len(found) >= count else None

    def _fetch(self, user: str) -> list[EmailMessage]:
        """Return the mails as the bytes on the wire say them, parsed by nothing but the mail library."""
        trust = self._certificate.trust()
        with imaplib.IMAP4_SSL("127.0.0.1", self.house.imap_port, ssl_context=trust, timeout=10) as box:
            box.login(f"{user}@example.com", PASSWORD)
            box.select(readonly=True)
            numbers = box.search(None, "ALL")[1][0].split()
            raw = [box.fetch(number.decode(), "(BODY.PEEK[])")[1][0] for number in numbers]
        return [email.message_from_bytes(one[1], policy=email.policy.default) for one in raw if isinstance(one, tuple)]


@pytest.fixture
def post(mail_house: MailHouse, trusted: Any) -> Post:
    for user in ("ops", "kari", "ola", "everyone"):
        mail_house.empty(f"{user}@example.com")
    return Post(mail_house, trusted)


@pytest.fixture
def open_house(
    make_site: Callable[[Mapping[str, str]], Path], reopened: Callable[..., House], post: Post
) -> Callable[..., House]:
    """Open a site that sends by Postfix: `open_house({"routines/x.yaml": …})`."""

    def build(files: Mapping[str, str]) -> House:
        maildir = post.house.folder / "mail/ops@example.com"
        known = {
            "opsrunner.yaml": SITE.format(port=post.house.smtp_port, maildir=maildir),
            "data/services.csv": SERVICES,
            "data/resellers.csv": RESELLERS.splitlines()[0] + "\n",
            "data/domains.csv": "domain,name,email,expires_at\n",
            "secrets/smtp": PASSWORD,
        }
        return reopened(make_site({**known, **files}), FakeClock(START))

    return build


def event_of(mail: EmailMessage) -> tuple[Calendar, Any]:
    calendar = invite_of(mail)
    (event,) = calendar.walk("VEVENT")
    return calendar, event


def test_a_windows_calendar_file_arrives_whole_is_moved_and_is_taken_out(
    open_house: Callable[..., House], post: Post
) -> None:
    """C19 C22 C26: and what customers and their services are called does nothing on the way."""
    other = 'name: Other\naccountable: owner\nsteps: [{run: ["true"]}]\n'
    site = Scene(open_house({"maintenance.yaml": WINDOWS, "routines/other.yaml": other}))
    site.at("2026-11-23T02:00:00")
    site.approve()
    site.at("2026-11-24T01:00:05")
    (first,) = post.of("kari", count=1)
    site.house.clock.move(minutes=5)
    site.act("move", begins_at=BEGIN + timedelta(days=2), ends_at=None, reason="A storm is forecast.")
    site.look()
    (_, moved) = post.of("kari", count=2)
    site.house.clock.move(minutes=5)
    site.act("cancel", reason="The vendor has withdrawn it.")
    site.look()
    (*_, cancelled) = post.of("kari", count=3)

    files = [event_of(mail) for mail in (first, moved, cancelled)]
    assert len({str(event["UID"]) for _, event in files}) == 1
    assert [event["SEQUENCE"] for _, event in files] == [0, 1, 2]
    assert [str(calendar["METHOD"]) for calendar, _ in files] == ["PUBLISH", "PUBLISH", "CANCEL"]
    assert [str(event["STATUS"]) for _, event in files] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
    oslo = ZoneInfo("Europe/Oslo")
    assert [event["DTSTART"].dt for _, event in files][:2] == [BEGIN.astimezone(oslo), (BEGIN + timedelta(days=2))]
    for calendar, event in files:
        assert [str(zone["TZID"]) for zone in calendar.walk("VTIMEZONE")] == ["Europe/Oslo"]
        assert event["DTSTART"].params["TZID"] == "Europe/Oslo"
    for mail in (first, moved, cancelled, *post.of("ola", count=3)):
        assert mail.defects == []
        assert str(mail["To"]) in ("kari@example.com", "ola@example.com")
        assert (mail["Bcc"], mail["Cc"]) == (None, None)
        (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
        assert str(event_of(mail)[0]["METHOD"]) == part.get_param("method"), "the type says the method, too"
    page = first.get_body(("html",))
    assert page is not None
    assert "<script>x" not in page.get_content()
    assert "<img onerror" not in page.get_content()
    assert "{{7*7}}" in text_of(first)
    assert post.is_empty("everyone")


def test_a_renewal_letter_arrives_with_its_way_out_and_one_to_nobody_comes_back(
    open_house: Callable[..., House], post: Post
) -> None:
    """B77: what a server further on refuses for good is seen, and ends with no more mails to that address."""
    files = {"data/domains.csv": DOMAINS, "reports/renewal.txt.j2": TEXT, "reports/renewal.html.j2": HTML}
    own = open_house({**files, "routines/renewals.yaml": RENEWALS, "routines/bounces.yaml": BOUNCES})
    own.work()
    own.at("2026-11-21 07:00")
    (task,) = own.app.books.tasks.opened()
    boss, now = own.app.people.named("boss"), own.clock.now()
    own.app.ticks.tick(task.id, status=TaskStatus.DONE, evidence=Evidence(), actor=boss, at=now, struck=())
    own.clock.move(minutes=1)
    own.at("2026-11-22 07:00")
    own.app.deliver()

    (letter,) = post.of("kari", count=1)
    assert letter["Subject"] == "a.example runs out in 23 days"
    link = str(letter["List-Unsubscribe"])
    assert link.startswith("<https://ops.example.com/leave/")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    leaver = own.app.leave.read(link.strip("<>").rpartition("/")[2])
    assert (leaver.notice, leaver.address) == ("renewals.notice", "kari@example.com")

    (report,) = post.of("ops", count=1)
    assert report.get_content_type() == "multipart/report"
    own.at("2026-11-23 08:00")
    (task,) = [task for task in own.app.books.tasks.opened() if task.routine == "bounces"]
    assert (task.title, task.key) == ("Mails to gone@example.com come back", "gone@example.com")
    assert "550 5.1.1" in task.how
    suppression = Suppression(address="gone@example.com", why="bounces", by="boss", at=own.clock.now())
    own.app.books.suppressions.add([suppression])
    for day in ("2026-12-01", "2026-12-02"):
        own.at(f"{day} 07:00")
    own.app.deliver()

    assert [mail["Subject"] for mail in post.of("kari", count=2)][1] == "a.example runs out in 14 days"
    told = [(one.recipient, one.status.value) for one in own.app.books.notices.newest(since=START, most=10)]
    assert sorted(told) == [
        *[("gone@example.com", status) for status in ("sent", "suppressed")],
        *[("kari@example.com", "sent")] * 2,
    ]
    assert len(post.of("ops", count=1)) == 1, "nothing more went there, so nothing came back"
