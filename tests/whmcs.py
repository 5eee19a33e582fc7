"""The sample company in a database of WHMCS's own shape, from the tables that `whmcs_company` gives."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .whmcs_company import Row, on_wall, wall_text

if TYPE_CHECKING:
    from .databases import DatabaseServer

SCHEMA = Path(__file__).parent / "data/whmcs/schema.sql"
NEVER = "0000-00-00 00:00:00"
_CYCLES = {"monthly": "Monthly", "yearly": "Annually"}
_DOMAINS = {"active": "Active", "expired": "Expired", "transferred": "Transferred Away", "cancelled": "Cancelled"}
_URGENCIES = {"high": "High", "normal": "Medium", "low": "Low"}
Record = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Filling:
    """Puts the tables into a fresh database."""

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

    def _put(self, table: str, records: Iterable[Record]) -> None:
        known = list(records)
        self.server.fill(self.name, table, list(known[0]), [tuple(record.values()) for record in known])

    def _numbered(self, table: str, names: Iterable[str]) -> dict[str, int]:
        numbers = {name: number for number, name in enumerate(sorted(set(names)), start=1)}
        self._put(table, ({"id": number, "name": name} for name, number in numbers.items()))
        return numbers

    def _people(self) -> None:
        self._put(
            "tblclients",
            (
                {
                    "id": row["customer"],
                    "firstname": "",
                    "lastname": "",
                    "companyname": as_html(row["name"]),
                    "email": row["email"],
                    "status": row["status"].capitalize(),
                    "language": row["language"],
                    "datecreated": row["since"],
                }
                for row in self.tables["customers"]
            ),
        )

    def _holdings(self) -> None:
        rows = self.tables
        self._put(
            "tbldomains",
            (
                {
                    "userid": row["customer"],
                    "type": "Register",
                    "domain": row["domain"].upper(),
                    "registrar": row["registrar"],
                    "expirydate": row["expires_at"] or None,
                    "status": _DOMAINS[row["status"]],
                }
                for row in rows["domains"]
            ),
        )
        hosts = self._numbered("tblservers", (row["host"] for row in rows["services"]))
        sold = self._numbered("tblproducts", (row["product"] for name in ("services", "orders") for row in rows[name]))
        accounts = {row["order"] or row["domain"]: row for row in rows["accounts"]}
        origins = {row["service"]: row for row in rows["origins"]}
        self._put(
            "tblhosting", (_hosting(row, origins[row["service"]], accounts, hosts, sold) for row in rows["services"])
        )
        there = {row["order"] for row in rows["origins"]}
        customers = {row["email"]: row["customer"] for row in rows["customers"]}
        self._put(
            "tblhosting",
            (
                {
                    "userid": customers[row["email"]],
                    "orderid": row["number"],
                    "packageid": sold[row["product"]],
                    "domain": row["domain"],
                    "amount": row["amount"],
                    "billingcycle": "Annually",
                }
                for row in rows["orders"]
                if row["number"] not in there
            ),
        )

    def _money(self) -> None:
        rows = self.tables
        self._put(
            "tblinvoices",
            (
                {
                    "id": row["invoice"],
                    "userid": row["customer"],
                    "date": row["issued_at"],
                    "duedate": row["due_at"],
                    "datepaid": wall_text(row["paid_at"]) or NEVER,
                    "total": row["amount"],
                    "status": row["status"].capitalize(),
                    "paymentmethod": row["method"],
                }
                for row in rows["invoices"]
            ),
        )
        self._put(
            "tblaccounts",
            (
                {
                    "id": row["payment"],
                    "userid": row["customer"] or 0,
                    "gateway": row["method"],
                    "date": wall_text(row["received_at"]),
                    "amountin": row["amount"],
                    "transid": row["reference"],
                    "invoiceid": row["invoice"] or 0,
                }
                for row in rows["payments"]
            ),
        )
        self._put(
            "tblcredit",
            (
                {
                    "id": row["credit"],
                    "clientid": row["customer"],
                    "date": on_wall(row["given_at"]).date(),
                    "description": row["reason"].capitalize(),
                    "amount": row["amount"],
                }
                for row in rows["credits"]
            ),
        )
        bills = {row["order"]: row["invoice"] for row in rows["bills"]}
        customers = {row["email"]: row["customer"] for row in rows["customers"]}
        self._put("tblorders", (_order(row, bills[row["number"]], customers[row["email"]]) for row in rows["orders"]))

    def _tickets(self) -> None:
        desks = self._numbered("tblticketdepartments", (row["category"] for row in self.tables["tickets"]))
        tickets, replies = [], []
        for number, row in enumerate(self.tables["tickets"], start=1):
            written = [row[name] for name in ("opened_at", "last_customer_at", "last_staff_at") if row[name]]
            tickets.append(
                {
                    "id": number,
                    "tid": row["ticket"],
                    "did": desks[row["category"]],
                    "userid": row["customer"],
                    "date": wall_text(row["opened_at"]),
                    "title": as_html(row["subject"]),
                    "status": row["status"].capitalize(),
                    "urgency": _URGENCIES[row["priority"]],
                    "lastreply": wall_text(max(written)),
                }
            )
            wrote = {row[name]: row["staff"] for name in ("first_answer_at", "last_staff_at") if row[name]}
            wrote |= {row["last_customer_at"]: ""} if row["last_customer_at"] != row["opened_at"] else {}
            replies += [{"tid": number, "date": wall_text(at), "admin": who} for at, who in sorted(wrote.items())]
        self._put("tbltickets", tickets)
        self._put("tblticketreplies", replies)

    def _feedback(self) -> None:
        """Put feedback on tickets of its own; they were merged into others, and so count as no tickets."""
        tickets, replies, said = [], [], []
        for number, row in enumerate(self.tables["feedback"], start=1_000_000):
            at = wall_text(row["given_at"])
            merged = {"status": "Closed", "urgency": "Low", "lastreply": at, "merged_ticket_id": 1}
            tickets.append(
                {"id": number, "tid": f"X{number}", "did": 1, "userid": row["customer"], "date": at, **merged}
            )
            words = {"rating": row["score"], "comments": as_html(row["comment"]), "datetime": at}
            said.append({"id": row["feedback"], "ticketid": number, "adminid": 1, **words})
            if row["handled_at"]:
                replies.append({"tid": number, "date": wall_text(row["handled_at"]), "admin": "desk"})
        self._put("tbltickets", tickets)
        self._put("tblticketfeedback", said)
        self._put("tblticketreplies", replies)

    def _mails(self) -> None:
        origins = {row["service"]: row["username"] for row in self.tables["origins"]}
        users = {row["domain"]: origins[row["service"]] for row in self.tables["services"]}
        users |= {row["domain"]: row["username"] for row in self.tables["accounts"]}
        self._put(
            "tblemails",
            (
                {
                    "id": row["mail"],
                    "userid": row["customer"],
                    **letter(row["subject"], users),
                    "date": wall_text(row["sent_at"]),
                    "to": row["to"],
                }
                for row in self.tables["mail_log"]
            ),
        )


def _hosting(
    row: Row, origin: Row, accounts: Mapping[str, Row], hosts: Mapping[str, int], sold: Mapping[str, int]
) -> Record:
    account = accounts.get(origin["order"] or row["domain"], {})
    return {
        "id": row["service"],
        "userid": row["customer"],
        "orderid": origin["order"] or 0,
        "packageid": sold[row["product"]],
        "server": hosts[row["host"]],
        "regdate": row["since"],
        "domain": row["domain"],
        "amount": row["amount"],
        "billingcycle": _CYCLES[row["cycle"]],
        "nextduedate": row["renews_at"] or None,
        "domainstatus": row["status"].capitalize(),
        "username": account.get("username", origin["username"]),
        "diskusage": account.get("disk_mb", 0),
        "disklimit": account.get("disk_limit_mb", 0),
    }


def _order(row: Row, invoice: str, customer: str) -> Record:
    status = "Active" if row["activated_at"] else "Cancelled" if row["cancelled_at"] else "Pending"
    return {
        "id": row["number"],
        "ordernum": 7_000_000_000 + int(row["number"]),
        "userid": customer,
        "admin_requestor_id": int(row["channel"] == "by hand"),
        "date": wall_text(row["placed_at"]),
        "amount": row["amount"],
        "paymentmethod": row["method"],
        "invoiceid": invoice,
        "status": status,
    }


def letter(subject: str, users: Mapping[str, str]) -> dict[str, str]:
    """Return a mail as WHMCS's own templates have it: what it is about stands in the text alone."""
    words = subject.split()
    if subject.startswith("Welcome: "):
        text = f"<p>Domain: {words[1]}<br />Username: {users[words[1]]}<br /></p>"
        return {"subject": "New Account Information", "message": text}
    if subject.startswith("Your domain "):
        text = f"<ul><li>{words[2].upper()} - {words[5]}</li></ul>"  # as it is written in tbldomains
        return {"subject": "Upcoming Domain Renewal Notice", "message": text}
    return {"subject": as_html(subject), "message": "<p>Log in to read it.</p>"}


def as_html(text: str) -> str:
    """Return a text as WHMCS keeps it."""
    return html.escape(text).replace("&#x27;", "&#039;")
