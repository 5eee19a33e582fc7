"""Abuse reports as they come: ARF, X-ARF in its forms, and letters."""

import time

import pytest

from opsrunner.sources.abuse_reports import read_report

from ...patience import within

ARF = b"""\
From: feedback@provider.example
Subject: FW: Earn money
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is a report for a message from 192.0.2.17, seen by 198.51.100.1.
--b
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Source-IP: 192.0.2.17
Reported-Domain: shop.example.com
Reported-URI: http://shop.example.com/earn.html
--b
Content-Type: message/rfc822

Received: from web1 ([192.0.2.17]) by mx.provider.example
From: <spam@shop.example.com>
Subject: Earn money

Buy at other.example
--b--
"""
XARF_YAML = b"""\
Subject: abuse report about 192.0.2.18
X-XARF: PLAIN
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain

Dear team, see the report.
--b
Content-Type: text/plain; charset=utf-8; name="report.txt"
Content-Disposition: inline; filename="report.txt"

---
Report-Type: login-attack
Category: abuse
Source: 192.0.2.18
Source-Type: ipv4
Date: Fri, 20 Nov 2026 10:00:00 +0000
--b--
"""
XARF_JSON = b"""\
Subject: report
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: application/json; name=xarf.json
Content-Disposition: attachment; filename=xarf.json

{"xarf_version": "4.0.0", "source_identifier": "2001:db8::17", "category": "content", "type": "phishing"}
--b--
"""
XARF_3 = b"""\
Content-Type: application/json

{"Version": "3", "Report": {"ReportClass": "Activity", "ReportType": "Spam", "SourceIp": "192.0.2.19"}}
"""
LETTER = b"""\
Subject: Phishing on your network
Content-Type: text/plain; charset=utf-8

Please take down hxxps://bank-login.shop[.]example[.]com/index.php at 192[.]0[.]2[.]20, seen 2026.11.20.
"""


@pytest.mark.parametrize(
    ("data", "address", "domain", "kind"),
    [
        (ARF, "192.0.2.17", "shop.example.com", "spam"),
        (XARF_YAML, "192.0.2.18", None, "attack"),
        (XARF_JSON, "2001:db8::17", None, "phishing"),
        (XARF_3, "192.0.2.19", None, "spam"),
        (LETTER, "192.0.2.20", "bank-login.shop.example.com", "phishing"),
        (LETTER.replace(b"text/plain", b"text/html"), "192.0.2.20", "bank-login.shop.example.com", "phishing"),
    ],
    ids=["arf", "x-arf", "xarf-4", "xarf-3", "letter", "html"],
)
def test_what_is_reported_is_found(data: bytes, address: str, domain: str | None, kind: str) -> None:
    report = read_report(data)

    assert report.addresses[0] == address
    assert report.domains[:1] == ((domain,) if domain else ())
    assert report.kind == kind


def test_what_the_report_says_goes_before_the_mail_that_it_reports() -> None:
    report = read_report(ARF)

    assert report.addresses[:2] == ("192.0.2.17", "198.51.100.1")
    assert report.domains[0] == "shop.example.com"
    assert report.domains[-1] == "other.example"


def test_a_spam_that_is_only_attached_still_tells_its_way() -> None:
    data = ARF.replace(b"message/feedback-report", b"application/octet-stream").replace(b"This is a report", b"See")
    assert "192.0.2.17" in read_report(data).addresses


def test_a_field_of_a_report_may_be_quoted_indented_and_folded() -> None:
    lines = b"  Report-Type : 'phishing' \r\nSource-IP:\r\n 192.0.2.17\r\nReported-Domain: \"a.example\"\r\n"
    report = read_report(b"Content-Type: text/plain; name=report.txt\r\n\r\n" + lines)
    assert (report.kind, report.addresses, report.domains) == ("phishing", ("192.0.2.17",), ("a.example",))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 1000,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * 20_000,
        b"Content-Type: text/plain; charset=nope\n\n\xff\xfe",
        b"Content-Type: text/plain; charset=undefined\n\n\xff\xfe",
        b"Content-Type: text/rfc822-headers; charset=undefined\n\n\xff\xfe",
        b"Content-Type: message/feedback-report; charset=idna\n\n\xff\xfe",
        b"Content-Type: multipart/report; charset=undefined\n\n\xff\xfe",
        b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!!!!",
        b"Content-Type: application/json\n\n" + b"[" * 100_000,
        b"Content-Type: message/feedback-report\n\n" + b"a" * 200_000,
        b"Content-Type: text/plain\n\n" + b"1." * 100_000,
        b"Content-Type: text/plain\n\n" + b"a." * 100_000,
        b"Content-Type: text/plain\n\n" + b"a:" * 100_000,
        b"Content-Type: text/plain\n\n" + b"hxxp[.]" * 30_000,
        b"Content-Type: message/rfc822\n\n" * 3_000,
        b"Content-Type: text/html\n\n&#" + b"1" * 5_000 + b";",
        b"Content-Type: text/plain\nContent-Disposition: attachment; filename*=idna''x\n\n",
        b"Content-Type: text/plain; name*=undefined''x\n\n",
        b"Content-Type: text/plain; name=report.txt\n\n" + b"\n" * 200_000,
        b"Content-Type: text/plain; name=report.txt\n\n" + b" " * 200_000,
        b"Content-Type: text/plain; name=report.txt\n\nab:" + b" " * 59_000 + b"x" * 600,
        b"Content-Type: text/plain; name=report.txt\n\n" + b"ab:\n" * 60_000,
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(300))
        + b"\n" * 180_000,
        b'Content-Type: text/plain; "' + b"; " * 90_000,
        b"Content-Type: message/rfc822\n\nSubject: x" + b" ;," * 60_000,
        bytes(range(256)) * 700,
    ],
)
def test_reports_made_to_hurt_do_not(data: bytes) -> None:
    report = within(2, lambda: read_report(data[:200_000]), clock=time.thread_time)
    assert len(report.addresses) <= 50
