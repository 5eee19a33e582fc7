"""The ready queries on a real MariaDB in the shape of WHMCS: each gives what the sample's source of that name has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from opsrunner.model.outcome import Row
from opsrunner.model.site import Source
from opsrunner.sources.ready_queries import ready_names, ready_query

if TYPE_CHECKING:
    from ...databases import DatabaseServer

Read = Callable[..., tuple[Row, ...]]
SCHEMA = Path(__file__).parents[2] / "data/whmcs/schema.sql"
NAME = "O'Brien & Sønner AS"
pytestmark = pytest.mark.needs("mariadbd", "openssl")


@pytest.fixture(scope="module")
def whmcs(mariadb_server: DatabaseServer) -> DatabaseServer:
    text = "\n".join(line for line in SCHEMA.read_text().splitlines() if not line.startswith("--"))
    mariadb_server.fresh("whmcs", *(part for part in text.split(";\n") if part.strip()))
    return mariadb_server


@pytest.fixture
def rows(whmcs: DatabaseServer, read: Read) -> Callable[..., list[dict[str, Any]]]:
    """Read a ready query: `rows("domains", where={…})`."""

    def do(name: str, **options: Any) -> list[dict[str, Any]]:
        query = ready_query(f"whmcs/{name}")
        where = {"database": whmcs.database("whmcs"), "ready": query.name}
        source = Source(name=name, kind="sql", where=where, columns=query.columns, timezone="Europe/Oslo")
        return [dict(row) for row in read(source, **options)]

    return do


Rows = Callable[..., list[dict[str, Any]]]


@pytest.mark.parametrize("name", ready_names())
def test_each_gives_its_columns_and_no_others(rows: Rows, name: str) -> None:
    found = rows(name.removeprefix("whmcs/"))

    assert found
    assert list(found[0]) == [column.name for column in ready_query(name).columns]


def test_domains_have_the_registrys_date_or_none(rows: Rows) -> None:
    found = {row["domain"]: row for row in rows("domains")}

    assert found["obrien.example"] == {
        "domain": "obrien.example",
        "customer": "1",
        "name": NAME,
        "email": "post@obrien.example",
        "registrar": "norid",
        "expires_at": date(2026, 12, 1),
        "status": "active",
    }
    assert {name: row["status"] for name, row in found.items()} == {
        "obrien.example": "active",
        "gone.example": "transferred",
        "late.example": "expired",
        "unknown.example": "active",
        "never-said.example": "active",
        "orphan.example": "active",
    }
    assert found["unknown.example"]["expires_at"] is None
    assert found["never-said.example"]["expires_at"] is None
    assert (found["orphan.example"]["name"], found["orphan.example"]["email"]) == (None, None)  # its customer is gone


def test_where_finds_names_as_people_write_them(rows: Rows) -> None:
    assert [row["domain"] for row in rows("domains", where={"name": NAME}, order_by="domain")] == [
        "gone.example",
        "obrien.example",
    ]
    assert [row["domain"] for row in rows("domains", where={"expires_at": None, "status": "active"})] == [
        "unknown.example",
        "never-said.example",
    ]
    assert [row["domain"] for row in rows("domains", where={"expires_at": {"before": "2026-10-15"}})] == [
        "gone.example"
    ]


def test_services_know_their_host_and_price(rows: Rows) -> None:
    found = {row["service"]: row for row in rows("services")}

    assert found["1"] == {
        "service": "1",
        "customer": "1",
        "name": NAME,
        "email": "post@obrien.example",
        "product": "Webhotell «Stor» & rask",
        "domain": "obrien.example",
        "host": "web1",
        "status": "active",
        "since": date(2019, 3, 1),
        "renews_at": date(2027, 3, 1),
        "amount": 1490,
        "cycle": "yearly",
    }
    assert found["2"]["status"] == "suspended"
    assert (found["2"]["since"], found["2"]["renews_at"], found["2"]["domain"], found["2"]["host"]) == (None,) * 4
    assert found["2"]["amount"] == 8900.5
    assert found["3"]["product"] is None
    assert found["4"]["status"] == "cancelled"
    assert "5" not in found


def test_customers_have_a_name_where_there_is_one(rows: Rows) -> None:
    found = {row["customer"]: row for row in rows("customers")}

    assert {key: row["name"] for key, row in found.items()} == {"1": NAME, "2": "Jürgen Müller", "3": None}
    assert found["1"]["since"] == date(2019, 3, 1)
    assert found["3"]["since"] is None
    assert [row["status"] for row in found.values()] == ["active", "inactive", "closed"]
    assert found["2"]["language"] is None


def test_invoices_and_payments_belong_together(rows: Rows) -> None:
    invoices = {row["invoice"]: row for row in rows("invoices")}
    payments = {row["payment"]: row for row in rows("payments")}

    assert {key: row["status"] for key, row in invoices.items()} == {"1": "paid", "2": "unpaid", "3": "unpaid"}
    assert invoices["1"]["paid_at"] == datetime(2026, 11, 10, 8, 30, tzinfo=UTC)
    assert invoices["2"]["paid_at"] is None
    assert payments["1"] == {
        "payment": "1",
        "invoice": "1",
        "customer": "1",  # it was booked without one
        "amount": 1490,
        "method": "banktransfer",
        "received_at": datetime(2026, 11, 10, 8, 30, tzinfo=UTC),
        "reference": "KID-1",
    }
    assert payments["2"]["amount"] == -590
    assert payments["2"]["invoice"] is None
    assert "3" not in payments
    assert [row["invoice"] for row in rows("invoices", where={"paid_at": None}, order_by="invoice")] == ["2", "3"]


def test_orders_are_as_in_the_sample(rows: Rows) -> None:
    found = {row["number"]: row for row in rows("orders")}

    assert found["11"] == {
        "number": "11",
        "customer": NAME,
        "email": "post@obrien.example",
        "domain": "obrien.example",
        "product": "Webhotell «Stor» & rask",
        "amount": 1490,
        "method": "banktransfer",
        "channel": "self-serve",
        "placed_at": datetime(2026, 11, 9, 7, tzinfo=UTC),
        "paid_at": datetime(2026, 11, 10, 8, 30, tzinfo=UTC),
        "activated_at": datetime(2026, 11, 10, 8, 30, tzinfo=UTC),
        "cancelled_at": None,
    }
    assert (found["12"]["channel"], found["12"]["paid_at"], found["12"]["activated_at"]) == ("by hand", None, None)
    assert found["13"]["cancelled_at"] is not None
    assert found["13"]["customer"] is None


def test_tickets_know_who_wrote_last(rows: Rows) -> None:
    found = {row["ticket"]: row for row in rows("tickets")}

    assert found["ABC-123"] == {
        "ticket": "ABC-123",
        "customer": "1",
        "name": NAME,
        "email": "post@obrien.example",
        "subject": 'E-post "virker" ikke',
        "category": "Support & hjelp",
        "priority": "high",
        "status": "open",
        "opened_at": datetime(2026, 11, 20, 8, tzinfo=UTC),
        "first_answer_at": datetime(2026, 11, 20, 8, 30, tzinfo=UTC),
        "last_customer_at": datetime(2026, 11, 20, 10, tzinfo=UTC),
        "last_staff_at": datetime(2026, 11, 20, 9, 30, tzinfo=UTC),
        "closed_at": None,
        "staff": "Amina Haddad",
        "desk": "own",
    }
    guest = found["DEF-456"]
    assert (guest["customer"], guest["name"], guest["status"]) == (None, "A guest", "closed")
    assert guest["closed_at"] == datetime(2026, 11, 20, 9, 20, tzinfo=UTC)
    ours = found["JKL-012"]
    assert (ours["last_customer_at"], ours["first_answer_at"], ours["staff"]) == (None, None, "Jonas Lie")
    assert ours["last_staff_at"] == ours["opened_at"]
    assert "GHI-789" not in found  # it was merged into another


def test_a_row_of_the_mail_log_proves_that_a_mail_left(rows: Rows) -> None:
    found = {row["mail"]: row for row in rows("mail_log")}

    assert set(found) == {"1", "2", "5", "7", "8", "9"}
    assert found["1"]["subject"] == "Domain renewal: obrien.example & more"
    assert found["2"]["to"] == "jm@example.org"
    assert found["5"]["to"] is None
    assert found["1"]["sent_at"] == datetime(2026, 11, 1, 5, tzinfo=UTC)


def test_a_subject_says_what_only_the_text_of_the_mail_names(rows: Rows) -> None:
    found = {row["mail"]: row["subject"] for row in rows("mail_log")}

    assert found["2"] == "Invoice 2"
    assert found["7"] == "Invoice Payment Confirmation [obrien.example]", "an address is no user name"
    assert found["8"] == "New Account Information [Welcome obrien.example] [obrien.example]"
    assert found["9"] == "Upcoming Domain Renewal Notice [late.example]", "my-unknown.example is another's"


def test_accounts_know_when_the_welcome_letter_went(rows: Rows) -> None:
    found = {row["username"]: row for row in rows("accounts")}

    assert set(found) == {"obrien", "service 2", "a(b"}, "neither what is over nor what waits"
    welcome = datetime(2026, 11, 10, 9, tzinfo=UTC)
    assert found["obrien"] == {
        "username": "obrien",
        "order": "11",
        "customer": NAME,
        "domain": "obrien.example",
        "ordered_plan": "Webhotell «Stor» & rask",
        "plan": "Webhotell «Stor» & rask",
        "host": "web1",
        "created_at": welcome,
        "created_by": "order form",
        "welcome_sent_at": welcome,
        "disk_mb": 4200,
        "disk_limit_mb": 10_000,
    }
    unknown = found["service 2"]
    assert (unknown["order"], unknown["created_at"], unknown["created_by"]) == (None, None, "unknown")
    assert found["a(b"]["created_at"] == datetime(2019, 12, 31, 23, tzinfo=UTC)


def test_credits_are_what_was_given(rows: Rows) -> None:
    found = rows("credits")

    assert found[0] == {
        "credit": "1",
        "customer": "1",
        "amount": 250,
        "given_at": datetime(2026, 11, 2, 23, tzinfo=UTC),
        "reason": "reward",
    }
    assert [(row["credit"], row["reason"]) for row in found[1:]] == [("3", "storm & outage")]


def test_feedback_is_one_row_a_ticket_until_somebody_has_answered(rows: Rows) -> None:
    found = {row["feedback"]: row for row in rows("feedback")}

    assert found["1"] == {
        "feedback": "1",
        "customer": None,
        "name": "A guest",
        "email": "guest@example.net",
        "score": 3,
        "comment": "Quick / Asked twice & waited",
        "given_at": datetime(2026, 11, 20, 11, tzinfo=UTC),
        "handled_at": datetime(2026, 11, 20, 13, tzinfo=UTC),
    }
    assert (found["4"]["score"], found["4"]["handled_at"]) == (None, datetime(2026, 11, 20, 14, tzinfo=UTC))
    assert (found["5"]["comment"], found["5"]["handled_at"]) == ("no words", None)
    assert (found["6"]["name"], found["6"]["score"]) == (None, 5)


def test_it_reads_with_an_account_that_may_only_select(whmcs: DatabaseServer, read: Read) -> None:
    whmcs.say(
        "create or replace user narrow@'127.0.0.1' identified by 'canary-narrow'",
        "grant select on whmcs.* to narrow@'127.0.0.1'",
    )
    query = ready_query("whmcs/domains")
    database = whmcs.database("whmcs", user="narrow", password="canary-narrow")
    source = Source(
        name="domains", kind="sql", where={"database": database, "ready": query.name}, columns=query.columns
    )

    assert len(read(source)) == 6
