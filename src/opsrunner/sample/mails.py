"""The mail log of the invented company's billing system: what it wrote to customers, and what it forgot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from opsrunner.sample.billing import Invoice
from opsrunner.sample.company import Company, Customer, at, text
from opsrunner.sample.holdings import Domain
from opsrunner.sample.orders import Order, welcome_sent_at
from opsrunner.sample.tickets import Ticket

DAYS_BACK = 120
REMINDED_DAYS = (30, 14, 7, 1)
FORGOTTEN_DAYS = 30
"""Of every ninth day's domains this reminder never goes: there is always one that should have gone."""
OVERDUE_DAYS = 3
UNHAPPY = 6


def mail_rows(
    company: Company,
    *,
    orders: Sequence[Order],
    domains: Sequence[Domain],
    invoices: Sequence[Invoice],
    tickets: Sequence[Ticket],
    feedback: Sequence[Mapping[str, object]],
) -> list[dict[str, object]]:
    """Return the rows of `mail_log.csv`, oldest first; `feedback` are the rows of that table."""
    since = company.now - timedelta(days=DAYS_BACK)
    mails = (
        *_welcomes(orders),
        *_reminders(domains, company),
        *_bills(invoices),
        *_follow_ups(tickets),
        *_words_on_feedback(feedback, company),
    )
    sent = sorted((mail for mail in mails if since <= mail[0] < company.now), key=lambda mail: (mail[0], mail[1]))
    return [
        {
            "mail": f"M{key}",
            "customer": customer.number,
            "to": customer.email,
            "subject": subject,
            "sent_at": text(sent_at),
        }
        for sent_at, key, customer, subject in sent
    ]


_Mail = tuple[datetime, str, Customer, str]


def _welcomes(orders: Sequence[Order]) -> Iterator[_Mail]:
    for order in orders:
        sent_at = welcome_sent_at(order)
        if sent_at is not None:
            yield sent_at, f"W-{order.number}", order.customer, f"Welcome: {order.domain} is ready"


def _reminders(domains: Sequence[Domain], company: Company) -> Iterator[_Mail]:
    """Yield the reminders of domains whose date is known and that were not renewed yet."""
    since = company.today - timedelta(days=DAYS_BACK)
    for domain in domains:
        for end in domain.ends() if domain.is_dated else ():
            if end < since:
                continue
            if end > company.today + timedelta(days=max(REMINDED_DAYS)):
                break
            renewed_at = domain.renewed_at(end)
            for days in REMINDED_DAYS:
                sent_at = at(end - timedelta(days=days), hours=5.1)
                was_forgotten = days == FORGOTTEN_DAYS and end.toordinal() % 9 == 4
                if not was_forgotten and (renewed_at is None or sent_at < renewed_at):
                    subject = f"Your domain {domain.name} ends on {end.isoformat()}: {days} days"
                    yield sent_at, f"R-{domain.name}-{end:%y%m%d}-{days}", domain.customer, subject


def _bills(invoices: Sequence[Invoice]) -> Iterator[_Mail]:
    for invoice in invoices:
        yield at(invoice.issued_on, hours=6), f"I-{invoice.number}", invoice.customer, f"Invoice {invoice.number}"
        reminded_at = at(invoice.due_on + timedelta(days=OVERDUE_DAYS), hours=6)
        if invoice.paid_at is None or invoice.paid_at > reminded_at:
            yield reminded_at, f"O-{invoice.number}", invoice.customer, f"Invoice {invoice.number} is overdue"


def _follow_ups(tickets: Sequence[Ticket]) -> Iterator[_Mail]:
    """Yield the letters that ask how it went, a day after a ticket was closed; now and then one is forgotten."""
    for ticket in tickets:
        if int(ticket.number[-2:]) % 6 == 5 and ticket.opened_at.toordinal() % 2:
            continue
        asked_at = ticket.closed_at + timedelta(days=1)
        yield asked_at, f"F-{ticket.number}", ticket.customer, f"Ticket {ticket.number}: is it solved?"


def _words_on_feedback(feedback: Sequence[Mapping[str, object]], company: Company) -> Iterator[_Mail]:
    """Yield the words on what was done about a complaint; every other one is handled without any."""
    customers = {customer.number: customer for customer in company.customers}
    for row in feedback:
        is_forgotten = datetime.fromisoformat(str(row["given_at"])).toordinal() % 2
        if row["handled_at"] and int(str(row["score"])) <= UNHAPPY and not is_forgotten:
            said_at = datetime.fromisoformat(str(row["handled_at"]))
            yield said_at, f"C-{row['feedback']}", customers[str(row["customer"])], "What you told us, and what we did"
