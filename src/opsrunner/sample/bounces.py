"""The reports of mail servers elsewhere that lie in the invented company's mailbox for what comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

from opsrunner.sample.company import Company, Customer, at

DAYS_BACK = 35
EVERY_DAYS = 9
"""So often an address of a customer is found dead, and the day after it another is only full."""
DEAD = ("5.1.1", "550 5.1.1 no such user here")
FULL = ("4.2.2", "452 4.2.2 mailbox full")


def write_bounces(folder: Path, company: Company) -> None:
    """Write the Maildir `folder`: a report for each mail that came back lately, those of long ago are cleared out."""
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
    reports = {path: (said, when) for path, said, when in _reports(folder / "new", company)}
    for path in (folder / "new").iterdir():
        if path not in reports:
            path.unlink()
    for path, (said, when) in reports.items():
        if not path.exists():
            fresh = folder / "tmp" / path.name
            fresh.write_text(said, encoding="utf-8")
            fresh.chmod(0o600)
            os.utime(fresh, (when.timestamp(), when.timestamp()))
            fresh.replace(path)


def _reports(folder: Path, company: Company) -> Iterator[tuple[Path, str, datetime]]:
    for day in company.days_back(DAYS_BACK):
        place = day.toordinal() % EVERY_DAYS
        when = at(day, hours=0.2) + timedelta(minutes=place)
        if place > 1 or when >= company.now:
            continue
        customer = company.dice("bounce", day.isoformat()).choice(company.customers_on(day, loud_only=True))
        kind = DEAD if place == 0 else FULL
        yield folder / f"{int(when.timestamp())}.sample.{customer.number}", _report(customer, kind, when), when


def _report(customer: Customer, kind: tuple[str, str], when: datetime) -> str:
    status, diagnostic = kind
    action = "failed" if status.startswith("5") else "delayed"
    return f"""\
From: MAILER-DAEMON@mx.{customer.domain}
To: ops@example.com
Subject: Undelivered Mail Returned to Sender
Date: {format_datetime(when)}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="part"

--part
Content-Type: text/plain; charset=utf-8

Your mail could not be delivered.

--part
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.{customer.domain}

Final-Recipient: rfc822; {customer.email}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}

--part
Content-Type: text/rfc822-headers

Message-ID: <{int(when.timestamp())}.{customer.number}@example.com>
To: {customer.email}
Subject: Your domain {customer.domain} ends soon

--part--
"""
