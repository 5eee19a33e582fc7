"""Real MariaDB and PostgreSQL servers, and what must hold whatever they are asked, or do."""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.database import Database
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column, Source
from opsrunner.secrets import SecretRef

from ...patience import raised, within

if TYPE_CHECKING:
    from ...databases import DatabaseServer

Read = Callable[..., tuple[Row, ...]]
Stream = Callable[..., Generator[Row]]
SLEEP = {"mysql": "select sleep(60) as n", "postgresql": "select pg_sleep(60)"}
MANY = {
    "mysql": "select seq as n, repeat('x', 1000) as text from seq_1_to_3000000",
    "postgresql": "select n, repeat('x', 1000) as text from (select generate_series(1, 3000000) as n) as all_of_them",
}
TABLE = "create table orders (id int primary key, state varchar(20), placed {moment}, due date, amount decimal(12,2))"
ROWS = """insert into orders values
 (1, 'paid', '2026-11-20 10:00:00', '2026-12-01', 99.50), (2, 'Paid', '2026-11-21 09:00:00', null, 5),
 (3, 'open', null, '2026-12-24', -1.25), (4, '', '2026-10-25 02:30:00', '2026-10-25', 0)"""
COLUMNS = (
    Column(name="id", type="number"),
    Column(name="state", type="text", optional=True),
    Column(name="placed", type="moment", optional=True),
    Column(name="due", type="date", optional=True),
    Column(name="amount", type="number"),
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("mariadb", marks=pytest.mark.needs("mariadbd", "openssl")),
        pytest.param("postgres", marks=pytest.mark.needs("postgres", "openssl")),
    ],
)
def server(request: pytest.FixtureRequest) -> DatabaseServer:
    found: DatabaseServer = request.getfixturevalue(f"{request.param}_server")
    moment = "datetime" if found.engine == "mysql" else "timestamp"
    found.fresh("billing", TABLE.format(moment=moment), ROWS)
    return found


def billing(server: DatabaseServer, **given: Any) -> Source:
    """Return the source; `database` replaces what is known of the server, the rest is as in a file."""
    database = server.database("billing", **given.pop("database", {}))
    others = {"columns": (), "timezone": "Europe/Oslo"} | {key: given.pop(key) for key in ("columns",) if key in given}
    return Source(name="billing", kind="sql", where={"database": database, "table": "orders", **given}, **others)


class TestReading:
    def test_the_query_says_sql_and_its_values(self, server: DatabaseServer, read: Read) -> None:
        sql = "select id, amount from orders where id = :id or state = :state order by id -- :never"

        rows = read(billing(server, columns=COLUMNS), sql=sql, params={"id": 3, "state": "' or 1=1 --"})

        assert rows == ({"id": 3, "amount": -1.25},)

    def test_colons_and_signs_in_strings_are_no_values(self, server: DatabaseServer, read: Read) -> None:
        rows = read(billing(server), sql="select ':id 100% %s' as text, :id as id", params={"id": "7"})

        assert rows == ({"text": ":id 100% %s", "id": "7"},)

    def test_the_source_has_a_query_of_its_own(self, server: DatabaseServer, read: Read) -> None:
        source = billing(server, table=None, query="select state as s from orders where amount > 50")

        assert read(source) == ({"s": "paid"},)
        assert read(source, where={"s": "none"}) == ()

    def test_undeclared_columns_come_as_what_a_row_may_hold(self, server: DatabaseServer, read: Read) -> None:
        first = read(billing(server), where={"id": 1})[0]

        assert first == {
            "id": 1,
            "state": "paid",
            "placed": datetime(2026, 11, 20, 9, tzinfo=UTC),
            "due": date(2026, 12, 1),
            "amount": 99.5,
        }

    def test_a_view_and_a_schema_are_found(self, server: DatabaseServer, read: Read) -> None:
        server.say("create or replace view unpaid as select id from orders where state = 'open'", name="billing")
        schema = "billing" if server.engine == "mysql" else "public"

        assert read(billing(server, table="unpaid")) == ({"id": 3},)
        assert len(read(billing(server, table=f"{schema}.orders"))) == 4

    def test_a_secret_may_hold_the_whole_address(self, server: DatabaseServer, read: Read, tmp_path: Path) -> None:
        known = server.database("billing")
        scheme = "mariadb" if server.engine == "mysql" else "postgres"
        (tmp_path / "url").write_text(f"{scheme}://{known.user}:{known.password}@127.0.0.1:{known.port}/billing\n")
        (tmp_path / "url").chmod(0o600)
        source = billing(server)

        where = {**source.where, "database": Database(url=SecretRef(file="url"))}
        assert len(read(replace(source, where=where))) == 4

    def test_a_socket_leads_there_too(self, server: DatabaseServer, read: Read) -> None:
        user = "root" if server.engine == "mysql" else "postgres"

        source = billing(server, database={"socket": server.socket, "user": user, "password": None})
        assert len(read(source)) == 4

    def test_nothing_of_the_environment_goes_along(
        self, server: DatabaseServer, read: Read, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = {"PGHOSTADDR": "192.0.2.1", "PGOPTIONS": "-c statement_timeout=1", "PGSSLMODE": "require"}
        for name, value in {**elsewhere, "PGPASSWORD": "wrong", "MYSQL_PWD": "wrong", "PGDATABASE": "none"}.items():
            monkeypatch.setenv(name, value)

        assert len(read(billing(server))) == 4
        monkeypatch.setenv("PGPASSWORD", str(server.database("billing").password))
        with pytest.raises(StepFailed, match="refuses us: "):
            read(billing(server, database={"password": None}))


class TestWhere:
    @pytest.mark.parametrize(
        ("where", "ids"),
        [
            ({"state": "paid"}, [1]),  # a collation holds Paid for the same; we do not
            ({"state": {"not": "paid"}}, [2, 3, 4]),
            ({"state": ["paid", "Paid"]}, [1, 2]),
            ({"state": None}, [4]),
            ({"state": {"not": None}}, [1, 2, 3]),
            ({"placed": None}, [3]),
            ({"placed": {"before": "2026-10-25T00:45Z"}}, [4]),  # the hour that comes twice: its first
            ({"placed": {"before": "2026-10-25T00:30Z"}}, []),
            ({"placed": {"at_least": "2026-11-20T09:00Z", "before": "2026-11-21"}}, [1]),
            ({"placed": "2026-11-20 10:00"}, [1]),
            ({"placed": {"after": "-1d"}}, [2]),
            ({"due": {"after": "2026-12-01"}}, [3]),
            ({"due": {"not": "2026-12-01"}}, [2, 3, 4]),
            ({"due": [date(2026, 12, 1), None]}, [1, 2]),
            ({"amount": {"at_least": 0, "below": 99.5}}, [2, 4]),
            ({"amount": {"not": 5}}, [1, 3, 4]),
            ({"amount": [99.5, -1.25]}, [1, 3]),
            ({"id": {"above": 1}, "amount": 5}, [2]),
            ({"amount": 10**30}, []),
        ],
        ids=str,
    )
    def test_what_the_server_sorts_out_is_what_we_would(
        self, server: DatabaseServer, read: Read, where: dict[str, Any], ids: list[int]
    ) -> None:
        source = billing(server, columns=COLUMNS)

        assert [row["id"] for row in read(source, where=where, order_by="id")] == ids
        by_hand = replace(source, where={**source.where, "table": None, "query": "select * from orders"})
        assert [row["id"] for row in read(by_hand, where=where, order_by="id")] == ids

    def test_whatever_is_asked_gives_the_rows_that_a_file_would_give(self, server: DatabaseServer, read: Read) -> None:
        """Texts that collations hold for one, hours that come twice or not at all, and conditions drawn by lot."""
        chance = Random(2026)
        moment = "datetime" if server.engine == "mysql" else "timestamp"
        server.say("drop table if exists drawn", TABLE.format(moment=moment).replace("orders", "drawn"), name="billing")
        server.fill("billing", "drawn", [column.name for column in COLUMNS], [drawn_row(chance, n) for n in range(150)])
        source = billing(server, table="drawn", columns=COLUMNS)
        by_hand = replace(source, where={**source.where, "table": None, "query": "select * from drawn"})

        for _ in range(40):
            asked = {
                "where": chance.choice([{}, drawn_where(chance)]),
                "order_by": [*chance.choice([[], ["-due"], ["amount", "-due"], ["-amount", "state"], ["-id"]]), "id"],
                "limit": chance.choice([None, 1, 7, 100]),
            }
            rows = [read(one, **asked) for one in (source, by_hand)]
            assert rows[0] == rows[1], asked

    def test_an_unknown_column_is_named(self, server: DatabaseServer, read: Read) -> None:
        """C30."""
        for options in ({"where": {"amont": 1}}, {"order_by": "amont"}, {"where": {"amont": {"below": 1}}}):
            with pytest.raises(StepFailed, match="billing has no column 'amont', did you mean 'amount'") as failed:
                read(billing(server, columns=COLUMNS), **options)
            assert failed.value.permanent

    def test_odd_names_are_quoted(self, server: DatabaseServer, read: Read) -> None:
        quote = "`" if server.engine == "mysql" else '"'
        name = f"we%ird: {quote}{quote}; drop table orders; --"
        server.say(f"drop table if exists {quote}{name}{quote}", name="billing")
        server.say(f"create table {quote}{name}{quote} ({quote}{name}{quote} int)", name="billing")
        server.say(f"insert into {quote}{name}{quote} values (1), (2)".replace("%", "%"), name="billing")
        plain = name.replace(quote * 2, quote)
        columns = (Column(name=plain, type="number"),)

        rows = read(billing(server, table=plain, columns=columns), where={plain: {"above": 1}}, limit=5)

        assert rows == ({plain: 2},)
        assert len(read(billing(server))) == 4

    @pytest.mark.parametrize("hostile", ["\\' or 1=1 -- ", "' or 1=1 -- ", "\\"])
    def test_a_server_that_takes_strokes_for_nothing_special_is_not_fooled(
        self, server: DatabaseServer, read: Read, hostile: str
    ) -> None:
        if server.engine == "mysql":
            server.say("set global sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
        try:
            assert read(billing(server, columns=COLUMNS), where={"state": hostile}) == ()
            sql = "select id from orders where state = :state"
            assert read(billing(server), sql=sql, params={"state": hostile}) == ()
        finally:
            if server.engine == "mysql":
                server.say("set global sql_mode = ''")

    def test_a_few_of_very_many_are_found(
        self, server: DatabaseServer, read: Read, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("opsrunner.sources.reading.MOST_ROWS", 3)
        source = billing(server, columns=COLUMNS)

        assert [row["id"] for row in read(source, order_by="-placed", limit=2)] == [2, 1]
        assert [row["id"] for row in read(source, where={"state": {"not": "paid"}}, order_by="amount", limit=1)] == [3]
        assert len(read(source, where={"state": {"not": "none"}}, limit=3)) == 3
        with pytest.raises(StepFailed, match="more than 3 rows"):
            read(source, limit=5, where={"state": {"not": "none"}})  # a query asks for one more than its limit

    def test_expecting_rows_is_about_the_table(self, server: DatabaseServer, read: Read) -> None:
        source = replace(billing(server, columns=COLUMNS), expect_rows=True)

        assert read(source, where={"amount": 77}) == ()
        server.say("create table if not exists nothing (id int)", name="billing")
        empty = billing(server, table="nothing", columns=COLUMNS[:1])
        with pytest.raises(StepFailed, match="has no rows, and this source always has some"):
            read(replace(empty, expect_rows=True), where={"id": 1})


STATES = [
    "paid",
    "Paid",
    "PAID ",
    "påid",
    "paid\u0301",
    "",
    " ",
    "straße",
    "strasse",
    "a'b",
    "a\\b",
    "%",
    "_",
    "İ",
    None,
]
MOMENTS = [
    *("2026-10-25 01:59:59", "2026-10-25 02:00:00", "2026-10-25 02:30:00", "2026-10-25 03:00:00", None),
    *("2026-03-29 01:30:00", "2026-03-29 02:30:00", "2026-03-29 03:30:00", "2026-11-20 10:00:00"),
]
DATES = ["2026-10-25", "2026-11-20", "2026-12-01", None]
AMOUNTS = [0, 0.1, 5, 99.5, -1.25]
INSTANTS = ["2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z", "2026-03-29T01:30Z", "2026-11-20T09:00Z"]


def drawn_row(chance: Random, number: int) -> tuple[Any, ...]:
    return (number, *(chance.choice(values) for values in (STATES, MOMENTS, DATES, AMOUNTS)))


def drawn_where(chance: Random) -> dict[str, Any]:
    orderings = ["at_least", "at_most"]
    ways: dict[str, tuple[list[Any], list[str]]] = {
        "state": (STATES, []),
        "placed": ([*INSTANTS, None], ["before", "after", *orderings]),
        "due": (DATES, ["before", "after", *orderings]),
        "amount": ([*AMOUNTS, None], ["below", "above", *orderings]),
    }
    where = {}
    for column in chance.sample(list(ways), chance.choice([1, 1, 2])):
        values, names = ways[column]
        name = chance.choice(["", "not", "one of", *names])
        if name in names:
            where[column] = {name: chance.choice([value for value in values if value is not None])}
        else:
            value = chance.choice(values)
            where[column] = {"": value, "not": {"not": value}, "one of": chance.sample(values, 2)}[name]
    return where


class TestReadOnly:
    @pytest.mark.parametrize(
        "sql",
        [
            "insert into orders values (9, 'x', null, null, 1)",
            "delete from orders",
            "drop table orders",
            "with gone as (select 1) delete from orders",
            "select * from orders into outfile '/tmp/opsrunner-never'",
            "select 1 into dumpfile '/tmp/opsrunner-never'",
            "select id into new from orders",
            "select id from orders for update",
            "select id from orders for share",
            "set transaction read write",
            "commit",
            "call something()",
            "copy orders to program 'touch /tmp/opsrunner-never'",
            "/*!50000 delete from orders */",
            "select 1 /*! into outfile '/tmp/opsrunner-never' */",
            "selec",
            "",
        ],
    )
    def test_sql_that_does_more_is_refused(self, server: DatabaseServer, read: Read, sql: str) -> None:
        with pytest.raises(
            StepFailed, match=r"a source is only read, and this SQL does more|is no such|syntax"
        ) as failed:
            read(billing(server, table=None, query=sql or " "))

        assert failed.value.permanent
        assert "\n" not in failed.value.message
        assert server.say("select count(*) from orders", name="billing") == [(4,)]
        assert not Path("/tmp/opsrunner-never").exists()

    def test_a_function_that_writes_is_refused_by_the_session(self, server: DatabaseServer, read: Read) -> None:
        server.say("create table if not exists written (n int)", *FUNCTION[server.engine], name="billing")

        with pytest.raises(StepFailed, match="a source is only read, and this SQL does more") as failed:
            read(billing(server), sql="select write_one() as n")

        assert failed.value.permanent
        assert server.say("select count(*) from written", name="billing") == [(0,)]

    def test_the_session_cannot_be_talked_out_of_it(self, server: DatabaseServer, read: Read) -> None:
        if server.engine == "mysql":
            sql = "select @@session.tx_read_only as o"
            assert read(billing(server), sql=sql) == ({"o": 1},)
            return
        assert read(billing(server), sql="select current_setting('transaction_read_only') as o") == ({"o": "on"},)
        with pytest.raises(StepFailed, match="transaction read-write mode"):
            read(billing(server), sql="select set_config('transaction_read_only', 'off', false)")

    def test_two_statements_are_not_one(self, server: DatabaseServer, read: Read) -> None:
        with pytest.raises(StepFailed) as failed:
            read(billing(server), sql="select 1 as a; delete from orders")

        assert failed.value.permanent
        assert server.say("select count(*) from orders", name="billing") == [(4,)]


RETURNS = "write_one() returns int"
FUNCTION = {
    "mysql": [
        "drop function if exists write_one",
        f"create function {RETURNS} modifies sql data begin insert into written values (1); return 1; end",
    ],
    "postgresql": [
        f"create or replace function {RETURNS} language sql as 'insert into written values (1) returning 1'"
    ],
}


class TestMistakes:
    @pytest.mark.parametrize(
        ("given", "options", "words"),
        [
            ({"table": "order"}, {}, "billing: has no table 'order'; did you mean 'orders'?"),
            ({"table": "zzzz"}, {}, "billing: has no table 'zzzz'; tables: "),
            ({"table": None}, {}, "billing: give the source a table, a query or ready"),
            ({}, {"sql": "select nothing from orders"}, "nothing"),
            ({}, {"sql": "select * frm orders"}, "frm"),
            ({}, {"sql": "select 1 as a, 2 as a"}, "billing: the SQL gives the column 'a' twice; name one with AS"),
            ({}, {"sql": "select :id as id"}, "params: the SQL asks for :id, which is not given"),
            ({}, {"sql": "select :id as id", "params": {"id": [1]}}, "params: id: a value is a text, a number"),
            ({"database": {"password": "wrong-5ecret"}}, {}, "refuses us: "),
            ({"database": {"user": "nobody"}}, {}, "refuses us: "),
            ({"database": {"name": "none"}}, {}, "none"),
        ],
        ids=str,
    )
    def test_one_is_one_line_and_final(
        self, server: DatabaseServer, read: Read, given: dict[str, Any], options: dict[str, Any], words: str
    ) -> None:
        source = billing(server, **{name: value for name, value in given.items() if name != "database"})
        known = replace(source.where["database"], **given.get("database", {}))
        source = replace(source, where={**source.where, "database": known})

        with pytest.raises(StepFailed) as failed:
            read(source, **options)

        assert words in failed.value.message
        assert "\n" not in failed.value.message
        assert "5ecret" not in failed.value.message
        assert failed.value.permanent

    def test_nobody_at_the_address_is_one_line_and_may_pass(self, server: DatabaseServer, read: Read) -> None:
        with pytest.raises(StepFailed, match=r"^billing: no answer from .* at 127\.0\.0\.1:1: ") as failed:
            read(billing(server, database={"port": 1}))

        assert not failed.value.permanent
        assert "\n" not in failed.value.message

    def test_a_missing_driver_names_the_extra(
        self, server: DatabaseServer, read: Read, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module, extra = {"mysql": ("mariadb", "mysql"), "postgresql": ("postgres", "postgres")}[server.engine]
        driver = {"mysql": "pymysql", "postgresql": "psycopg"}[server.engine]
        monkeypatch.setitem(sys.modules, driver, None)
        monkeypatch.delitem(sys.modules, f"opsrunner.sources.{module}", raising=False)

        with pytest.raises(StepFailed, match=rf"is not installed; .* pip install 'opsrunner\[{extra}\]'$"):
            read(billing(server))


class TestTime:
    def test_a_query_without_end_is_ended(self, server: DatabaseServer, read: Read) -> None:
        def ask_it() -> StepFailed:
            return raised(StepFailed, lambda: read(billing(server), sql=SLEEP[server.engine], timeout_seconds=4))

        failed = within(4 + 2.5, ask_it)

        assert (failed.message, failed.status) == ("billing: the query took more than 4 s", "timed_out")

    def test_the_source_may_allow_less_than_the_step(self, server: DatabaseServer, read: Read) -> None:
        with pytest.raises(StepFailed, match=r"^billing: the query took more than 4 s$"):
            read(billing(server, timeout=4), sql=SLEEP[server.engine], timeout_seconds=3600)

    def test_a_server_that_says_nothing_any_more_is_hung_up_on(
        self, server: DatabaseServer, stream: Stream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("opsrunner.sources.sql_link.GRACE_SECONDS", 0.2)
        rows = stream(billing(server), sql=MANY[server.engine], timeout_seconds=5)
        next(rows)
        with stopped(server):  # noqa: SIM117
            with pytest.raises(StepFailed, match=r"^billing: the query took more than 5 s$") as failed:
                for _ in rows:
                    pass
        assert failed.value.status == "timed_out"

    def test_it_ends_early_when_it_is_told_to(self, server: DatabaseServer, read: Read) -> None:
        def stop_it() -> StepFailed:
            stopping = threading.Event()
            threading.Timer(0.3, stopping.set).start()
            return raised(StepFailed, lambda: read(billing(server), sql=SLEEP[server.engine], stopping=stopping))

        failed = within(5, stop_it)

        assert (failed.message, failed.status, failed.permanent) == ("stopped before its end", "interrupted", True)

    def test_a_server_that_goes_in_the_middle_is_one_line(self, server: DatabaseServer, stream: Stream) -> None:
        rows = stream(billing(server), sql=MANY[server.engine])
        next(rows)
        end_sessions(server)

        with pytest.raises(StepFailed, match=r"^billing: the connection to .* was lost in the middle$") as failed:
            for _ in rows:
                pass
        assert not failed.value.permanent

    def test_rows_that_nobody_takes_are_not_read(self, server: DatabaseServer, stream: Stream) -> None:
        def look_at_one() -> None:
            rows = stream(billing(server), sql=MANY[server.engine])
            assert next(rows)["n"] == 1
            rows.close()

        within(2, look_at_one)

        assert sessions(server) == 0

    def test_the_clock_on_the_wall_is_that_of_the_zone(self, server: DatabaseServer, read: Read) -> None:
        kind = "timestamp" if server.engine == "mysql" else "timestamptz"
        server.say("drop table if exists stamps", f"create table stamps (at {kind} null)", name="billing")
        values = "('2026-07-01 10:00:00'), ('2026-10-25 00:30:00'), ('2026-10-25 01:30:00')"
        zone = "set time_zone = '+00:00'" if server.engine == "mysql" else "set timezone = 'UTC'"
        server.say(zone, f"insert into stamps values {values}", name="billing")
        source = billing(server, table="stamps", columns=(Column(name="at", type="moment"),))

        moments = [row["at"] for row in read(source, order_by="at")]

        assert moments == [
            datetime(2026, 7, 1, 10, tzinfo=UTC),
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # both hours that are called half past two in Oslo
            datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
        ]
        assert [row["at"].hour for row in read(source, where={"at": {"at_least": "2026-10-25T01:00Z"}})] == [1]


class stopped:  # noqa: N801  it reads as a sentence
    """A server that the kernel lets not run."""

    def __init__(self, server: DatabaseServer) -> None:
        self._pids = [server.process.pid, *children_of(server.process.pid)]

    def __enter__(self) -> None:
        for pid in self._pids:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        for pid in reversed(self._pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def end_sessions(server: DatabaseServer) -> None:
    if server.engine == "postgresql":
        server.say("select pg_terminate_backend(pid) from pg_stat_activity where datname = 'billing'")
        return
    for (number,) in server.say("select id from information_schema.processlist where user = 'opsrunner'"):
        server.say(f"kill {number}")


def sessions(server: DatabaseServer) -> int:
    """Return how many sessions of ours there are, given a moment to go."""
    sql = (
        "select count(*) from information_schema.processlist where user = 'opsrunner'"
        if server.engine == "mysql"
        else "select count(*) from pg_stat_activity where application_name = 'opsrunner'"
    )
    for _ in range(50):
        count: int = server.say(sql)[0][0]
        if not count:
            return 0
        time.sleep(0.1)
    return count


class TestTls:
    """C44: what another machine is told is told to it alone. `127.1` is a name for us, and leads here."""

    def test_a_certificate_of_an_authority_that_we_name_is_fine(self, server: DatabaseServer, read: Read) -> None:
        source = billing(server, database={"ca": str(server.certificate)})
        cipher = (
            "select variable_value as cipher from information_schema.session_status where variable_name = 'Ssl_cipher'"
            if server.engine == "mysql"
            else "select cipher from pg_stat_ssl where pid = pg_backend_pid()"
        )

        assert str(read(source, sql=cipher)[0]["cipher"]).startswith("TLS_")

    @pytest.mark.parametrize(
        "given", [{"host": "127.1"}, {"host": "localhost", "ca": "own"}], ids=["nobody", "other name"]
    )
    def test_a_certificate_that_proves_nothing_is_refused(
        self, server: DatabaseServer, read: Read, given: dict[str, str]
    ) -> None:
        if "ca" in given:
            given = given | {"ca": str(server.certificate)}

        with pytest.raises(StepFailed, match="certificate") as failed:
            read(billing(server, database=given))

        assert failed.value.permanent
        assert "\n" not in failed.value.message

    def test_without_verify_any_certificate_will_do(self, server: DatabaseServer, read: Read) -> None:
        assert len(read(billing(server, database={"host": "127.1", "verify": False}))) == 4

    def test_a_server_without_tls_is_told_nothing(self, server: DatabaseServer, read: Read) -> None:
        with plain_server(server.engine) as (port, heard), pytest.raises(StepFailed) as failed:
            read(billing(server, database={"host": "127.1", "port": port}), timeout_seconds=5)

        assert "TLS" in failed.value.message
        assert failed.value.permanent
        assert b"opsrunner" not in b"".join(heard)

    def test_an_authority_that_cannot_be_read_is_named(self, server: DatabaseServer, read: Read) -> None:
        with pytest.raises(StepFailed) as failed:
            read(billing(server, database={"ca": "none.pem"}))
        assert "\n" not in failed.value.message
        assert failed.value.permanent


class plain_server:  # noqa: N801  it reads as a sentence
    """What speaks a database's first words, offers no TLS, and keeps what it hears."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._heard: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> tuple[int, list[bytes]]:
        threading.Thread(target=self._serve, daemon=True).start()
        return self._socket.getsockname()[1], self._heard

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            client, _ = self._socket.accept()
            with client:
                client.settimeout(2)
                if self._engine == "mysql":
                    client.sendall(greeting())
                    self._heard.append(client.recv(1000))
                    return
                asked = client.recv(1000)
                self._heard.append(asked)
                client.sendall(b"N")
                self._heard.append(client.recv(1000))


def greeting() -> bytes:
    """Return the first packet of a MariaDB server that can everything but TLS (protocol 10)."""
    can = 0xFFFF & ~0x0800
    body = b"\x0a10.11.0-MariaDB\0" + struct.pack("<I", 1) + b"12345678\0" + struct.pack("<H", can)
    body += b"\x2d" + struct.pack("<H", 2) + struct.pack("<H", 0x000F) + b"\x15" + bytes(10) + b"123456789012\0"
    body += b"mysql_native_password\0"
    return struct.pack("<I", len(body))[:3] + b"\0" + body


@pytest.fixture
def other_words() -> Iterator[int]:
    """A port at which something else is spoken."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client, suppress(OSError):
                    client.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
                    client.settimeout(1)
                    client.recv(100)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


def test_a_port_where_something_else_is_spoken_is_one_line(
    server: DatabaseServer, read: Read, other_words: int
) -> None:
    with pytest.raises(StepFailed, match=r"^billing: ") as failed:
        read(billing(server, database={"port": other_words}), timeout_seconds=5)
    assert "\n" not in failed.value.message


DOMAINS = (
    Column(name="domain", type="text"),
    Column(name="customer", type="text"),
    Column(name="name", type="text"),
    Column(name="email", type="text"),
    Column(name="registrar", type="text"),
    Column(name="expires_at", type="date", optional=True),
    Column(name="status", type="text"),
)


@pytest.fixture(scope="module")
def domains(server: DatabaseServer) -> Source:
    """A hundred thousand of them."""
    names = [column.name for column in DOMAINS]
    columns = ", ".join(f"{name} {'date' if name == 'expires_at' else 'varchar(100)'}" for name in names)
    server.fresh("many", f"create table domains ({columns})")
    one = "d{n}.example {k} customer-{k} post@d{n}.example norid 2026-12-01 active"
    server.fill("many", "domains", names, [one.format(n=n, k=n // 3).split() for n in range(100_000)])
    where = {"database": server.database("many"), "table": "domains"}
    return Source(name="domains", kind="sql", where=where, columns=DOMAINS, timezone="Europe/Oslo")


class TestMany:
    def test_a_hundred_thousand_rows_are_read_typed_and_sorted_out_quickly(
        self, domains: Source, stream: Stream
    ) -> None:
        """In a place of its own it takes half of that; two workers share the cores here."""

        def read_all() -> int:
            return sum(1 for _ in stream(domains, where={"expires_at": {"before": "2027-01-01"}, "status": "active"}))

        assert within(3.5, read_all, clock=time.process_time) == 100_000

    def test_they_are_not_held_in_memory(
        self, domains: Source, stream: Stream, most_bytes_of: Callable[[Callable[[], object]], int]
    ) -> None:
        next(stream(domains, limit=1))  # what is imported counts for nothing

        def read_some() -> None:
            for number, _ in enumerate(stream(domains)):
                if number == 20_000:
                    return

        assert most_bytes_of(read_some) < 20_000_000
