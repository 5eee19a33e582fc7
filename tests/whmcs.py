"""The sample company as WHMCS would hold it: its tables with WHMCS's numbers and losses, and a database of them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from .databases import DatabaseServer

Row = dict[str, str]
Tables = dict[str, list[Row]]
SCHEMA = Path(__file__).parent / "data/whmcs/schema.sql"
ZONE = ZoneInfo("Europe/Oslo")
_CYCLES = {"monthly": "Monthly", "yearly": "Annually"}
_DOMAINS = {"active": "Active", "expired": "Expired", "transferred": "Transferred Away", "cancelled": "Cancelled"}
_URGENCIES = {"critical": "High", "high": "High", "normal": "Medium", "low": "Low"}


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
    critical tickets and a partner's desk, the plan that an account really has, and letters outside Unicode's first plane.
    """
    tables = {name: [{key: _plain(value) for key, value in row.items()} for row in rows] for name, rows in sample.items()}
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
        row["given_at"] = _text(datetime.combine(_wall(row["given_at"]).date(), time(), ZONE))
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
        order = service["service"].removeprefix("S-") if service["service"].startswith("S-") else ""
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
    tables["bills"] = [{"order": numbers("orders", row["number"]), "invoice": numbers("invoices", f"O{row['number']}")}
                       for row in tables["orders"]]
    tables["origins"] = [{"service": numbers("services", row["service"]),
                          "order": numbers("orders", row["service"].removeprefix("S-"))
                          if row["service"].startswith("S-") else "",
                          "username": user_name(row)} for row in tables["services"]]
    for table, columns in places.items():
        for row in tables[table]:
            row.update({column: numbers(of, row[column]) for column, of in columns.items()})


@dataclass(frozen=True, kw_only=True)
class Filling:
    """Puts the tables into a database in WHMCS's own shape."""

    server: DatabaseServer
    name: str
    tables: Mapping[str, list[Row]]

    def fill(self) -> None:
        text = "\n".join(line for line in SCHEMA.read_text().splitlines() if not line.startswith("--"))
        self.server.fresh(self.name, *(part for part in text.split(";\n") if part.strip().startswith("create")))
        self._people()
        self._holdings()
        self._money()
        self._tickets()
        self._feedback()
        self._mails()

    def _put(self, table: str, columns: str, records: Iterable[tuple[Any, ...]]) -> None:
        self.server.fill(self.name, table, columns.split(), list(records))

    def _people(self) -> None:
        status = {"active": "Active", "closed": "Closed"}
        self._put(
            "tblclients",
            "id firstname lastname companyname email status language datecreated",
            (
                (row["customer"], "", "", _html(row["name"]), row["email"], status[row["status"]], row["language"], row["since"])
                for row in self.tables["customers"]
            ),
        )

    def _holdings(self) -> None:
        tables = self.tables
        hosts = sorted({row["host"] for row in tables["services"]})
        products = sorted({row["product"] for name in ("services", "orders") for row in tables[name]})
        self._put("tblservers", "id name", enumerate(hosts, start=1))
        self._put("tblproducts", "id name", enumerate(products, start=1))
        self._put(
            "tbldomains",
            "userid orderid type registrationdate domain recurringamount registrar expirydate status",
            (
                (row["customer"], 0, "Register", "2020-01-01", row["domain"].upper(), 149, row["registrar"],
                 row["expires_at"] or None, _DOMAINS[row["status"]])
                for row in tables["domains"]
            ),
        )  # fmt: skip
        accounts = {(row["order"] or row["domain"]): row for row in tables["accounts"]}
        columns = (
            "id userid orderid packageid server regdate domain amount billingcycle nextduedate domainstatus username"
            " diskusage disklimit"
        )
        origins = {row["service"]: row for row in tables["origins"]}
        self._put("tblhosting", columns, (self._hosting(row, origins, accounts, hosts, products) for row in tables["services"]))
        there = {row["order"] for row in tables["origins"]}
        waiting = [row for row in tables["orders"] if row["number"] not in there]
        customers = {row["email"]: row["customer"] for row in tables["customers"]}
        self._put(
            "tblhosting",
            columns.removeprefix("id "),
            (
                (customers[row["email"]], row["number"], products.index(row["product"]) + 1, 0, row["placed_at"][:10],
                 row["domain"], row["amount"], "Annually", None, "Pending", "", 0, 0)
                for row in waiting
            ),
        )  # fmt: skip

    def _hosting(
        self, row: Row, origins: Mapping[str, Row], accounts: Mapping[str, Row], hosts: list[str], products: list[str]
    ) -> tuple[Any, ...]:
        origin = origins[row["service"]]
        account = accounts.get(origin["order"] or row["domain"], {})
        return (
            *(row["service"], row["customer"], origin["order"] or 0, products.index(row["product"]) + 1),
            *(hosts.index(row["host"]) + 1, row["since"], row["domain"], row["amount"], _CYCLES[row["cycle"]]),
            *(row["renews_at"] or None, row["status"].capitalize()),
            *(account.get("username", origin["username"]), account.get("disk_mb", 0), account.get("disk_limit_mb", 0)),
        )

    def _money(self) -> None:
        tables = self.tables
        bills = {row["order"]: row["invoice"] for row in tables["bills"]}
        customers = {row["email"]: row["customer"] for row in tables["customers"]}
        self._put(
            "tblinvoices",
            "id userid invoicenum date duedate datepaid total status paymentmethod",
            (
                (row["invoice"], row["customer"], "", row["issued_at"], row["due_at"],
                 _wall_text(row["paid_at"]) or "0000-00-00 00:00:00", row["amount"], row["status"].capitalize(), row["method"])
                for row in tables["invoices"]
            ),
        )  # fmt: skip
        self._put(
            "tblaccounts",
            "id userid gateway date amountin transid invoiceid",
            (
                (row["payment"], row["customer"] or 0, row["method"], _wall_text(row["received_at"]), row["amount"],
                 row["reference"], row["invoice"] or 0)
                for row in tables["payments"]
            ),
        )  # fmt: skip
        self._put(
            "tblorders",
            "id ordernum userid admin_requestor_id date amount paymentmethod invoiceid status",
            (
                (row["number"], 7_000_000_000 + int(row["number"]), customers[row["email"]], int(row["channel"] == "by hand"),
                 _wall_text(row["placed_at"]), row["amount"], row["method"], bills[row["number"]],
                 "Active" if row["activated_at"] else "Cancelled" if row["cancelled_at"] else "Pending")
                for row in tables["orders"]
            ),
        )  # fmt: skip
        self._put(
            "tblcredit",
            "id clientid date description amount",
            (
                (row["credit"], row["customer"], _wall(row["given_at"]).date(), row["reason"].capitalize(), row["amount"])
                for row in tables["credits"]
            ),
        )

    def _tickets(self) -> None:
        departments = sorted({row["category"] for row in self.tables["tickets"]})
        self._put("tblticketdepartments", "id name", enumerate(departments, start=1))
        tickets, replies = [], []
        for number, row in enumerate(self.tables["tickets"], start=1):
            written = [row[name] for name in ("opened_at", "last_customer_at", "last_staff_at") if row[name]]
            tickets.append(
                (number, row["ticket"], departments.index(row["category"]) + 1, row["customer"], "", "",
                 _wall_text(row["opened_at"]), _html(row["subject"]), row["status"].capitalize(),
                 _URGENCIES[row["priority"]], "", _wall_text(max(written)), 0)
            )  # fmt: skip
            answers = {row[name]: row["staff"] for name in ("first_answer_at", "last_staff_at") if row[name]}
            asked = {row["last_customer_at"]: ""} if row["last_customer_at"] != row["opened_at"] else {}
            replies += [(number, row["customer"], _wall_text(at), who) for at, who in sorted((answers | asked).items())]
        self._put("tbltickets", "id tid did userid name email date title status urgency admin lastreply merged_ticket_id", tickets)
        self._put("tblticketreplies", "tid userid date admin", replies)

    def _feedback(self) -> None:
        """Put feedback on tickets of its own; they were merged into others, and so count as no tickets."""
        tickets, replies, said = [], [], []
        for number, row in enumerate(self.tables["feedback"], start=1_000_000):
            at = _wall_text(row["given_at"])
            tickets.append((number, f"X{number}", 1, row["customer"], "", "", at, "", "Closed", "Low", "", at, 1))
            said.append((row["feedback"], number, 1, row["score"], _html(row["comment"]), at, ""))
            if row["handled_at"]:
                replies.append((number, 0, _wall_text(row["handled_at"]), "desk"))
        self._put("tbltickets", "id tid did userid name email date title status urgency admin lastreply merged_ticket_id", tickets)
        self._put("tblticketfeedback", "id ticketid adminid rating comments datetime ip", said)
        self._put("tblticketreplies", "tid userid date admin", replies)

    def _mails(self) -> None:
        users = {row["domain"]: row["username"] for row in self.tables["accounts"]}
        self._put(
            "tblemails",
            "id userid subject message date `to`".replace("`", ""),
            (
                (row["mail"], row["customer"], *letter(row["subject"], users), _wall_text(row["sent_at"]), row["to"])
                for row in self.tables["mail_log"]
            ),
        )


def letter(subject: str, users: Mapping[str, str]) -> tuple[str, str]:
    """Return subject and text of a mail as WHMCS's own templates have them: what it is about stands in the text only."""
    words = subject.split()
    if subject.startswith("Welcome: "):
        return "New Account Information", f"<p>Domain: {words[1]}<br />Username: {users.get(words[1], 'gone')}<br /></p>"
    if subject.startswith("Your domain "):
        return "Upcoming Domain Renewal Notice", f"<ul><li>{words[2]} - {words[5]}</li></ul>"
    return _html(subject), "<p>Log in to read it.</p>"


def _plain(value: str) -> str:
    return "".join(sign for sign in value if ord(sign) < 0x10000).strip()


def _html(text: str) -> str:
    return html.escape(text).replace("&#x27;", "&#039;")


def _wall(moment: str) -> datetime:
    return datetime.fromisoformat(moment).astimezone(ZONE)


def _wall_text(moment: str) -> str:
    return f"{_wall(moment):%Y-%m-%d %H:%M:%S}" if moment else ""


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
