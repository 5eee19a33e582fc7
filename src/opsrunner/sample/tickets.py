"""The invented company's support tickets, of its own desk and of the partner's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random

from opsrunner.records import dataclass
from opsrunner.sample.company import Company, Customer, at, text
from opsrunner.sample.names import HOSTILE, PARTNER_STAFF, STAFF

DAYS_BACK = 370
CYCLE_DAYS = 100
"""A category grows for so long, each from another day on: some are always growing."""
NEGLECTED_DAYS = 8
"""How long every other day's first ticket waits for a first answer."""
PARTNER_SHARE = 0.25
PRIORITIES = ("critical", "high", "normal", "low")
SUBJECTS = {
    "e-mail delivery": (
        "Mails to one receiver come back",
        "Our newsletter lands in spam",
        "No mail since this morning",
    ),
    "dns": ("Name servers are not updated", "Please add a record", "The domain points to the old server"),
    "certificates": ("The browser says not secure", "Certificate of the shop has ended"),
    "billing": ("Invoice has the wrong address", "Paid twice?", "Please send a receipt"),
    "migration": ("Can you move our site?", "The database is missing after the move"),
    "slow site": ("The shop is slow at noon", "Time-outs in the admin pages"),
    "php version": ("Which PHP do we have?", "Plugin wants a newer PHP"),
    "restore": ("Please restore one file from yesterday", "A colleague deleted a folder"),
    "password": ("Cannot sign in to the panel", "New password for a mailbox"),
    "spam": ("A form is being misused", "Too much spam in one mailbox"),
}


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One ticket as it went on; moments may lie ahead, which nobody knows yet."""

    number: str
    customer: Customer
    subject: str
    category: str
    priority: str
    desk: str
    staff: str
    opened_at: datetime
    first_answer_at: datetime
    asked_again_at: datetime | None
    last_answer_at: datetime
    closed_at: datetime


def tickets_of(company: Company) -> list[Ticket]:
    """Return the tickets opened until now, oldest first."""
    return [ticket for day in company.days_back(DAYS_BACK) for ticket in _opened_on(day, company)]


def ticket_rows(company: Company, tickets: list[Ticket]) -> list[dict[str, object]]:
    """Return the rows of `tickets.csv`."""
    return [_row(ticket, company) for ticket in tickets]


def _row(ticket: Ticket, company: Company) -> dict[str, object]:
    known = company.known
    answers = [moment for moment in (ticket.first_answer_at, ticket.last_answer_at) if known(moment)]
    asked = known(ticket.asked_again_at) or ticket.opened_at
    closed_at = known(ticket.closed_at)
    answered = bool(answers) and max(answers) > asked
    return {
        "ticket": ticket.number,
        "customer": ticket.customer.number,
        "name": ticket.customer.name,
        "email": ticket.customer.email,
        "subject": ticket.subject,
        "category": ticket.category,
        "priority": ticket.priority,
        "status": "closed" if closed_at else "answered" if answered else "open",
        "opened_at": text(ticket.opened_at),
        "first_answer_at": text(known(ticket.first_answer_at)),
        "last_customer_at": text(asked),
        "last_staff_at": text(max(answers, default=None)),
        "closed_at": text(closed_at),
        "staff": ticket.staff if answers else "",
        "desk": ticket.desk,
    }


def _opened_on(day: date, company: Company) -> Iterator[Ticket]:
    chance = company.dice("tickets", day.isoformat())
    count = chance.choice((2, 3, 4)) if day.weekday() >= 5 else chance.choice((5, 6, 6, 7, 8))
    hours = sorted(chance.triangular(0.5, 22, 9) for _ in range(count))
    for index, hour in enumerate(hours, start=1):
        is_neglected = index == 1 and day.toordinal() % 2 == 0
        opened_at = at(day, hours=0.2 if is_neglected else hour)
        ticket = _ticket(f"T{day:%y%m%d}-{index:02}", opened_at, chance, company=company, is_neglected=is_neglected)
        if opened_at < company.now:
            yield ticket


def _ticket(number: str, opened_at: datetime, chance: Random, *, company: Company, is_neglected: bool) -> Ticket:
    category = _category(opened_at.date(), chance)
    customer = chance.choice(company.customers_on(opened_at.date(), loud_only=True))
    priority = chance.choices(PRIORITIES, weights=(4, 14, 66, 16))[0]
    desk = "partner" if chance.random() < PARTNER_SHARE else "own"
    subject = chance.choice(SUBJECTS[category])
    if chance.random() < 0.01:
        subject = chance.choice(HOSTILE)
    haste = {"critical": 0.15, "high": 0.5, "normal": 1, "low": 2}[priority]
    first = (
        timedelta(days=NEGLECTED_DAYS) if is_neglected else _hours(chance.random() * chance.random() * 10 * haste + 0.1)
    )
    again = _hours(chance.uniform(1, 30)) if chance.random() < 0.4 else None
    first_answer_at = opened_at + first
    asked_again_at = first_answer_at + again if again else None
    wait = _hours(chance.random() * chance.random() * 16 * haste + 0.2)
    last_answer_at = asked_again_at + wait if asked_again_at else first_answer_at
    return Ticket(
        number=number,
        customer=customer,
        subject=subject,
        category=category,
        priority=priority,
        desk=desk,
        staff=chance.choice(PARTNER_STAFF if desk == "partner" else STAFF),
        opened_at=opened_at,
        first_answer_at=first_answer_at,
        asked_again_at=asked_again_at,
        last_answer_at=last_answer_at,
        closed_at=last_answer_at + _hours(chance.uniform(0.5, 40)),
    )


def _category(day: date, chance: Random) -> str:
    """Return a category; each one's share rises over CYCLE_DAYS and falls back, one after the other."""
    step = CYCLE_DAYS // len(SUBJECTS)
    weights = [20 + (day.toordinal() + number * step) % CYCLE_DAYS for number in range(len(SUBJECTS))]
    return chance.choices(tuple(SUBJECTS), weights=weights)[0]


def _hours(count: float) -> timedelta:
    return timedelta(minutes=max(1, int(count * 60)))
