"""The source `tables`: typed rows of other sources, asked together, and only read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.site import Column, Source
from opsrunner.secrets import Vault
from opsrunner.sources.reading import read_source

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
CUSTOMERS = "customer,name,since,is_vip,note\nC1,Åse & Co,2024-02-29,yes,x\nC2,\"O'Brien'; DROP\",2025-01-01,no,y\n"
ORDERS = "number,customer,amount,paid_at\n1,C1,590,2026-11-20T08:00:00+01:00\n2,C1,10.5,\n3,C9,1490,2026-11-21\n"
Ask = Callable[..., tuple[Any, ...]]


def table(name: str, /, **columns: str) -> Source:
    made = tuple(
        Column(name=column, type=type_.removesuffix("?"), optional=type_.endswith("?"))  # type: ignore[arg-type]
        for column, type_ in columns.items()
    )
    return Source(name=name, kind="csv", where={"path": f"{name}.csv"}, columns=made, timezone="Europe/Oslo")


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask two tables, or others that are given."""
    (tmp_path / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    (tmp_path / "orders.csv").write_text(ORDERS)
    two = (
        table("customers", customer="text", name="text", since="date", is_vip="flag"),
        table("orders", number="text", customer="text", amount="number", paid_at="moment?"),
    )

    def answer(
        sql: str | None, *, columns: dict[str, str] | None = None, own: str | None = None, **options: Any
    ) -> Any:
        where = {"sources": {one.name: one for one in options.pop("tables", two)}} | ({"query": own} if own else {})
        declared = table("company", **(columns or {})).columns
        source = Source(name="company", kind="tables", where=where, columns=declared, timezone="Europe/Oslo")
        return read_source(source, {"sql": sql, **options}, vault=Vault(tmp_path), site_root=tmp_path, now=NOW)

    return answer


def test_rows_of_two_sources_are_joined_and_typed(ask: Ask) -> None:
    rows = ask(
        "select o.number, c.name, o.amount, o.paid_at, c.since, c.is_vip from orders o"
        " left join customers c on c.customer = o.customer order by o.number",
        columns={"paid_at": "moment?", "since": "date?"},
    )

    assert rows == (
        {
            "number": "1",
            "name": "Åse & Co",
            "amount": 590,
            "paid_at": datetime(2026, 11, 20, 7, tzinfo=UTC),
            "since": date(2024, 2, 29),
            "is_vip": 1,
        },
        {
            "number": "2",
            "name": "Åse & Co",
            "amount": 10.5,
            "paid_at": None,
            "since": date(2024, 2, 29),
            "is_vip": 1,
        },
        {
            "number": "3",
            "name": None,
            "amount": 1490,
            "paid_at": datetime(2026, 11, 20, 23, tzinfo=UTC),  # its source is in Oslo
            "since": None,
            "is_vip": None,
        },
    )


def test_moments_compare_with_what_the_sql_makes_of_a_parameter(ask: Ask) -> None:
    sql = "select number from orders where paid_at >= datetime(:now, '-26 hours')"

    assert [row["number"] for row in ask(sql, params={"now": str(NOW)})] == ["3"]
    assert [row["number"] for row in ask(sql, params={"now": "2026-11-21 10:00:00+01:00"})] == ["1", "3"]


def test_a_value_is_bound_and_never_sql(ask: Ask) -> None:
    """C30."""
    sql = "select customer from customers where name = :name"

    assert ask(sql, params={"name": "O'Brien'; DROP"}) == ({"customer": "C2"},)
    assert ask(sql, params={"name": "' or 1 = 1 --"}) == ()


def test_only_tables_that_are_asked_for_are_read(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").unlink()

    assert len(ask("select * from customers")) == 2
    with pytest.raises(StepFailed, match=r"^orders\.csv: there is no such file$"):
        ask("select count(*) as n from orders")


def test_a_query_of_the_sources_own_needs_none_in_the_step(ask: Ask) -> None:
    rows = ask(None, own="select number, paid_at from orders where paid_at is not null", columns={"paid_at": "moment"})

    assert [row["paid_at"].hour for row in rows] == [7, 23]


def test_columns_that_a_source_does_not_declare_are_not_there(ask: Ask) -> None:
    with pytest.raises(StepFailed, match="no such column: note"):
        ask("select note from customers")


WRONG = [
    # what is asked, what is said
    (None, r"company: needs sql; tables: customers, orders"),
    ("select * from invoices", r"company: no such table: invoices; tables: customers, orders"),
    ("select * frm orders", r'company: near "frm": syntax error'),
    ("select customer, customer from orders", r"company: the SQL gives the column 'customer' twice; name one with AS"),
    ("delete from orders", r"company: a source is only read, and this SQL does more"),
    ("create table x (a)", r"company: a source is only read, and this SQL does more"),
    ("attach database '/tmp/x.db' as x", r"company: a source is only read, and this SQL does more"),
    ("pragma table_info(orders)", r"company: a source is only read, and this SQL does more"),
    ("select 1; select 2", r"company: .*one statement"),
    ("select x'00ff' as data from orders", r"company row 1: column 'data': holds bytes, not text; leave it out by SQL"),
    ("select number from orders where amount > :least", r"company: .*:?least"),
    ("-- nothing", r"company: the SQL gives no rows; a query starts with SELECT"),
]


@pytest.mark.parametrize(("sql", "said"), WRONG, ids=[str(sql)[:24] for sql, _ in WRONG])
def test_what_is_wrong_is_said_in_one_line(ask: Ask, sql: str | None, said: str) -> None:
    with pytest.raises(StepFailed, match=said) as failed:
        ask(sql)

    assert "\n" not in str(failed.value)
    assert failed.value.permanent or "bytes" in said


def test_what_takes_too_long_is_ended(ask: Ask) -> None:
    sql = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) as n from n"

    with pytest.raises(StepFailed, match=r"the query took more than 0\.2 s") as failed:
        ask(sql, timeout_seconds=0.2)

    assert failed.value.status == "timed_out"


def test_a_bad_value_in_one_of_the_tables_is_told_by_its_place(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("number,customer,amount,paid_at\n1,C1,many,\n")

    with pytest.raises(StepFailed, match=r"^orders\.csv:2: column 'amount': 'many' is not a number$"):
        ask("select count(*) as n from orders")


def test_numbers_that_no_database_holds_become_ones_that_it_does(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(f"number,customer,amount,paid_at\n1,C1,{2**80},\n")

    assert ask("select amount from orders") == ({"amount": float(2**80)},)


def test_thousands_of_rows_are_joined_in_a_second(ask: Ask, tmp_path: Path) -> None:
    customers = "".join(f"C{n},N{n},2024-01-01,no,x\n" for n in range(5_000))
    orders = "".join(f"{n},C{n % 5_000},1,\n" for n in range(20_000))
    (tmp_path / "customers.csv").write_text("customer,name,since,is_vip,note\n" + customers)
    (tmp_path / "orders.csv").write_text("number,customer,amount,paid_at\n" + orders)

    rows = ask(
        "select c.customer, (select count(*) from orders o where o.customer = c.customer) as orders from customers c",
        timeout_seconds=5,
    )

    assert {row["orders"] for row in rows} == {4}


def test_an_index_on_a_word_that_all_rows_have_is_not_taken_for_a_good_one(ask: Ask, tmp_path: Path) -> None:
    customers = "".join(f"C{n},active\n" for n in range(10_000))
    orders = "".join(f"{n},C{n % 10_000},active\n" for n in range(20_000))
    (tmp_path / "customers.csv").write_text("customer,status\n" + customers)
    (tmp_path / "orders.csv").write_text("number,customer,status\n" + orders)
    tables = (
        table("orders", number="text", customer="text", status="text"),
        table("customers", customer="text", status="text"),
    )
    sql = (
        "select count(*) as n from customers c where c.status = 'active'"
        " and exists (select 1 from orders o where o.customer = c.customer and o.status = 'active' and o.number <> '')"
    )

    assert ask(sql, tables=tables, timeout_seconds=5) == ({"n": 10_000},)
