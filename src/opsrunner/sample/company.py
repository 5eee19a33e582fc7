"""The company that does not exist, at a given moment: its customers, and the dice that all else is drawn with.

What happens on a day is drawn from the seed and that day alone, and what has become of it follows from the present
moment. So the sample lives on like a real billing system: tomorrow brings new rows, some of today's are done by
then, and their numbers stay what they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from opsrunner.records import dataclass
from opsrunner.sample.names import domain_of, name_of

FOUNDED = date(2018, 7, 1)
WAVE_YEARS = 7
"""Over so many years each day of the calendar saw one customer join: every day is somebody's anniversary."""
QUIET_EVERY = 5
EARLY_LEAVER_CHANCE = 0.03


@dataclass(frozen=True, kw_only=True)
class Customer:
    """One customer; `left_on` may lie ahead, which nobody knows yet."""

    number: str
    name: str
    domain: str
    since: date
    left_on: date
    weight: int
    language: str
    is_quiet: bool
    """Never a ticket, never late, never a dispute: whom the reward is for."""

    @property
    def email(self) -> str:
        """Where the customer is written to."""
        return f"post@{self.domain}"

    def is_customer_on(self, day: date) -> bool:
        """Tell whether the customer was there on a day."""
        return self.since <= day < self.left_on


@dataclass(frozen=True, kw_only=True)
class Company:
    """All that is asked of the sample is asked of this."""

    seed: int
    now: datetime
    """An aware moment; nothing after it is known."""
    customers: tuple[Customer, ...]
    _pools: dict[tuple[date, bool], tuple[Customer, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def today(self) -> date:
        """The day in UTC."""
        return self.now.astimezone(UTC).date()

    def dice(self, *about: object) -> Random:
        """Return dice that fall the same way each time they are asked about the same thing."""
        return Random("/".join(str(part) for part in (self.seed, *about)))  # noqa: S311 - sample data, no secret

    def known(self, moment: datetime | None) -> datetime | None:
        """Return a moment that has come, else None."""
        return moment if moment is not None and moment < self.now else None

    def days_back(self, count: int) -> Iterator[date]:
        """Yield the last `count` days and today, oldest first."""
        for age in range(count, -1, -1):
            yield self.today - timedelta(days=age)

    def customers_on(self, day: date, *, loud_only: bool = False) -> tuple[Customer, ...]:
        """Return who was a customer on a day; `loud_only` leaves the quiet ones out. It is never empty."""
        pool = self._pools.get((day, loud_only))
        if pool is None:
            there = tuple(one for one in self.customers if one.since <= day < one.left_on)
            loud = tuple(one for one in there if not one.is_quiet)
            pool = (loud or there or self.customers) if loud_only else (there or self.customers)
            self._pools[day, loud_only] = pool
        return pool


def company_at(now: datetime, *, seed: int) -> Company:
    """Return the company as it stands `now`."""
    today = now.astimezone(UTC).date()
    days = (FOUNDED + timedelta(days=age) for age in range((today - FOUNDED).days + 1))
    joined = ((day, lives) for day in days if (lives := _days_as_customer(day, seed)))
    customers = tuple(_customer(number, day, lives, seed) for number, (day, lives) in enumerate(joined))
    if not customers:
        customers = (_customer(0, today, 2000, seed),)  # a clock before the company was founded
    return Company(seed=seed, now=now, customers=customers)


def _days_as_customer(day: date, seed: int) -> int:
    """Return how long the customer who joined on a day stays, in days; 0 where nobody joined."""
    if (day.month * 31 + day.day + day.year * 3) % WAVE_YEARS == 0:
        return WAVE_YEARS * 366 + 40 + (day.toordinal() * 37) % 360
    chance = Random(f"{seed}/leaver/{day.isoformat()}")  # noqa: S311 - sample data, no secret
    return chance.randrange(90, 900) if chance.random() < EARLY_LEAVER_CHANCE else 0


def _customer(number: int, day: date, lives: int, seed: int) -> Customer:
    chance = Random(f"{seed}/customer/{number}")  # noqa: S311 - sample data, no secret
    return Customer(
        number=f"C{1000 + number}",
        name=name_of(number, seed=seed),
        domain=domain_of(number, seed=seed),
        since=day,
        left_on=day + timedelta(days=lives),
        weight=chance.choices((1, 2, 3), weights=(68, 24, 8))[0],
        language=chance.choices(("no", "en", "sv", ""), weights=(70, 18, 6, 6))[0],
        is_quiet=number % QUIET_EVERY == 3,
    )


def customer_rows(company: Company) -> list[dict[str, object]]:
    """Return the rows of `customers.csv`."""
    return [
        {
            "customer": one.number,
            "name": one.name,
            "email": one.email,
            "since": one.since.isoformat(),
            "status": "active" if one.is_customer_on(company.today) else "cancelled",
            "weight": one.weight,
            "language": one.language,
        }
        for one in company.customers
    ]


def at(day: date, *, hours: float = 0) -> datetime:
    """Return a moment so many hours into a day in UTC, on a whole minute."""
    return datetime.combine(day, time(), UTC) + timedelta(minutes=int(hours * 60))


def text(moment: datetime | None) -> str:
    """Return a moment in UTC as it stands in a file; nothing for one that has not come."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else ""


def months_later(day: date, count: int) -> date:
    """Return the same day of a later month, or that month's last day."""
    year, month = divmod(day.month - 1 + count, 12)
    first = date(day.year + year, month + 1, 1)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return min(first + timedelta(days=day.day - 1), following - timedelta(days=1))
