import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column, Source

from ...patience import raised, within

Read = Callable[..., tuple[Row, ...]]
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as i from n"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "billing #1?.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table orders (id integer, total real, paid text)")
        connection.executemany("insert into orders values (?, ?, ?)", [(1, 9.5, None), (2, 20.0, "yes")])
        connection.execute('create table "odd "" name" (a)')
        connection.execute('insert into "odd "" name" values (1)')
        connection.execute("create view unpaid as select id from orders where paid is null")
    return path


def billing(database: Path, **where: Any) -> Source:
    return Source(name="billing", kind="sqlite", where={"path": database.name, **where})


def test_sql_gets_its_values_bound(database: Path, read: Read) -> None:
    rows = read(billing(database), sql="select id, total from orders where id = :id", params={"id": 2})

    assert rows == ({"id": 2, "total": 20.0},)


def test_sql_need_not_give_every_declared_column(database: Path, read: Read) -> None:
    declared = (Column(name="id", type="text"), Column(name="paid", type="text", optional=True))
    source = replace(billing(database, table="orders"), columns=declared)

    assert read(source, sql="select count(*) as n from orders") == ({"n": 2},)
    assert read(source, sql="select id, total from orders where id = 1") == ({"id": "1", "total": 9.5},)


@pytest.mark.parametrize(
    "where", [{"table": "unpaid"}, {"query": "select id from orders"}], ids=["table", "its own sql"]
)
def test_what_the_source_itself_reads_has_every_declared_column(
    database: Path, read: Read, where: dict[str, str]
) -> None:
    source = replace(billing(database, **where), columns=(Column(name="paid", type="text", optional=True),))

    with pytest.raises(StepFailed, match="no column 'paid'; there are: id"):
        read(source)


def test_a_value_that_looks_like_sql_is_a_value(database: Path, read: Read) -> None:
    assert read(billing(database), sql="select id from orders where paid = :p", params={"p": "' or 1=1 --"}) == ()


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"table": "unpaid"}, ({"id": 1},)),  # a view is as good as a table
        ({"table": 'odd " name'}, ({"a": 1},)),
        ({"query": "select count(*) as n from orders"}, ({"n": 2},)),  # the source's own statement
    ],
)
def test_without_sql_of_the_query_the_source_says_what_to_read(
    database: Path, read: Read, where: dict[str, str], rows: tuple[Row, ...]
) -> None:
    assert read(billing(database, **where)) == rows


@pytest.mark.parametrize(
    ("where", "options", "message"),
    [
        ({}, {}, 'give the source a table, or the query sql; tables: odd " name, orders, unpaid'),
        ({"table": "order"}, {}, "has no table 'order'; tables: odd \" name, orders, unpaid"),
        ({"table": "sqlite_master"}, {}, "has no table 'sqlite_master'"),
        ({}, {"sql": "select x from orders"}, "no such column: x"),
        ({}, {"sql": "selec"}, 'near "selec": syntax error'),
        ({}, {"sql": "select 1; select 2"}, "You can only execute one statement at a time"),
        ({}, {"sql": "select :id as id"}, "did not supply a value for binding parameter"),
        ({}, {"sql": "select :id as id", "params": {"id": [1]}}, "params: id: a value is a text, a number"),
        ({}, {"sql": "select 1 as a, 2 as a"}, "the SQL gives the column 'a' twice; name one with AS"),
        ({}, {"sql": "delete from orders"}, "a source is only read, and this SQL does more"),
        ({}, {"sql": "drop table orders"}, "a source is only read, and this SQL does more"),
        ({}, {"sql": "pragma query_only = off"}, "a source is only read, and this SQL does more"),
    ],
)
def test_a_mistake_is_one_line(
    database: Path, read: Read, where: dict[str, str], options: dict[str, Any], message: str
) -> None:
    before = database.read_bytes()
    with pytest.raises(StepFailed) as failed:
        read(billing(database, **where), **options)

    assert message in failed.value.message
    assert "\n" not in failed.value.message
    assert failed.value.permanent
    assert database.read_bytes() == before


@pytest.mark.parametrize("sql", ["attach '{}/new.db' as new", "vacuum into '{}/copy.db'", "vacuum"])
def test_no_other_file_can_be_written_either(sql: str, database: Path, read: Read, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="a source is only read, and this SQL does more"):
        read(billing(database), sql=sql.format(tmp_path))

    assert [path.name for path in tmp_path.iterdir()] == [database.name]


def test_a_query_without_end_is_ended(database: Path, read: Read) -> None:
    failed = within(3, lambda: raised(StepFailed, lambda: read(billing(database), sql=ENDLESS, timeout_seconds=0.3)))

    assert "the query took more than 0.3 s" in failed.message
    assert failed.status == "timed_out"


def test_a_value_of_a_gigabyte_is_refused(database: Path, read: Read) -> None:
    with pytest.raises(StepFailed, match="too big"):
        read(billing(database), sql="select hex(zeroblob(400000000)) as a")


def test_bytes_are_not_a_value(database: Path, read: Read) -> None:
    with pytest.raises(StepFailed, match="row 1: column 'b': holds bytes, not text"):
        read(billing(database), sql="select x'00ff' as b")


def test_a_missing_database_is_not_made(tmp_path: Path, read: Read) -> None:
    source = Source(name="billing", kind="sqlite", where={"path": "none.db", "table": "t"})

    with pytest.raises(StepFailed, match=r"^none.db: there is no such file$"):
        read(source)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_named(tmp_path: Path, read: Read) -> None:
    (tmp_path / "notes.db").write_text("buy milk" * 200)
    source = Source(name="billing", kind="sqlite", where={"path": "notes.db", "table": "t"})

    with pytest.raises(StepFailed, match=r"^notes.db: file is not a database$"):
        read(source)
