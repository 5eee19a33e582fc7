"""What the invented company's customers have with it: services and domains, and the bills for them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta

from opsrunner.records import dataclass
from opsrunner.sample.company import Company, Customer, at, months_later
from opsrunner.sample.names import HOSTS, PRODUCTS
from opsrunner.sample.orders import Order, host_of

REGISTRARS = ("Fjordnames", "Polar Registry")
BY_HAND_REGISTRAR = "kept by hand"
"""Whose domains nobody knows the dates of."""
DOMAIN_PRICE = 149
EXPIRED_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service of a customer."""

    number: str
    customer: Customer
    product: str
    domain: str
    host: str
    since: date
    months: int
    """From one renewal to the next."""
    amount: int
    is_suspended: bool = False

    def is_active_on(self, day: date) -> bool:
        """Tell whether it runs."""
        return self.customer.is_customer_on(day)


@dataclass(frozen=True, kw_only=True)
class Domain:
    """One domain; it ends each year on the day that it was registered on."""

    name: str
    customer: Customer
    registrar: str
    since: date

    @property
    def is_dated(self) -> bool:
        """Tell whether its date is known."""
        return self.registrar != BY_HAND_REGISTRAR

    def ends(self) -> Iterator[date]:
        """Yield the days that it ends on, one a year, for ever."""
        count = 0
        while True:
            count += 1
            yield months_later(self.since, 12 * count)

    def renewed_at(self, ends_on: date) -> datetime | None:
        """Return when it was renewed over that end; None where its customer left.

        Every third day's domains are late, and some of them lapse first; most others are renewed weeks before.
        """
        if self.customer.left_on <= ends_on:
            return None
        day = ends_on.toordinal()
        if day % 9 == 0:
            return at(ends_on + timedelta(days=5), hours=10)
        if day % 3 == 0:
            return at(ends_on, hours=18)
        days_before = 2 if day % 9 == 4 else 9 + day * 7 % 20
        return at(ends_on - timedelta(days=days_before), hours=10)

    def ends_on(self, now: datetime) -> date:
        """Return the end that is ahead, or that was not renewed over."""
        for end in self.ends():
            renewed_at = self.renewed_at(end)
            if renewed_at is None or renewed_at >= now:
                return end
        raise AssertionError("ends() has no end")


def services_of(company: Company, orders: Sequence[Order]) -> list[Service]:
    """Return the services: those that customers came with, and those that came of orders."""
    return [
        *(service for customer in company.customers for service in _of_customer(customer, company)),
        *(_of_order(order, order.activated_at.date(), company) for order in orders if order.activated_at),
    ]


def domains_of(services: Sequence[Service]) -> list[Domain]:
    """Return the domains: one for each service that has one."""
    return [_domain(service) for service in services]


def service_rows(company: Company, services: Sequence[Service]) -> list[dict[str, object]]:
    """Return the rows of `services.csv`."""
    return [
        {
            "service": one.number,
            "customer": one.customer.number,
            "name": one.customer.name,
            "email": one.customer.email,
            "product": one.product,
            "domain": one.domain,
            "host": one.host,
            "status": _status(one, company),
            "since": one.since.isoformat(),
            "renews_at": _renews_at(one, company),
            "amount": one.amount,
            "cycle": "monthly" if one.months == 1 else "yearly",
        }
        for one in services
    ]


def domain_rows(company: Company, domains: Sequence[Domain]) -> list[dict[str, object]]:
    """Return the rows of `domains.csv`."""
    return [
        {
            "domain": one.name,
            "customer": one.customer.number,
            "name": one.customer.name,
            "email": one.customer.email,
            "registrar": one.registrar,
            "expires_at": ends_on.isoformat() if one.is_dated else "",
            "status": _domain_status(one, ends_on, company),
        }
        for one in domains
        for ends_on in (one.ends_on(company.now),)
    ]


def _of_customer(customer: Customer, company: Company) -> Iterator[Service]:
    chance = company.dice("services", customer.number)
    product = chance.choices(tuple(PRODUCTS), weights=(42, 34, 14, 7, 3))[0]
    months = 1 if PRODUCTS[product] > 5000 or chance.random() < 0.1 else 12
    yield Service(
        number=f"S{customer.number[1:]}-1",
        customer=customer,
        product=product,
        domain=customer.domain,
        host=chance.choice(HOSTS),
        since=customer.since,
        months=months,
        amount=_price(product, months),
        is_suspended=not customer.is_quiet and chance.random() < 0.02,
    )
    second_since = customer.since + timedelta(days=chance.randrange(40, 900))
    if chance.random() < 0.3 and second_since <= company.today:
        yield Service(
            number=f"S{customer.number[1:]}-2",
            customer=customer,
            product="Starter",
            domain=customer.domain.replace(".example", "-events.example"),
            host=chance.choice(HOSTS),
            since=second_since,
            months=12,
            amount=PRODUCTS["Starter"],
        )


def _of_order(order: Order, since: date, company: Company) -> Service:
    return Service(
        number=f"S-{order.number}",
        customer=order.customer,
        product=order.product,
        domain=order.domain,
        host=host_of(order, company),
        since=since,
        months=12,
        amount=order.amount,
    )


def _domain(service: Service) -> Domain:
    number = int(service.customer.number[1:])
    by_hand = service.number.endswith("-2") and number % 9 == 0
    registrar = BY_HAND_REGISTRAR if by_hand else REGISTRARS[number % len(REGISTRARS)]
    return Domain(name=service.domain, customer=service.customer, registrar=registrar, since=service.since)


def _price(product: str, months: int) -> int:
    return PRODUCTS[product] if months == 12 else round(PRODUCTS[product] * 1.1 / 12)


def _status(service: Service, company: Company) -> str:
    if not service.is_active_on(company.today):
        return "cancelled"
    return "suspended" if service.is_suspended else "active"


def _renews_at(service: Service, company: Company) -> str:
    if not service.is_active_on(company.today):
        return ""
    today, since = company.today, service.since
    count = ((today.year - since.year) * 12 + today.month - since.month) // service.months
    while months_later(since, count * service.months) <= max(today, since):
        count += 1
    return months_later(since, count * service.months).isoformat()


def _domain_status(domain: Domain, ends_on: date, company: Company) -> str:
    left = not domain.customer.is_customer_on(company.today)
    if left and int(domain.customer.number[1:]) % 2:
        return "transferred"
    if ends_on >= company.today:
        return "active"
    return "expired" if company.today <= ends_on + timedelta(days=EXPIRED_DAYS) else "cancelled"
