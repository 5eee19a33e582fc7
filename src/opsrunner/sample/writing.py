"""Writes the data of the sample site: tables, feeds, mails that came back, and the backups of a control panel."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from threading import Lock

from opsrunner.sample.billing import credit_rows, invoice_rows, invoices_of, payment_rows, payments_of
from opsrunner.sample.bounces import write_bounces
from opsrunner.sample.company import Company, company_at, customer_rows, text
from opsrunner.sample.events import abuse_rows, dispute_rows, feedback_rows, licence_rows
from opsrunner.sample.forum import OTHERS, OWN, atom, rss, threads_of
from opsrunner.sample.holdings import domain_rows, domains_of, service_rows, services_of
from opsrunner.sample.mails import mail_rows
from opsrunner.sample.orders import account_rows, order_rows, orders_of, template_rows
from opsrunner.sample.panel import write_panel
from opsrunner.sample.tickets import ticket_rows, tickets_of

FORM = 3
"""Raised when the same seed and moment give other data."""
MINUTES = 5
"""The data stand still for so long: they are made anew in half a second, and asked for at every turn."""
STAMP = ".written"
_one_at_a_time = Lock()

Rows = Sequence[Mapping[str, object]]


def write_samples(root: Path, state: Path, *, seed: int, now: datetime, name: str = "our host") -> list[Path]:
    """Write `sample/*.csv` and the feeds of `sample/` below `state`, as they stood at the last full five minutes.

    Beside them stand `sample/panel/`, in which the control panel keeps a backup of each account, and
    `sample/bounces/`, a Maildir of reports about mails that came back. `root` is the site's folder; a relative `state`
    lies in it. `name` is what the company is called in forums. Files that already say the same are left alone, and
    within the five minutes nothing is looked at again. Returns the paths of tables and feeds. Raises OSError where the
    folder cannot be written.
    """
    folder = root / state / "sample"
    minute = now.replace(minute=now.minute // MINUTES * MINUTES, second=0, microsecond=0)
    stamp, mark = folder / STAMP, f"{FORM} {seed} {text(minute)} {name}\n"
    with _one_at_a_time:
        files = _written(stamp, mark)
        if files is None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            files = _write_all(folder, company_at(minute, seed=seed), name)
            _write_if_changed(stamp, mark + "".join(f"{path.name}\n" for path in files))
    return files


def _written(stamp: Path, mark: str) -> list[Path] | None:
    """Return the files where all that `mark` stands for is written and there, else None."""
    try:
        said = stamp.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if not said.startswith(mark):
        return None
    files = [stamp.parent / line for line in said.removeprefix(mark).splitlines()]
    return files if files and all(path.is_file() for path in files) else None


def _write_all(folder: Path, company: Company, name: str) -> list[Path]:
    files = []
    write_bounces(folder / "bounces", company)
    for file, content in _files(company, name):
        if file == "accounts.csv":
            assert not isinstance(content, str)  # noqa: S101 - a table, told to the type checker
            write_panel(folder / "panel", content, company)
        files.append(_write_if_changed(folder / file, content if isinstance(content, str) else _sheet(content)))
    return files


def _files(company: Company, name: str) -> Iterator[tuple[str, Rows | str]]:
    """Yield every file's name with its rows or its text."""
    orders = orders_of(company)
    services = services_of(company, orders)
    domains = domains_of(services)
    invoices = invoices_of(company, orders=orders, services=services, domains=domains)
    tickets, feedback = tickets_of(company), feedback_rows(company)
    mails = mail_rows(company, orders=orders, domains=domains, invoices=invoices, tickets=tickets, feedback=feedback)
    yield "orders.csv", order_rows(orders)
    yield "accounts.csv", account_rows(orders, company)
    yield "templates.csv", template_rows()
    yield "customers.csv", customer_rows(company)
    yield "services.csv", service_rows(company, services)
    yield "domains.csv", domain_rows(company, domains)
    yield "invoices.csv", invoice_rows(company, invoices)
    yield "payments.csv", payment_rows(company, payments_of(company, invoices))
    yield "credits.csv", credit_rows(company)
    yield "tickets.csv", ticket_rows(company, tickets)
    yield "mail_log.csv", mails
    yield "feedback.csv", feedback
    yield "abuse.csv", abuse_rows(company, services)
    yield "disputes.csv", dispute_rows(company, invoices)
    yield "licences.csv", licence_rows(company)
    yield "forum.rss", rss(threads_of(company, base=OWN, name=name), title="Our forum", base=OWN)
    yield "talk.atom", atom(threads_of(company, base=OTHERS, name=name), title="Hosting talk", base=OTHERS)


def _sheet(rows: Rows) -> str:
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sheet.getvalue()


def _write_if_changed(path: Path, said: str) -> Path:
    data = said.encode()
    if not path.exists() or path.read_bytes() != data:
        fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
        fresh.write_bytes(data)
        fresh.chmod(0o600)
        fresh.replace(path)
    return path
