"""What happens to the invented company: feedback, reports of abuse, disputes; and the licences that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from opsrunner.sample.billing import Invoice
from opsrunner.sample.company import Company, at, months_later, text
from opsrunner.sample.holdings import Service
from opsrunner.sample.names import HOSTILE, HOSTS

DAYS_BACK = 370
PRAISE = (
    "Quick and friendly.",
    "You answered within minutes, on a Sunday.",
    "The move went without a hitch.",
    "All fine, thank you.",
)
COMPLAINTS = (
    "Waited two days for an answer to a simple question.",
    "The site was down and nobody told us.",
    "I was asked the same thing three times.",
    "The invoice came after the reminder.",
)
ABUSE_KINDS = ("phishing", "spam", "malware", "brute force", "copyright")
DISPUTE_EVERY_DAYS = 4
DISPUTE_DAYS = 10
OUTCOMES = ("won", "won", "lost", "withdrawn")
# fmt: off
LICENCES = (
    ("Control panel, 40 servers", "Panelworks"), ("Live patching", "Patchline"), ("Backup software", "Coldstore"),
    ("Address block 192.0.2.0/24", "Northern Registry"), ("Address block 198.51.100.0/24", "Northern Registry"),
    ("Rack 12", "Fjord Colocation"), ("Rack 14", "Fjord Colocation"), ("Mail filter", "Sievegate"),
    ("Web server, commercial", "Litehouse"), ("Billing system", "Ledgerly"), ("Office and mail", "Papertrail"),
    ("Monitoring from outside", "Farsight Checks"), ("Membership of the registry", "Northern Registry"),
    ("Code signing", "Trustmark"),
)
# fmt: on


def feedback_rows(company: Company) -> list[dict[str, object]]:
    """Return the rows of `feedback.csv`: every other day some; every third day a bad one, handled after six days."""
    rows = []
    for day in company.days_back(DAYS_BACK):
        chance = company.dice("feedback", day.isoformat())
        pool = company.customers_on(day)
        is_bad_day = day.toordinal() % 3 == 0
        for index in range(chance.choice((0, 1, 1, 2)) + is_bad_day):
            is_bad = is_bad_day and index == 0
            given_at = at(day, hours=0.1 if is_bad else chance.uniform(6, 22))
            customer, score = chance.choice(pool), chance.randint(1, 4) if is_bad else chance.randint(7, 10)
            comment = chance.choice(COMPLAINTS if is_bad else PRAISE)
            if chance.random() < 0.03:
                comment = chance.choice(HOSTILE)
            handled_at = given_at + (timedelta(days=6, hours=chance.randrange(9)) if is_bad else timedelta(hours=20))
            if given_at < company.now:
                rows.append(
                    {
                        "feedback": f"V{day:%y%m%d}-{index + 1}",
                        "customer": customer.number,
                        "name": customer.name,
                        "email": customer.email,
                        "score": score,
                        "comment": comment,
                        "given_at": text(given_at),
                        "handled_at": text(company.known(handled_at)),
                    }
                )
    return rows


def abuse_rows(company: Company, services: Sequence[Service]) -> list[dict[str, object]]:
    """Return the rows of `abuse.csv`: a report every other day, closed within days; of some the customer is unknown."""
    rows: list[dict[str, object]] = []
    loud = [one for one in services if not one.customer.is_quiet and not one.number.startswith("S-")]
    for day in company.days_back(DAYS_BACK):
        if day.toordinal() % 2:
            continue
        chance = company.dice("abuse", day.isoformat())
        luck, received_at = chance.random(), at(day, hours=0.3)
        there = [one for one in loud if one.since <= day and one.is_active_on(day)] or loud
        service = chance.choice(there)
        host = service.host if luck > 0.2 else chance.choice(HOSTS)
        closed_at = received_at + timedelta(hours=chance.randrange(60, 110))
        if received_at < company.now:
            rows.append(
                {
                    "report": f"A{day:%y%m%d}",
                    "host": host,
                    "customer": service.customer.number if luck > 0.2 else "",
                    "ip": f"192.0.2.{HOSTS.index(host) + 10}" if luck < 0.8 else "",
                    "kind": chance.choice(ABUSE_KINDS),
                    "received_at": text(received_at),
                    "closed_at": text(company.known(closed_at)),
                }
            )
    return rows


def dispute_rows(company: Company, invoices: Sequence[Invoice]) -> list[dict[str, object]]:
    """Return the rows of `disputes.csv`: one every fourth day, answered the day before it would be too late."""
    rows: list[dict[str, object]] = []
    loud = [one for one in invoices if not one.customer.is_quiet and not one.number.startswith("O")]
    paid = [(one.paid_at, one) for one in loud if one.paid_at is not None]
    paid.sort(key=lambda pair: (pair[0], pair[1].number))
    for day in company.days_back(DAYS_BACK):
        opened_at = at(day, hours=0.4)
        if day.toordinal() % DISPUTE_EVERY_DAYS or opened_at >= company.now:
            continue
        invoice = _last_paid_before(paid, opened_at)
        if invoice is None:
            continue
        chance = company.dice("dispute", day.isoformat())
        closed_at = company.known(opened_at + timedelta(days=DISPUTE_DAYS - 1, hours=12))
        rows.append(
            {
                "dispute": f"X{day:%y%m%d}",
                "invoice": invoice.number,
                "customer": invoice.customer.number,
                "amount": invoice.amount,
                "opened_at": text(opened_at),
                "answer_by": (day + timedelta(days=DISPUTE_DAYS)).isoformat(),
                "closed_at": text(closed_at),
                "outcome": chance.choice(OUTCOMES) if closed_at else "",
            }
        )
    return rows


def licence_rows(company: Company) -> list[dict[str, object]]:
    """Return the rows of `licences.csv`: one ends every four weeks, and when the last one does nobody wrote down."""
    rows: list[dict[str, object]] = []
    for number, (name, vendor) in enumerate(LICENCES):
        is_dated = number < len(LICENCES) - 1
        ends_on = _next_yearly(date(2019, 1, 5) + timedelta(days=number * 28), company.today)
        rows.append(
            {
                "licence": name,
                "vendor": vendor,
                "expires_at": ends_on.isoformat() if is_dated else "",
                "note": "renews by itself" if number % 3 == 0 else "to be ordered",
            }
        )
    return rows


def _last_paid_before(paid: Sequence[tuple[datetime, Invoice]], moment: datetime) -> Invoice | None:
    """Return the invoice that was paid last, two days before `moment` at the latest: what is disputed was paid."""
    latest = moment - timedelta(days=2)
    before = [invoice for paid_at, invoice in paid if paid_at < latest]
    return before[-1] if before else None


def _next_yearly(day: date, today: date) -> date:
    count = max(0, today.year - day.year)
    while (found := months_later(day, 12 * count)) < today:
        count += 1
    return found
