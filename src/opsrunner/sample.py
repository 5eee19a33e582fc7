"""The sample site's data: orders and accounts of a company that does not exist.

What happens on a day is drawn from the seed and that day alone, and what has become of it follows from
the present moment. So the sample lives on like a real billing system: tomorrow brings new orders, some of
today's are paid by then, and their numbers stay what they were.
"""

from __future__ import annotations

import csv
import io
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random

DAYS_BACK = 150
DAYS_UNTIL_CANCELLED = 14
FORGOTTEN_BY_PANEL = 0.004
HOSTS = ("web1", "web2", "web3")
PLANS = {"Starter": 590, "Business": 1490, "Agency": 3900, "Server M": 8900, "Server L": 15900}
TEMPLATES = ("Debian 11", "Debian 12", "Ubuntu 22.04 LTS", "Ubuntu 24.04 LTS", "AlmaLinux 9")
BY_HAND = frozenset({"Server M", "Server L"})
"""Products that the order form cannot create by itself."""
# fmt: off
FIRST_WORDS = (
    "Amber", "Birch", "Coast", "Delta", "Ember", "Fjord", "Granite", "Harbour", "Islet", "Juniper", "Kelp",
    "Lantern", "Meadow", "North", "Otter", "Pine", "Quarry", "Rowan", "Spruce", "Tidal", "Upland", "Valley", "Willow",
    "Yarrow",
)
SECOND_WORDS = (
    "Bakery", "Books", "Boats", "Choir", "Clinic", "Coffee", "Dental", "Film", "Florist", "Gallery", "Joinery",
    "Kayaks", "Legal", "Music", "Optics", "Pottery", "Running", "Studio", "Tools", "Travel", "Wool", "Yoga",
)
# fmt: on


@dataclass(frozen=True, kw_only=True)
class Order:
    """One order, as the billing system would tell it on a given day."""

    number: str
    customer: str
    domain: str
    product: str
    amount: int
    method: str
    channel: str
    placed_at: datetime
    paid_at: datetime | None
    activated_at: datetime | None
    cancelled_at: datetime | None


def write_samples(root: Path, state: Path, *, seed: int, now: datetime) -> list[Path]:
    """Write `sample/orders.csv`, `accounts.csv` and `templates.csv` below `state`, as they stand `now`.

    Beside them stands `sample/panel/`, in which the control panel keeps a backup of each account.
    `root` is the site's folder; a relative `state` lies in it. Files that already say the same are left
    alone. Returns the paths of the tables. Raises OSError where the folder cannot be written.
    """
    folder = root / state / "sample"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    orders = list(orders_until(now, seed=seed))
    accounts = account_rows(orders, seed=seed)
    _write_panel(folder / "panel", accounts, seed=seed, now=now)
    tables = {"orders.csv": order_rows(orders), "accounts.csv": accounts, "templates.csv": template_rows()}
    return [_write_if_changed(folder / name, rows) for name, rows in tables.items()]


def orders_until(now: datetime, *, seed: int) -> Iterator[Order]:
    """Yield the orders placed before `now`, an aware moment, oldest first."""
    today = now.astimezone(UTC).date()
    for age_days in range(DAYS_BACK, -1, -1):
        yield from _orders_of(today - timedelta(days=age_days), seed=seed, now=now)


def order_rows(orders: Sequence[Order]) -> list[Mapping[str, object]]:
    """Return the rows of `orders.csv`; moments in UTC, an empty cell where nothing has happened."""
    return [
        {
            "number": order.number,
            "customer": order.customer,
            "email": f"post@{order.domain}",
            "domain": order.domain,
            "product": order.product,
            "amount": order.amount,
            "method": order.method,
            "channel": order.channel,
            "placed_at": _text(order.placed_at),
            "paid_at": _text(order.paid_at),
            "activated_at": _text(order.activated_at),
            "cancelled_at": _text(order.cancelled_at),
        }
        for order in orders
    ]


def template_rows() -> list[Mapping[str, object]]:
    """Return the rows of `templates.csv`: the systems that the order form offers for servers."""
    return [{"template": name.lower().replace(" ", "-"), "system": name} for name in TEMPLATES]


def account_rows(orders: Sequence[Order], *, seed: int) -> list[Mapping[str, object]]:
    """Return the rows of `accounts.csv`: one for each activated order, a few of them with a slip."""
    return [
        _account(order, Random(f"{seed}/account/{order.number}"))  # noqa: S311 - sample data, no secret
        for order in orders
        if order.activated_at is not None
    ]


def _account(order: Order, chance: Random) -> Mapping[str, object]:
    assert order.activated_at is not None  # noqa: S101 - the caller's filter, told to the type checker
    limit_mb = 10_000 if order.product == "Starter" else 50_000
    wrong_plan = chance.random() < 0.06 and order.product == "Business"
    forgotten = chance.random() < 0.08
    return {
        "username": f"{order.domain.partition('.')[0].replace('-', '')[:8]}{order.number[-2:]}",
        "order": order.number,
        "customer": order.customer,
        "domain": order.domain,
        "ordered_plan": order.product,
        "plan": "Starter" if wrong_plan else order.product,
        "host": chance.choice(HOSTS),
        "created_at": _text(order.activated_at),
        "created_by": "order form" if order.channel == "self-serve" else chance.choice(("ops1", "ops2")),
        "welcome_sent_at": "" if forgotten else _text(order.activated_at + timedelta(minutes=2)),
        "disk_mb": int(limit_mb * chance.betavariate(2, 6)),
        "disk_limit_mb": limit_mb,
    }


def _write_panel(folder: Path, accounts: Sequence[Mapping[str, object]], *, seed: int, now: datetime) -> None:
    """Let the panel make last night's backups; of a few accounts it makes none, or none any more."""
    folder.mkdir(exist_ok=True, mode=0o700)
    midnight = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    for account in accounts:
        chance = Random(f"{seed}/panel/{account['order']}")  # noqa: S311 - sample data, no secret
        nightly, luck = timedelta(hours=1, minutes=chance.randrange(50)), chance.random()
        created_at = datetime.fromisoformat(str(account["created_at"]))
        made_at = midnight + nightly if midnight + nightly <= now else midnight + nightly - timedelta(days=1)
        if luck < FORGOTTEN_BY_PANEL:
            continue
        if luck < 2 * FORGOTTEN_BY_PANEL:
            made_at = min(made_at, created_at + timedelta(days=9))
        if made_at >= created_at:
            _make_backup(folder / f"{account['username']}.tar.gz", account, made_at=made_at, chance=chance)


def _make_backup(path: Path, account: Mapping[str, object], *, made_at: datetime, chance: Random) -> None:
    if not path.exists():
        page = f"<h1>{account['customer']}</h1>\n".encode()
        files = {"public_html/index.html": page, "mysql/dump.sql": chance.randbytes(chance.randrange(2_000, 6_000))}
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(f"{account['username']}/{name}")
                member.size, member.mtime = len(content), int(made_at.timestamp())
                archive.addfile(member, io.BytesIO(content))
        fresh.replace(path)
    if path.stat().st_mtime != made_at.timestamp():
        os.utime(path, (made_at.timestamp(), made_at.timestamp()))


def _orders_of(day: date, *, seed: int, now: datetime) -> Iterator[Order]:
    chance = Random(f"{seed}/orders/{day.isoformat()}")  # noqa: S311 - sample data, no secret
    hours = sorted(chance.uniform(0, 23.9) for _ in range(chance.choice((1, 1, 2, 2, 3, 4))))
    for index, hour in enumerate(hours, start=1):
        placed_at = datetime.combine(day, time(), UTC) + timedelta(minutes=int(hour * 60))
        order = _order(f"{day:%y%m%d}-{index:02}", placed_at, chance=chance, now=now)
        if placed_at < now:
            yield order


def _order(number: str, placed_at: datetime, *, chance: Random, now: datetime) -> Order:
    first, second = chance.choice(FIRST_WORDS), chance.choice(SECOND_WORDS)
    product = chance.choices(tuple(PLANS), weights=(40, 34, 14, 8, 4))[0]
    method = chance.choices(("card", "bank transfer", "invoice"), weights=(66, 22, 12))[0]
    channel = "by hand" if product in BY_HAND or chance.random() < 0.2 else "self-serve"
    paid_at = _paid_at(placed_at, method=method, chance=chance)
    by_hand_hours = chance.uniform(8, 70) if channel == "by hand" else 0.05
    activated_at = paid_at + timedelta(hours=by_hand_hours) if paid_at else None
    cancelled_at = None if paid_at else placed_at + timedelta(days=DAYS_UNTIL_CANCELLED)
    return Order(
        number=number,
        customer=f"{first} {second}",
        domain=f"{first.lower()}-{second.lower()}.example",
        product=product,
        amount=PLANS[product],
        method=method,
        channel=channel,
        placed_at=placed_at,
        paid_at=_known(paid_at, now),
        activated_at=_known(activated_at, now),
        cancelled_at=_known(cancelled_at, now),
    )


def _paid_at(placed_at: datetime, *, method: str, chance: Random) -> datetime | None:
    """Return when the money comes: cards at once, transfers within days, one in nine of those never."""
    hours = 0.02 if method == "card" else chance.uniform(6, 150)
    never = method != "card" and chance.random() < 0.11
    return None if never else placed_at + timedelta(hours=hours)


def _known(moment: datetime | None, now: datetime) -> datetime | None:
    return moment if moment is not None and moment < now else None


def _text(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else ""


def _write_if_changed(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    text = sheet.getvalue()
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        fresh = path.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.chmod(0o600)
        fresh.replace(path)
    return path
