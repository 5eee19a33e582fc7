"""What holds for every source, whatever it reads."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column, Source
from opsrunner.sources import reading
from opsrunner.sources.request import MOST_ROWS, MOST_STREAMED_ROWS

from ...databases import DatabaseServer

Read = Callable[..., tuple[Row, ...]]
Stream = Callable[..., Generator[Row]]
MakeSource = Callable[..., Source]

HEADER = ("number", "paid_at", "amount", "note")
RECORDS = [
    ("1001", "2026-11-20 10:00", "99.50", 'a; b, "c"\nd'),
    ("1002", "", "5", "Ærlig ø"),
    ("1003", "2026-11-21T08:00Z", "12", ""),
]
COLUMNS = (
    Column(name="number", type="text"),
    Column(name="paid_at", type="moment", optional=True),
    Column(name="amount", type="number"),
)


HOSTILE = [
    "'; drop table orders; -- {{ 7*7 }} $(touch P)",
    'x" or 1=1 --',
    "x` or 1=1 #",
    "\\' or 1=1 -- ",
    "%s %(number)s :number ? $1 {0}",
    "\u2028 \u202e Ærlig 名前 🦊",
]


class TestEverySource:
    @pytest.fixture(
        params=[
            "csv",
            "sqlite",
            "http_json",
            pytest.param("mariadb", marks=pytest.mark.needs("mariadbd", "openssl")),
            pytest.param("postgres", marks=pytest.mark.needs("postgres", "openssl")),
        ]
    )
    def make_source(self, request: pytest.FixtureRequest, tmp_path: Path) -> MakeSource:
        """Put records where a source of each kind finds them."""
        kind = request.param
        where: dict[str, Any] = {"path": "data/orders.csv"}
        server: DatabaseServer | None = None
        if kind == "sqlite":
            where = {"path": "data/orders.db", "table": "orders"}
        if kind == "http_json":
            where = {"url": request.getfixturevalue("http_answers").url, "items": "data.orders"}
        if kind in ("mariadb", "postgres"):
            server = request.getfixturevalue(f"{kind}_server")
            where = {"database": server.fresh("contract"), "table": "orders"}

        def make(
            records: Sequence[tuple[str, ...]] = RECORDS, header: tuple[str, ...] = HEADER, **given: Any
        ) -> Source:
            (tmp_path / "data").mkdir(exist_ok=True)
            if kind == "csv":
                write_csv(tmp_path / "data/orders.csv", header, records)
            elif kind == "sqlite":
                write_sqlite(tmp_path / "data/orders.db", header, records)
            elif server is not None:
                write_table(server, header, records)
            else:
                items = [dict(zip(header, record, strict=True)) for record in records]
                request.getfixturevalue("http_answers").body = json.dumps({"data": {"orders": items}}).encode()
            options = {"columns": COLUMNS, "timezone": "Europe/Oslo", **given}
            return Source(name="orders", kind="sql" if server else kind, where=where, **options)

        return make

    def test_it_gives_typed_rows_and_keeps_undeclared_columns_as_text(
        self, make_source: MakeSource, read: Read
    ) -> None:
        assert read(make_source()) == (
            {
                "number": "1001",
                "paid_at": datetime(2026, 11, 20, 9, tzinfo=UTC),
                "amount": 99.5,
                "note": 'a; b, "c"\nd',
            },
            {"number": "1002", "paid_at": None, "amount": 5, "note": "Ærlig ø"},
            {"number": "1003", "paid_at": datetime(2026, 11, 21, 8, tzinfo=UTC), "amount": 12, "note": ""},
        )

    def test_it_keeps_what_the_query_wants_in_the_order_it_wants(self, make_source: MakeSource, read: Read) -> None:
        rows = read(make_source(), where={"amount": {"at_least": 6}}, order_by="-amount")

        assert [row["number"] for row in rows] == ["1001", "1003"]

    def test_the_limit_counts_after_the_order(self, make_source: MakeSource, read: Read) -> None:
        rows = read(make_source(), order_by=["amount"], limit=1)

        assert [row["number"] for row in rows] == ["1002"]

    def test_null_finds_what_is_empty(self, make_source: MakeSource, read: Read) -> None:
        assert [row["number"] for row in read(make_source(), where={"paid_at": None})] == ["1002"]

    def test_a_declared_column_that_is_missing_is_named(self, make_source: MakeSource, read: Read) -> None:
        source = make_source(records=[("1", "2")], header=("number", "amount"))

        with pytest.raises(StepFailed, match=r"no column 'paid_at'; there are: number, amount$"):
            read(source)

    def test_a_bad_value_is_named_with_its_place_and_the_others_counted(
        self, make_source: MakeSource, read: Read
    ) -> None:
        bad = [*RECORDS, ("1004", "31.02.2026", "1", ""), ("1005", "", "x", "")]

        with pytest.raises(StepFailed) as failed:
            read(make_source(records=bad))

        place, _, rest = failed.value.message.partition(": column ")
        assert place in ("data/orders.csv:6", "data/orders.db row 4", "orders item 4", "orders row 4")
        assert rest == "'paid_at': '31.02.2026' is not a moment (and 1 more value)"

    def test_an_empty_value_is_an_error_unless_the_column_allows_it(self, make_source: MakeSource, read: Read) -> None:
        with pytest.raises(StepFailed, match=r"column 'amount': is empty; declare it as 'number\?' where that may be"):
            read(make_source(records=[("1", "", "", "")]))

    def test_no_rows_are_fine_unless_the_source_expects_some(self, make_source: MakeSource, read: Read) -> None:
        assert read(make_source(records=[])) == ()

        with pytest.raises(StepFailed, match="has no rows, and this source always has some"):
            read(make_source(records=[], expect_rows=True))

    def test_expecting_rows_is_about_the_source_and_not_the_query(self, make_source: MakeSource, read: Read) -> None:
        assert read(make_source(expect_rows=True), where={"number": "none"}) == ()

    def test_an_unknown_column_in_the_query_is_an_error(self, make_source: MakeSource, read: Read) -> None:
        for options in ({"where": {"payd_at": None}}, {"order_by": "-payd_at"}):
            with pytest.raises(StepFailed, match="has no column 'payd_at', did you mean 'paid_at'") as failed:
                read(make_source(), **options)
            assert failed.value.permanent

    def test_more_rows_than_a_run_can_carry_are_refused(
        self, make_source: MakeSource, read: Read, stream: Stream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert (MOST_ROWS, MOST_STREAMED_ROWS) == (100_000, 1_000_000)
        monkeypatch.setattr(reading, "MOST_ROWS", 1000)
        monkeypatch.setattr(reading, "MOST_STREAMED_ROWS", 2000)
        source = make_source(records=[(str(number), "", "1", "") for number in range(2001)])

        with pytest.raises(StepFailed, match="more than 1,000 rows; narrow the query"):
            read(source)
        with pytest.raises(StepFailed, match="more than 2,000 rows; narrow the query"):
            list(stream(source))
        assert len(read(source, where={"number": "77"})) == 1

    def test_rows_come_one_by_one_too(self, make_source: MakeSource, read: Read, stream: Stream) -> None:
        source = make_source()

        assert tuple(stream(source)) == read(source)
        assert [row["number"] for row in stream(source, where={"amount": {"below": 50}}, limit=1)] == ["1002"]

    def test_rows_that_are_not_taken_are_no_trouble(self, make_source: MakeSource, stream: Stream) -> None:
        rows = stream(make_source(records=[(str(number), "", "1", "") for number in range(5000)]))

        assert next(rows)["number"] == "0"
        rows.close()

    def test_a_bad_value_ends_the_rows_that_come_one_by_one(self, make_source: MakeSource, stream: Stream) -> None:
        rows = stream(make_source(records=[*RECORDS, ("1004", "never", "1", ""), ("1005", "", "2", "")]))

        assert [next(rows)["number"] for _ in RECORDS] == ["1001", "1002", "1003"]
        with pytest.raises(StepFailed, match="'never' is not a moment"):
            next(rows)

    def test_rows_that_come_one_by_one_are_not_sorted(self, make_source: MakeSource, stream: Stream) -> None:
        with pytest.raises(StepFailed, match="leave order_by out"):
            next(stream(make_source(), order_by="amount"))

    def test_a_date_of_noughts_is_empty(self, make_source: MakeSource, read: Read) -> None:
        source = make_source(records=[("1", "0000-00-00 00:00:00", "1", "")])

        assert read(source)[0]["paid_at"] is None
        assert read(source, where={"paid_at": None})[0]["number"] == "1"
        needed = replace(source, columns=(Column(name="paid_at", type="moment"),))
        with pytest.raises(
            StepFailed, match=r"'paid_at': is empty \('0000-00-00 00:00:00'\); declare it as 'moment\?'"
        ):
            read(needed)

    @pytest.mark.parametrize("hostile", HOSTILE)
    def test_hostile_values_and_names_are_only_that(self, make_source: MakeSource, read: Read, hostile: str) -> None:
        """C22 and C30."""
        source = make_source(records=[(hostile, "", "1", hostile), ("2", "", "2", "")])

        assert [row["note"] for row in read(source, where={"number": hostile})] == [hostile]
        assert [row["number"] for row in read(source, where={"number": {"not": hostile}})] == ["2"]
        assert [row["number"] for row in read(source, where={"note": [hostile, "x"]})] == [hostile]
        for options in ({"where": {hostile: "x"}}, {"order_by": hostile}):
            with pytest.raises(StepFailed, match="has no column"):
                read(source, **options)

    def test_values_are_never_run_as_anything(self, make_source: MakeSource, read: Read) -> None:
        hostile = "'; drop table orders; -- {{ 7*7 }} $(touch P)"
        source = make_source(records=[(hostile, "", "1", "")])

        assert [row["number"] for row in read(source, where={"number": hostile})] == [hostile]


def write_csv(path: Path, header: tuple[str, ...], records: Sequence[tuple[str, ...]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *records])
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


def write_sqlite(path: Path, header: tuple[str, ...], records: Sequence[tuple[str, ...]]) -> None:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"create table orders ({', '.join(header)})")
        database.executemany(f"insert into orders values ({', '.join('?' * len(header))})", records)


def write_table(server: DatabaseServer, header: tuple[str, ...], records: Sequence[tuple[str, ...]]) -> None:
    columns = ", ".join(f"{name} text" for name in header)
    server.say("drop table if exists orders", f"create table orders ({columns})", name="contract")
    server.fill("contract", "orders", header, records)
