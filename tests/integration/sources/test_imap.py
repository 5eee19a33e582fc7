"""A real Dovecot, filled by a real Postfix and, with what no SMTP server would take, straight into its Maildir."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column, Source
from opsrunner.secrets import SecretRef, Vault
from opsrunner.sources import abuse_inbox
from opsrunner.sources.abuse_reports import read_report
from opsrunner.sources.imap_mails import read_bodies
from opsrunner.sources.reading import read_source
from opsrunner.sources.request import Around
from opsrunner.sources.shapes import OWN_SHAPES

from ...mail_house import NEEDS, MailHouse, keeping_house, wait_for
from ..mail.conftest import Certificate, make_certificate, port_for_ever

pytestmark = pytest.mark.needs(*NEEDS)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
USER, PASSWORD = "support@example.com", 'correct "horse" \\ battery'
KARI = "kari@customer.example"
Inbox = Callable[..., tuple[Row, ...]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), names=["localhost"], addresses=["127.0.0.1"])


@pytest.fixture(scope="module")
def house(authority: Certificate) -> Iterator[MailHouse]:
    with keeping_house(authority, port_for_ever, users={USER: PASSWORD, KARI: "x"}) as running:
        yield running


@pytest.fixture(autouse=True)
def _trusted(authority: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.authority))


@pytest.fixture
def inbox(house: MailHouse, tmp_path: Path) -> Iterator[Inbox]:
    """Read the mailbox of support: `inbox(folder=("INBOX",), query={…})`."""
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o600)

    def do(query: dict[str, Any] | None = None, services: tuple[Row, ...] = (), **where: Any) -> tuple[Row, ...]:
        given = {
            "host": "127.0.0.1",
            "port": house.imap_port,
            "username": USER,
            "password": SecretRef(file="password"),
            "folder": ("INBOX",),
            "ours": (USER, "@ours.example"),
            **where,
        }
        columns = OWN_SHAPES[given.get("gives", "threads")]
        source = Source(name="support", kind="imap", where=given, columns=columns)
        around = Around(memory=tmp_path / "memory", hosts={"192.0.2.17": "web1"}, other=lambda _name: services)
        options = {"timeout_seconds": 20, **(query or {})}
        return read_source(source, options, vault=Vault(tmp_path), site_root=tmp_path, now=NOW, around=around)

    yield do
    house.empty(USER)


def letter(
    id_: str, *answers: str, sender: str = KARI, subject: str = "Help", more: str = "", body: str = "Hello"
) -> bytes:
    lines = [f"Message-ID: <{id_}>", f"From: {sender}", f"To: {USER}", f"Subject: {subject}"]
    lines += [f"References: {' '.join(f'<{one}>' for one in answers)}"] if answers else []
    lines += [more] if more else []
    return "\r\n".join([*lines, "", body, ""]).encode()


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def test_the_whole_way_from_smtp_to_a_thread_that_waits(house: MailHouse, inbox: Inbox, authority: Certificate) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Kåre Ås <{KARI}>", USER, "Blåbær er nede"
    mail["Message-ID"] = "<first@customer.example>"
    mail.set_content("Hjelp")
    with smtplib.SMTP("127.0.0.1", house.smtp_port, timeout=10) as smtp:
        smtp.starttls(context=authority.trust())
        smtp.login(KARI, "x")
        smtp.send_message(mail)

    (row,) = wait_for(inbox, house)

    assert row["thread"] == "first@customer.example"
    assert row["subject"] == "Blåbær er nede"
    assert (row["from"], row["name"]) == (KARI, "Kåre Ås")
    assert row["waits_for"] == "us"
    assert row["messages"] == 1
    assert row["first_at"] == row["last_at"] == row["waiting_since"]
    assert row["folder"] == "INBOX"


def test_our_answer_in_another_folder_makes_it_wait_for_them(house: MailHouse, inbox: Inbox) -> None:
    house.put(letter("a@x"), user=USER, at=hours_ago(5))
    house.put(letter("b@x", "a@x", sender=USER), user=USER, at=hours_ago(4), folder="Sent", flags="S")
    house.put(letter("c@y", subject="Other"), user=USER, at=hours_ago(3))

    assert [(row["thread"], row["waits_for"]) for row in inbox()] == [("c@y", "us"), ("a@x", "us")]
    rows = inbox(folder=("INBOX", "Sent"), query={"order_by": "thread"})
    assert [(row["thread"], row["waits_for"], row["messages"]) for row in rows] == [
        ("a@x", "them", 2),
        ("c@y", "us", 1),
    ]
    assert rows[0]["first_answer_at"] == hours_ago(4)
    assert rows[0]["flags"] == "seen"
    waiting = inbox(folder=("INBOX", "Sent"), query={"where": {"waits_for": "us", "waiting_since": {"before": "-2h"}}})
    assert [row["thread"] for row in waiting] == ["c@y"]


def test_an_answer_that_was_sent_from_elsewhere_is_known_by_its_flag(house: MailHouse, inbox: Inbox) -> None:
    house.put(letter("a@x"), user=USER, at=hours_ago(5), flags="RS")

    assert [row["waits_for"] for row in inbox()] == ["them"]


def test_nothing_is_marked_as_read_or_changed(house: MailHouse, inbox: Inbox) -> None:
    path = house.put(letter("a@x"), user=USER, at=hours_ago(5))
    inbox()
    inbox(gives="reports")

    assert path.exists()
    assert path.name.endswith(":2,")


def test_starttls_is_as_good(house: MailHouse, inbox: Inbox) -> None:
    house.put(letter("a@x"), user=USER, at=hours_ago(5))

    assert len(inbox(port=house.starttls_port, security="starttls")) == 1


def test_a_wrong_password_is_one_line_that_does_not_say_it(inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("not this one")

    with pytest.raises(StepFailed) as failed:
        inbox()

    assert failed.value.message.startswith("support: 127.0.0.1:")
    assert "the sign-in was refused: " in failed.value.message
    assert "not this one" not in failed.value.message


def test_a_password_of_other_letters_is_asked_for_in_utf8(inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("blåbær")

    with pytest.raises(StepFailed, match="the sign-in was refused"):
        inbox()


def test_a_password_with_a_line_break_never_leaves(inbox: Inbox, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("a\r\nA1 DELETE INBOX\r\nb")

    with pytest.raises(StepFailed, match="has a line break or NUL in it"):
        inbox()


def test_a_folder_that_is_not_there_is_named_with_those_that_are(house: MailHouse, inbox: Inbox) -> None:
    house.put(letter("a@x"), user=USER, at=hours_ago(5), folder="Sent")

    with pytest.raises(StepFailed, match=r"there is no folder 'Sendt'; there are: .*INBOX") as failed:
        inbox(folder=("INBOX", "Sendt"))
    assert failed.value.permanent


def test_more_mails_than_the_limit_are_an_error_and_since_narrows(house: MailHouse, inbox: Inbox) -> None:
    for number in range(5):
        house.put(letter(f"{number}@x"), user=USER, at=NOW - timedelta(days=30 * number))

    with pytest.raises(StepFailed, match="there are more than 3 mails in INBOX; give the source `since: 90d`"):
        inbox(limit=3)
    assert len(inbox(limit=3, since=40 * 86400)) == 2


def test_hundreds_of_mails_are_read_in_one_go(house: MailHouse, inbox: Inbox) -> None:
    for number in range(450):
        answers = [f"{number - 1}@x"] if number % 3 else []
        house.put(letter(f"{number}@x", *answers), user=USER, at=NOW - timedelta(minutes=500 - number))

    rows = inbox()

    assert len(rows) == 150
    assert {row["messages"] for row in rows} == {3}


HOSTILE = {
    "no headers": b"\r\nbody",
    "nothing": b"",
    "NULs": b"Subject: a\0b\r\nFrom: \0\r\n\r\n\0",
    "eight bits": b"Subject: Bl\xe5b\xe6r\r\nFrom: K\xe5re <kare@x.example>\r\n\r\nx",
    "no such charset": b"Subject: =?x-none?Q?abc?=\r\nFrom: =?x-none?B?YWJj?= <a@x.example>\r\n\r\nx",
    "endless subject": b"Subject: " + b"x" * 2_000_000 + b"\r\nFrom: a@x.example\r\n\r\nx",
    "endless headers": b"X-A: y\r\n" * 300_000 + b"Subject: far\r\n\r\nx",
    "endless references": b"References: " + b" <a@x>" * 200_000 + b"\r\nSubject: r\r\nFrom: a@x.example\r\n\r\nx",
    "folded for ever": b"Subject: a\r\n" + b" b\r\n" * 100_000 + b"From: a@x.example\r\n\r\nx",
    "broken date": b"Date: 99 Foo 20266\r\nSubject: d\r\n\r\nx",
    "injection": b"Subject: =?utf-8?Q?a=0D=0ABcc:_v@x.example?=\r\nFrom: a@x.example\r\n\r\nx",
    "template": b"Subject: {{ 7*7 }} {% for x in y %} <script>alert(1)</script>\r\nFrom: a@x.example\r\n\r\nx",
    "not ours": b'Subject: s\r\nFrom: "support@example.com" <evil@x.example>\r\n\r\nx',
    "brackets": b"Subject: ) (UID 5 FLAGS (\\Answered)\r\nFrom: UID 7 <a@x.example>\r\n\r\nx",
    "long line": b"Subject: s\r\n\r\n" + b"x" * 5_000_000,
}


def test_hostile_mails_are_rows_like_any_other(house: MailHouse, inbox: Inbox) -> None:
    for number, raw in enumerate(HOSTILE.values()):
        house.put(raw, user=USER, at=NOW - timedelta(minutes=len(HOSTILE) - number))

    rows = inbox(query={"order_by": "last_at"})

    assert len(rows) == len(HOSTILE)
    assert {row["waits_for"] for row in rows} == {"us"}
    said = dict(zip(HOSTILE, rows, strict=True))
    assert said["no headers"]["subject"] == "(no subject)"
    assert said["NULs"]["subject"] in ("ab", "a b", "(no subject)", "a\ufffdb")
    assert (said["eight bits"]["subject"], said["eight bits"]["name"]) == ("Blåbær", "Kåre")
    assert said["no such charset"]["subject"] == "abc"
    assert len(said["endless subject"]["subject"]) == 200
    assert said["injection"]["subject"] == "a Bcc: v@x.example"
    assert said["template"]["subject"] == "{{ 7*7 }} {% for x in y %} <script>alert(1)</script>"
    assert said["not ours"]["from"] == "evil@x.example"
    assert all(row["subject"].isprintable() for row in rows)


ARF = """\
Message-ID: <arf@provider.example>
From: feedback@provider.example
Subject: Abuse report
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

See below.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Source-IP: 192.0.2.17
--b--
"""
PHISHING = "Please take down hxxps://login.shop[.]example/x now."
SERVICES: tuple[Row, ...] = (
    {"customer": "C-17", "domain": "shop.example", "host": "web5"},
    {"customer": "C-18", "domain": None, "host": "web6"},
)


def test_reports_name_host_and_customer(house: MailHouse, inbox: Inbox) -> None:
    house.put(ARF.replace("\n", "\r\n").encode(), user=USER, at=hours_ago(9))
    house.put(letter("p@x", subject="Phishing", body=PHISHING, sender="cert@bank.example"), user=USER, at=hours_ago(5))
    house.put(letter("q@x", subject="Hello", body="A question"), user=USER, at=hours_ago(3))

    rows = inbox(gives="reports", match="services", services=SERVICES, query={"order_by": "received_at"})

    shown = [(row["report"], row["host"], row["customer"], row["ip"], row["kind"], row["domain"]) for row in rows]
    assert shown == [
        ("arf@provider.example", "web1", None, "192.0.2.17", "spam", None),
        ("p@x", "web5", "C-17", None, "phishing", "shop.example"),
        ("q@x", "unknown", None, None, "other", None),
    ]
    assert rows[0]["received_at"] == hours_ago(9)
    assert {row["closed_at"] for row in rows} == {None}


def test_a_report_is_closed_by_an_answer_and_gone_when_filed_away(house: MailHouse, inbox: Inbox) -> None:
    path = house.put(letter("p@x", subject="Spam", sender="cert@bank.example"), user=USER, at=hours_ago(5))
    house.put(letter("r@x", "p@x", sender="abuse@ours.example"), user=USER, at=hours_ago(1), folder="Sent")

    (row,) = inbox(gives="reports", folder=("INBOX", "Sent"))
    assert row["closed_at"] == hours_ago(1)

    path.unlink()
    assert inbox(gives="reports") == ()


def test_a_mail_is_fetched_whole_only_once(house: MailHouse, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[int] = []
    plain = read_bodies

    def counting(box: Any, uids: list[int]) -> Any:
        fetched.extend(uids)
        return plain(box, uids)

    monkeypatch.setattr(abuse_inbox, "read_bodies", counting)
    house.put(letter("p@x", body=PHISHING), user=USER, at=hours_ago(5))
    first, again = inbox(gives="reports"), inbox(gives="reports")
    house.put(letter("q@x", body=PHISHING), user=USER, at=hours_ago(4))
    newest = inbox(gives="reports")

    assert first == again
    assert len(newest) == 2
    assert len(fetched) == 2


def test_hostile_reports_are_rows_too(house: MailHouse, inbox: Inbox) -> None:
    for number, raw in enumerate(HOSTILE.values()):
        house.put(raw, user=USER, at=NOW - timedelta(minutes=number))

    assert len(inbox(gives="reports")) == len(HOSTILE)


def test_a_mail_that_trips_its_reader_up_is_a_report_of_another_kind(
    house: MailHouse, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = read_report

    def tripped(data: bytes) -> Any:
        if b"q@x" in data:
            raise ValueError
        return plain(data)

    monkeypatch.setattr(abuse_inbox, "read_report", tripped)
    for name in ("p@x", "q@x"):
        house.put(letter(name, body=f"Phishing: {PHISHING}"), user=USER, at=hours_ago(5))

    assert sorted(row["kind"] for row in inbox(gives="reports")) == ["other", "phishing"]


def test_columns_of_both_shapes_are_what_is_declared() -> None:
    def names(columns: tuple[Column, ...]) -> list[str]:
        return [column.name for column in columns]

    assert names(OWN_SHAPES["reports"])[:7] == ["report", "host", "customer", "ip", "kind", "received_at", "closed_at"]
    assert names(OWN_SHAPES["threads"])[:3] == ["thread", "subject", "from"]
