"""Orders of the invented company, and the accounts that they became."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from random import Random

from opsrunner.records import dataclass
from opsrunner.sample.company import Company, Customer, at, text
from opsrunner.sample.names import BY_HAND, HOSTS, PRODUCTS, TEMPLATES

DAYS_BACK = 210
DAYS_UNTIL_CANCELLED = 14
HOURS_IN_HAND = 75
"""How long every other day's first order waits for somebody: there is always one that is paid and not created."""
ENDINGS = ("shop", "blog", "online", "app", "news", "events", "team", "wiki", "portal", "live")


@dataclass(frozen=True, kw_only=True)
class Order:
    """One order, as the billing system would tell it on a given day."""

    number: str
    customer: Customer
    domain: str
    product: str
    amount: int
    method: str
    channel: str
    placed_at: datetime
    paid_at: datetime | None
    activated_at: datetime | None
    cancelled_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """What is ordered how, before it is known what becomes of it."""

    product: str
    method: str
    channel: str
    hours_by_hand: float


def orders_of(company: Company) -> list[Order]:
    """Return the orders placed until now, oldest first."""
    return [order for day in company.days_back(DAYS_BACK) for order in _orders_on(day, company)]


def order_rows(orders: Sequence[Order]) -> list[dict[str, object]]:
    """Return the rows of `orders.csv`; moments in UTC, an empty cell where nothing has happened."""
    return [
        {
            "number": order.number,
            "customer": order.customer.name,
            "email": order.customer.email,
            "domain": order.domain,
            "product": order.product,
            "amount": order.amount,
            "method": order.method,
            "channel": order.channel,
            "placed_at": text(order.placed_at),
            "paid_at": text(order.paid_at),
            "activated_at": text(order.activated_at),
            "cancelled_at": text(order.cancelled_at),
        }
        for order in orders
    ]


def template_rows() -> list[dict[str, object]]:
    """Return the rows of `templates.csv`: the systems that the order form offers for servers."""
    return [{"template": name.lower().replace(" ", "-"), "system": name} for name in TEMPLATES]


def host_of(order: Order, company: Company) -> str:
    """Return the server that an order's account was created on."""
    return company.dice("account", order.number).choice(HOSTS)


def welcome_sent_at(order: Order) -> datetime | None:
    """Return when an account's welcome letter went; None where it did not, as it happens every fourth day."""
    if order.activated_at is None:
        return None
    was_forgotten = order.channel == "self-serve" and order.placed_at.toordinal() % 4 == 1
    return None if was_forgotten else order.activated_at + timedelta(minutes=2)


def account_rows(orders: Sequence[Order], company: Company) -> list[dict[str, object]]:
    """Return the rows of `accounts.csv`: one for each activated order, a few of them with a slip."""
    return [_account(order, order.activated_at, company) for order in orders if order.activated_at is not None]


def _account(order: Order, created_at: datetime, company: Company) -> dict[str, object]:
    chance = company.dice("slip", order.number)
    limit_mb = 10_000 if order.product == "Starter" else 50_000
    wrong_plan = chance.random() < 0.06 and order.product == "Business"
    day, _, index = order.number.partition("-")
    return {
        "username": f"{order.domain.partition('.')[0].replace('-', '')[:6]}{day[2:]}{index}",
        "order": order.number,
        "customer": order.customer.name,
        "domain": order.domain,
        "ordered_plan": order.product,
        "plan": "Starter" if wrong_plan else order.product,
        "host": host_of(order, company),
        "created_at": text(created_at),
        "created_by": "order form" if order.channel == "self-serve" else chance.choice(("ops1", "ops2")),
        "welcome_sent_at": text(company.known(welcome_sent_at(order))),
        "disk_mb": limit_mb * chance.randrange(1, 60) // 100,
        "disk_limit_mb": limit_mb,
    }


def _orders_on(day: date, company: Company) -> Iterator[Order]:
    chance = company.dice("orders", day.isoformat())
    hours = sorted(chance.uniform(0, 10) for _ in range(chance.choice((1, 1, 1, 2, 2, 3))))
    for index, hour in enumerate([*hours, chance.uniform(11, 12)], start=1):
        placed_at = at(day, hours=hour)
        terms = _terms(day, chance, is_first=index == 1, is_last=index > len(hours))
        order = _order(f"{day:%y%m%d}-{index:02}", placed_at, terms, chance=chance, company=company)
        if placed_at < company.now:
            yield order


def _terms(day: date, chance: Random, *, is_first: bool, is_last: bool) -> _Terms:
    """Return the terms of an order: each day's last one creates itself, every other day's first one waits for us."""
    product = chance.choices(tuple(PRODUCTS), weights=(40, 34, 14, 8, 4))[0]
    method = chance.choices(("card", "bank transfer", "invoice"), weights=(66, 22, 12))[0]
    channel = "by hand" if product in BY_HAND or chance.random() < 0.2 else "self-serve"
    hours = chance.uniform(8, 70)
    if is_last:
        product = product if product not in BY_HAND else "Business"
        return _Terms(product=product, method="card", channel="self-serve", hours_by_hand=hours)
    if is_first and day.toordinal() % 2 == 0:
        return _Terms(product="Server M", method="card", channel="by hand", hours_by_hand=HOURS_IN_HAND)
    return _Terms(product=product, method=method, channel=channel, hours_by_hand=hours)


def _order(number: str, placed_at: datetime, terms: _Terms, *, chance: Random, company: Company) -> Order:
    pool = company.customers_on(placed_at.date(), loud_only=terms.channel == "by hand")
    customer = chance.choice(pool)
    stem = customer.domain.partition(".")[0]
    paid_at = _paid_at(placed_at, method=terms.method, chance=chance)
    hours = terms.hours_by_hand if terms.channel == "by hand" else 0.05
    activated_at = paid_at + timedelta(minutes=int(hours * 60)) if paid_at else None
    cancelled_at = None if paid_at else placed_at + timedelta(days=DAYS_UNTIL_CANCELLED)
    return Order(
        number=number,
        customer=customer,
        domain=f"{stem}-{chance.choice(ENDINGS)}{number.replace('-', '')[2:]}.example",
        product=terms.product,
        amount=PRODUCTS[terms.product],
        method=terms.method,
        channel=terms.channel,
        placed_at=placed_at,
        paid_at=company.known(paid_at),
        activated_at=company.known(activated_at),
        cancelled_at=company.known(cancelled_at),
    )


def _paid_at(placed_at: datetime, *, method: str, chance: Random) -> datetime | None:
    """Return when the money comes: cards at once, transfers within days, one in nine of those never."""
    hours = 0.02 if method == "card" else chance.uniform(6, 150)
    never = method != "card" and chance.random() < 0.11
    return None if never else placed_at + timedelta(minutes=max(1, int(hours * 60)))
