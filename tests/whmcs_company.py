"""The sample company as WHMCS would hold it: its tables with WHMCS's numbers, and without what it does not keep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

Row = dict[str, str]
Tables = dict[str, list[Row]]
ZONE = ZoneInfo("Europe/Oslo")


@dataclass(kw_only=True)
class Numbers:
    """The numbers that WHMCS gives to rows, in the order in which they came."""

    of: dict[str, dict[str, str]] = field(default_factory=dict)

    def take(self, table: str, keys: Iterable[str]) -> None:
        self.of[table] = {key: str(number) for number, key in enumerate(keys, start=1)}

    def __call__(self, table: str, key: str) -> str:
        return self.of[table][key] if key else ""


def as_whmcs_keeps_it(sample: Tables) -> Tables:
    """Return the sample's tables as they are with WHMCS's numbers, and without what WHMCS does not keep.

    What is lost is what docs/sources.md says: when a ticket was closed and an order accepted, the weight of a customer,
    critical tickets and a partner's desk, the plan that an account really has, and what utf8mb3 cannot hold.
    """
    tables = {
        name: [{key: _plain(value) for key, value in row.items()} for row in rows] for name, rows in sample.items()
    }
    numbers = Numbers()
    for name in ("customers", "services", "orders", "invoices", "payments", "credits", "mail_log", "feedback"):
        numbers.take(name, (next(iter(row.values())) for row in tables[name]))
    bills = {row["invoice"]: row for row in tables["invoices"]}
    for row in tables["orders"]:
        bill = bills[f"O{row['number']}"]
        row["paid_at"] = bill["paid_at"] if bill["status"] == "paid" else ""
        row["activated_at"] = row["activated_at"] and row["paid_at"]
        row["cancelled_at"] = row["cancelled_at"] and row["placed_at"]
    for row in tables["customers"]:
        row.update(weight="1", status="active" if row["status"] == "active" else "closed")
    for row in tables["credits"]:
        row["given_at"] = _text(datetime.combine(on_wall(row["given_at"]).date(), time(), ZONE))
    for row in tables["tickets"]:
        written = [row[name] for name in ("opened_at", "last_customer_at", "last_staff_at") if row[name]]
        row.update(desk="own", priority="high" if row["priority"] == "critical" else row["priority"])
        row["closed_at"] = row["closed_at"] and max(written)
    tables["accounts"] = list(_accounts(tables))
    _renumber(tables, numbers)
    return tables


def _accounts(tables: Tables) -> Iterable[Row]:
    """Yield an account for each service that is there: of the sample's own, where it came of an order."""
    known = {row["order"]: row for row in tables["accounts"]}
    orders = {row["number"]: row for row in tables["orders"]}
    letters = {row["subject"].split()[1]: row["sent_at"] for row in tables["mail_log"] if "Welcome: " in row["subject"]}
    for service in tables["services"]:
        order = _order_of(service)
        account, placed = known.get(order, {}), orders.get(order, {})
        since = _text(datetime.combine(datetime.fromisoformat(service["since"]), time(), ZONE))
        welcome = letters.get(service["domain"], "")
        by = {"by hand": "an administrator", "self-serve": "order form"}.get(placed.get("channel", ""), "unknown")
        if service["status"] != "cancelled":
            yield {
                "username": account.get("username") or user_name(service),
                "order": order,
                "customer": service["name"],
                "domain": service["domain"],
                "ordered_plan": service["product"],
                "plan": service["product"],
                "host": service["host"],
                "created_at": welcome or placed.get("paid_at") or placed.get("placed_at") or since,
                "created_by": by,
                "welcome_sent_at": welcome,
                "disk_mb": account.get("disk_mb", "0"),
                "disk_limit_mb": account.get("disk_limit_mb", "0"),
            }


def user_name(service: Row) -> str:
    """Return the user name of a service that came of no order."""
    return "u" + "".join(sign for sign in service["service"] if sign.isalnum()).lower()


def _order_of(service: Row) -> str:
    """Return the number of the order that a service came of; '' where it came of none."""
    number = service["service"]
    return number.removeprefix("S-") if number.startswith("S-") else ""


def _renumber(tables: Tables, numbers: Numbers) -> None:
    places = {
        "customers": {"customer": "customers"},
        "domains": {"customer": "customers"},
        "services": {"customer": "customers", "service": "services"},
        "orders": {"number": "orders"},
        "accounts": {"order": "orders"},
        "invoices": {"invoice": "invoices", "customer": "customers"},
        "payments": {"payment": "payments", "invoice": "invoices", "customer": "customers"},
        "credits": {"credit": "credits", "customer": "customers"},
        "tickets": {"customer": "customers"},
        "mail_log": {"mail": "mail_log", "customer": "customers"},
        "feedback": {"feedback": "feedback", "customer": "customers"},
        "abuse": {"customer": "customers"},
        "disputes": {"invoice": "invoices", "customer": "customers"},
    }
    tables["bills"] = [
        {"order": numbers("orders", row["number"]), "invoice": numbers("invoices", f"O{row['number']}")}
        for row in tables["orders"]
    ]
    tables["origins"] = [
        {
            "service": numbers("services", row["service"]),
            "order": numbers("orders", _order_of(row)),
            "username": user_name(row),
        }
        for row in tables["services"]
    ]
    for table, columns in places.items():
        for row in tables[table]:
            row.update({column: numbers(of, row[column]) for column, of in columns.items()})


def _plain(value: str) -> str:
    return "".join(sign for sign in value if ord(sign) < 0x10000).strip()


def on_wall(moment: str) -> datetime:
    """Return a moment as the wall in Oslo has it."""
    return datetime.fromisoformat(moment).astimezone(ZONE)


def wall_text(moment: str) -> str:
    """Return the hour on the wall in Oslo, as a DATETIME takes it; nothing for nothing."""
    return f"{on_wall(moment):%Y-%m-%d %H:%M:%S}" if moment else ""


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
