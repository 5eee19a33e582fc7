"""The invented company's invoices, the payments for them, and the credits that it gave."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from opsrunner.records import dataclass
from opsrunner.sample.company import Company, Customer, at, months_later, text
from opsrunner.sample.holdings import DOMAIN_PRICE, Domain, Service
from opsrunner.sample.orders import Order

DAYS_BACK = 450
WRITTEN_OFF_DAYS = 60
STRAY_EVERY_DAYS = 6
STRAY_ISSUED_DAYS = 10
STRAY_FOUND_DAYS = 9
"""How long a payment that nobody can place lies there: there is always one."""
STRAY_AMOUNT = 1250
FEE = 15
"""What a bank now and then takes off a transfer."""
REWARD = 250
REWARDS_A_MONTH = 3


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """One invoice; `paid_at` may lie ahead, which nobody knows yet, and is None where it never is paid."""

    number: str
    customer: Customer
    issued_on: date
    due_on: date
    paid_at: datetime | None
    amount: int
    method: str


@dataclass(frozen=True, kw_only=True)
class Payment:
    """Money that came, for an invoice or, until somebody has found out, for none."""

    number: str
    invoice: Invoice
    amount: int
    received_at: datetime
    reference: str
    placed_at: datetime
    """When it is known which invoice it is for."""


def invoices_of(
    company: Company, *, orders: Sequence[Order], services: Sequence[Service], domains: Sequence[Domain]
) -> list[Invoice]:
    """Return what was issued until today, of services, domains, orders and work by the hour; oldest first."""
    invoices = [
        *(one for service in services if not service.number.startswith("S-") for one in _of_service(service, company)),
        *(one for domain in domains if domain.is_dated for one in _of_domain(domain, company)),
        *(_of_order(order, company) for order in orders),
        *(_stray(day, company) for day in _stray_days(company)),
    ]
    return sorted(invoices, key=lambda one: (one.issued_on, one.number))


def payments_of(company: Company, invoices: Sequence[Invoice]) -> list[Payment]:
    """Return the money that has come, oldest first."""
    payments = [
        _payment(one, one.paid_at, company)
        for one in invoices
        if one.paid_at is not None and not one.number.startswith("W") and one.paid_at < company.now
    ]
    strays = (_stray_payment(day, company) for day in _stray_days(company))
    payments.extend(one for one in strays if one.received_at < company.now)
    return sorted(payments, key=lambda one: (one.received_at, one.number))


def invoice_rows(company: Company, invoices: Sequence[Invoice]) -> list[dict[str, object]]:
    """Return the rows of `invoices.csv`."""
    return [
        {
            "invoice": one.number,
            "customer": one.customer.number,
            "name": one.customer.name,
            "email": one.customer.email,
            "issued_at": one.issued_on.isoformat(),
            "due_at": one.due_on.isoformat(),
            "paid_at": text(company.known(one.paid_at)),
            "amount": one.amount,
            "method": one.method,
            "status": _status(one, company),
        }
        for one in invoices
    ]


def payment_rows(company: Company, payments: Sequence[Payment]) -> list[dict[str, object]]:
    """Return the rows of `payments.csv`; what nobody could place yet has neither invoice nor customer."""
    return [
        {
            "payment": one.number,
            "invoice": one.invoice.number if is_placed else "",
            "customer": one.invoice.customer.number if is_placed else "",
            "amount": one.amount,
            "method": one.invoice.method,
            "received_at": text(one.received_at),
            "reference": one.reference,
        }
        for one in payments
        for is_placed in (one.placed_at < company.now,)
    ]


def credit_rows(company: Company) -> list[dict[str, object]]:
    """Return the rows of `credits.csv`: the rewards of the last months."""
    rows = []
    for count in range(15, -1, -1):
        day = months_later(company.today.replace(day=1), -count).replace(day=3)
        quiet = [one for one in company.customers_on(day) if one.is_quiet]
        given_at = at(day, hours=9)
        if given_at >= company.now:
            continue
        chosen = company.dice("reward", day.isoformat()).sample(quiet, min(REWARDS_A_MONTH, len(quiet)))
        rows += [
            {
                "credit": f"K{day:%y%m}-{one.number[1:]}",
                "customer": one.number,
                "amount": REWARD,
                "given_at": text(given_at),
                "reason": "reward",
            }
            for one in chosen
        ]
    return rows


def _of_service(service: Service, company: Company) -> Iterator[Invoice]:
    lead = 30 if service.months == 12 else 14
    first = company.today - timedelta(days=DAYS_BACK)
    months = (first.year - service.since.year) * 12 + first.month - service.since.month
    count = max(1, months // service.months)
    while (due := months_later(service.since, count * service.months)) - timedelta(days=lead) < company.today:
        count += 1
        issued = due - timedelta(days=lead)
        if issued < first or due >= service.customer.left_on:
            continue
        number = f"F{issued:%y%m}-{service.number[1:]}"
        paid_at = _paid_at(number, service.customer, issued=issued, due=due, company=company)
        bill = _invoice(number, service.customer, company, issued_on=issued, due_on=due, amount=service.amount)
        yield replace(bill, paid_at=paid_at)


def _of_domain(domain: Domain, company: Company) -> Iterator[Invoice]:
    first = company.today - timedelta(days=DAYS_BACK)
    for due in domain.ends():
        issued = due - timedelta(days=30)
        if issued >= company.today or due >= domain.customer.left_on:
            return
        if issued < first:
            continue
        number = f"D{issued:%y%m%d}-{domain.customer.number[1:]}-{len(domain.name)}"
        paid_at = domain.renewed_at(due)
        if domain.customer.is_quiet:
            paid_at = at(due - timedelta(days=12), hours=9)
        bill = _invoice(number, domain.customer, company, issued_on=issued, due_on=due, amount=DOMAIN_PRICE)
        yield replace(bill, paid_at=paid_at)


def _of_order(order: Order, company: Company) -> Invoice:
    issued = order.placed_at.date()
    invoice = _invoice(
        f"O{order.number}",
        order.customer,
        company,
        issued_on=issued,
        due_on=issued + timedelta(days=14),
        amount=order.amount,
    )
    return replace(invoice, paid_at=order.paid_at, method=order.method)


def _invoice(
    number: str, customer: Customer, company: Company, *, issued_on: date, due_on: date, amount: int
) -> Invoice:
    """Return an invoice that nobody has paid yet."""
    methods = ("card", "bank transfer", "invoice")
    method = company.dice("method", customer.number).choices(methods, weights=(60, 30, 10))[0]
    return Invoice(
        number=number,
        customer=customer,
        issued_on=issued_on,
        due_on=due_on,
        paid_at=None,
        amount=amount,
        method="card" if customer.is_quiet else method,
    )


def _paid_at(number: str, customer: Customer, *, issued: date, due: date, company: Company) -> datetime | None:
    """Return when an invoice is paid: most in time, some late, a few never."""
    if customer.is_quiet:
        return at(due - timedelta(days=6), hours=9)
    chance = company.dice("paid", number)
    luck, hour = chance.random(), chance.uniform(6, 20)
    if luck < 0.02:
        return None
    if luck < 0.14:
        return at(due + timedelta(days=chance.randrange(1, 21)), hours=hour)
    return at(issued + timedelta(days=chance.randrange(1, (due - issued).days)), hours=hour)


def _status(invoice: Invoice, company: Company) -> str:
    if company.known(invoice.paid_at):
        return "paid"
    if invoice.paid_at is None and company.today > invoice.due_on + timedelta(days=WRITTEN_OFF_DAYS):
        return "cancelled"
    return "unpaid"


def _payment(invoice: Invoice, received_at: datetime, company: Company) -> Payment:
    slip = company.dice("slip", invoice.number).random()
    short = FEE if invoice.method == "bank transfer" and slip < 0.02 else 0
    return Payment(
        number=f"P{invoice.number}",
        invoice=invoice,
        amount=invoice.amount - short,
        received_at=received_at,
        reference=invoice.number,
        placed_at=received_at,
    )


def _stray_days(company: Company) -> list[date]:
    """Return the days on which such money came or will come, as far as the invoice is out."""
    ahead = (company.today + timedelta(days=count) for count in range(1, STRAY_ISSUED_DAYS + 1))
    return [day for day in (*company.days_back(DAYS_BACK), *ahead) if day.toordinal() % STRAY_EVERY_DAYS == 0]


def _stray(day: date, company: Company) -> Invoice:
    """Return an invoice that is paid on `day` without its number: it looks unpaid until somebody finds out."""
    issued_on = day - timedelta(days=STRAY_ISSUED_DAYS)
    customer = company.dice("stray", day.isoformat()).choice(company.customers_on(issued_on, loud_only=True))
    return Invoice(
        number=f"W{day:%y%m%d}-{customer.number[1:]}",
        customer=customer,
        issued_on=issued_on,
        due_on=day + timedelta(days=4),
        paid_at=at(day + timedelta(days=STRAY_FOUND_DAYS), hours=10),
        amount=STRAY_AMOUNT,
        method="bank transfer",
    )


def _stray_payment(day: date, company: Company) -> Payment:
    invoice = _stray(day, company)
    return Payment(
        number=f"P{invoice.number}",
        invoice=invoice,
        amount=invoice.amount,
        received_at=at(day, hours=0.05),
        reference=f"{day:%B} {invoice.customer.domain.partition('.')[0].replace('-', ' ')}",
        placed_at=at(day + timedelta(days=STRAY_FOUND_DAYS), hours=10),
    )
