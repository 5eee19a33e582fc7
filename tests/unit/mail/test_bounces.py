"""Delivery reports: of real servers' making, broken, and hostile."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.mail.bounces import Bounce, read_bounces

from ...patience import within

POSTFIX = b"""\
Return-Path: <>
Date: Mon, 23 Nov 2026 03:00:00 +0100 (CET)
From: MAILER-DAEMON@mail.example.com (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: ops@example.com
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4E2F1.1/mail.example.com"

--4E2F1.1/mail.example.com
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

<kari@example.com>: host mx.example.com said: 550 5.1.1 no such user

--4E2F1.1/mail.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.example.com
X-Postfix-Queue-ID: 4E2F1
Arrival-Date: Mon, 23 Nov 2026 02:59:58 +0100 (CET)

Final-Recipient: rfc822; Kari@Example.com
Original-Recipient: rfc822;kari@example.com
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.com
Diagnostic-Code: smtp; 550 5.1.1 <kari@example.com>: Recipient
    address rejected: User unknown

Final-Recipient: rfc822; ola@example.com
Action: delayed
Status: 4.4.1
Diagnostic-Code: X-Postfix; connect to mx2: timed out

--4E2F1.1/mail.example.com
Content-Description: Undelivered Message Headers
Content-Type: text/rfc822-headers

Message-ID: <abc.def@example.com>
Subject: Your domain runs out

--4E2F1.1/mail.example.com--
"""


def test_a_report_tells_of_each_recipient() -> None:
    failed, delayed = read_bounces(POSTFIX)
    assert failed == Bounce(
        address="kari@example.com",
        original="kari@example.com",
        final="kari@example.com",
        action="failed",
        status="5.1.1",
        diagnostic="550 5.1.1 <kari@example.com>: Recipient address rejected: User unknown",
        reported_at=datetime(2026, 11, 23, 2, 0, tzinfo=UTC),
        message_id="<abc.def@example.com>",
    )
    assert failed.is_permanent
    assert (delayed.address, delayed.action, delayed.status, delayed.is_permanent) == (
        "ola@example.com",
        "delayed",
        "4.4.1",
        False,
    )


@pytest.mark.parametrize(
    ("final", "original", "found"),
    [
        ("rfc822; Kari@Elsewhere.example", "rfc822;KARI@example.com", ("kari@elsewhere.example", "kari@example.com")),
        ("x-local; kari", "rfc822;kari@example.com", ("kari@example.com", "kari@example.com")),
        ("rfc822; kari@elsewhere.example", "x400; /C=no/", ("kari@elsewhere.example", "")),
        ("rfc822; kari@elsewhere.example", "", ("kari@elsewhere.example", "")),
    ],
)
def test_of_a_mail_that_was_forwarded_both_addresses_are_read(
    final: str, original: str, found: tuple[str, str]
) -> None:
    data = POSTFIX.replace(b"rfc822; Kari@Example.com", final.encode())
    first = read_bounces(data.replace(b"rfc822;kari@example.com", original.encode()))[0]
    assert (first.address, first.original) == found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2_000)),
        b"Content-Type: message/rfc822\r\n\r\n" * 3_000,
        b"Subject: hello\n\nNo report at all.",
        b"Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n--x--",
        POSTFIX.replace(b"Kari@Example.com", b"nobody")
        .replace(b"rfc822;kari@example.com", b"rfc822;nobody")
        .replace(b"ola@example.com", b"a, b@c.example"),
        POSTFIX.replace(b"message/delivery-status", b"text/plain"),
    ],
    ids=["empty", "parts in parts", "mails in mails", "a mail", "no fields", "no addresses", "not declared"],
)
def test_what_says_nothing_of_a_recipient_is_no_report(data: bytes) -> None:
    assert read_bounces(data) == ()


@pytest.mark.parametrize(
    "data",
    [
        b"".join(b"Content-Type: multipart/mixed; Boundary*0 =b%d\n\n--b%d\n" % (n, n) for n in range(900))
        + b"\n" * 900_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(300))
        + b"\r" * 100_000,
        b"Content-Type: message/delivery-status\n\n" + b"a: b\n\n" * 200_000,
        b'Content-Type: text/plain; "' + b"; " * 90_000,
    ],
    ids=["boundaries", "carriage returns", "blocks", "a long header"],
)
def test_a_mail_made_to_take_long_does_not(data: bytes) -> None:
    assert within(3, lambda: read_bounces(data), clock=time.thread_time) == ()


def test_what_stands_behind_many_parts_is_read_as_long_as_they_are_few_lines() -> None:
    parts = b"".join(b"--many\nContent-Type: multipart/mixed; boundary=b%d\n\n--b%d--\n" % (n, n) for n in range(100))
    data = POSTFIX.replace(
        b"--4E2F1.1/mail.example.com\nContent-Description: Undelivered",
        b"--4E2F1.1/mail.example.com\nContent-Type: multipart/mixed; boundary=many\n\n"
        + parts
        + b"--many--\n--4E2F1.1/mail.example.com\nContent-Description: Undelivered",
    )
    assert [bounce.message_id for bounce in read_bounces(data)] == ["<abc.def@example.com>"] * 2


@pytest.mark.parametrize("type_", [b"message/rfc822", b"message/global", b"message/global-headers"])
def test_the_mail_that_came_back_is_known_by_its_head_in_any_form(type_: bytes) -> None:
    data = POSTFIX.replace(b"text/rfc822-headers", type_)
    assert {bounce.message_id for bounce in read_bounces(data)} == {"<abc.def@example.com>"}


def test_a_date_past_all_dates_is_none() -> None:
    bounces = read_bounces(b"Date: Fri, 31 Dec 9999 23:59:59 -1400\n" + POSTFIX)
    assert bounces
    assert {bounce.reported_at for bounce in bounces} == {None}


def test_a_report_holds_no_line_of_its_own() -> None:
    """C26: what a strange server says stays one line, without controls."""
    said = b"Diagnostic-Code: smtp; 550 \x1b[31mred\x07\x00 =?utf-8?q?=0aBcc:_x?="
    hostile = POSTFIX.replace(b"Diagnostic-Code: smtp; 550 5.1.1", said)
    assert all(bounce.diagnostic.isprintable() for bounce in read_bounces(hostile))


@given(st.binary(max_size=400), st.integers(0, len(POSTFIX)), st.integers(0, 40))
def test_whatever_comes_is_read_without_a_fault(noise: bytes, at: int, cut: int) -> None:
    read_bounces(POSTFIX[:at] + noise + POSTFIX[at + cut :])
    read_bounces(noise)
