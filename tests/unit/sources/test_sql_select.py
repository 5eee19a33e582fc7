"""What is asked of a server: quoted names, bound values, and never fewer rows than we want."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Dialect

from opsrunner.model.site import Column
from opsrunner.secrets import Vault
from opsrunner.sources.request import Request
from opsrunner.sources.selection import ConditionMaker
from opsrunner.sources.sql_link import CellKind
from opsrunner.sources.sql_select import Asked, Origin, Selecting

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COLUMNS = (
    Column(name="n", type="number"),
    Column(name="s", type="text"),
    Column(name="d", type="date"),
    Column(name="m", type="moment"),
    Column(name="i", type="moment"),
    Column(name="f", type="flag"),
)
KINDS: dict[str, CellKind] = {"n": "number", "s": "text", "d": "date", "m": "moment", "i": "instant", "f": "number"}


def dialect(engine: str) -> Dialect:
    if engine == "mysql":
        return MySQLDialect_pymysql(paramstyle="pyformat")
    return PGDialect_psycopg()  # type: ignore[no-untyped-call]


def asked(
    where: dict[str, Any], *, engine: str = "mysql", origin: Origin | None = None, kinds: Any = KINDS, **more: Any
) -> Asked:
    conditions = ConditionMaker(COLUMNS, zone=OSLO, now=NOW, decimal=".").make(where)
    request = Request(
        vault=Vault(Path()), site_root=Path(), now=NOW, where=where, comparisons=conditions.comparisons, **more
    )
    stamp_zone = timezone(timedelta(hours=1)) if engine == "mysql" else UTC
    origin = origin or Origin(table="t")
    return Selecting(origin, dialect=dialect(engine), zone=OSLO, stamp_zone=stamp_zone).rows(
        request, kinds, types={column.name: column.type for column in COLUMNS}
    )


def one_line(sql: str) -> str:
    return " ".join(sql.split())


@pytest.mark.parametrize(
    ("where", "condition", "values"),
    [
        ({}, "", []),
        ({"n": 5}, "`n` = %(param_1)s", [5]),
        ({"n": {"not": 5}}, "`n` != %(param_1)s OR `n` IS NULL", [5]),
        ({"n": [1, 2]}, "`n` = %(param_1)s OR `n` = %(param_2)s", [1, 2]),
        ({"n": None}, "`n` IS NULL", []),
        ({"s": "x"}, "`s` = %(param_1)s", ["x"]),
        ({"s": {"not": "x"}}, "", []),  # a collation may hold X for x
        ({"s": {"not": None}}, "`s` IS NOT NULL", []),
        ({"s": None}, "", []),  # what is blank is empty for us, and not for every server
        ({"s": "a\0b"}, "", []),
        ({"d": {"before": "2026-12-01"}}, "`d` < %(param_1)s", [date(2026, 12, 1)]),
        ({"d": None}, "`d` IS NULL OR `d` < %(param_1)s", [date(1, 1, 1)]),  # 0000-00-00
        ({"m": {"before": "2026-12-01"}}, "`m` < %(param_1)s", [datetime(2026, 12, 1, 3)]),  # three hours more
        ({"m": {"after": "2026-12-01"}}, "`m` > %(param_1)s", [datetime(2026, 11, 30, 21)]),
        ({"f": True}, "", []),
        ({"other": 5}, "", []),
    ],
    ids=str,
)
def test_what_is_sent(where: dict[str, Any], condition: str, values: list[Any]) -> None:
    found = asked(where)

    head, _, tail = one_line(found.sql).partition(" WHERE ")
    assert head == "SELECT * FROM `t`"
    assert tail.strip("()") == condition.strip("()")
    assert list(found.values.values()) == values


def test_a_stamp_is_compared_in_the_zone_of_the_session() -> None:
    mysql, postgres = (asked({"i": {"at_least": "2026-11-21"}}, engine=engine) for engine in ("mysql", "postgresql"))

    assert str(next(iter(mysql.values.values()))) == "2026-11-21 00:00:00+01:00"
    assert next(iter(postgres.values.values())) == datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert "TIMESTAMP WITH TIME ZONE" in postgres.sql


@pytest.mark.parametrize(
    ("kind", "where"),
    [("other", {"n": 1}), ("text", {"n": 1}), ("number", {"s": "1"}), ("moment", {"d": "2026-01-01"})],
)
def test_what_is_of_another_kind_there_is_asked_here_alone(kind: CellKind, where: dict[str, Any]) -> None:
    assert "WHERE" not in asked(where, kinds=dict.fromkeys(KINDS, kind)).sql


def test_names_are_quoted_whatever_they_are() -> None:
    name = 'a` b" c; drop table t; -- %s :x'

    mysql, postgres = (asked({}, engine=engine, origin=Origin(table=f"s.{name}")) for engine in ("mysql", "postgresql"))

    assert one_line(mysql.sql) == 'SELECT * FROM `s`.`a`` b" c; drop table t; -- %%s :x`'
    assert one_line(postgres.sql) == 'SELECT * FROM "s"."a` b"" c; drop table t; -- %%s :x"'


def test_a_ready_query_stands_as_it_is() -> None:
    found = asked({"n": 5}, origin=Origin(query="SELECT ':x', 1 % 2 AS n FROM t", not_compared=frozenset({"s"})))

    assert one_line(found.sql) == ("SELECT * FROM (SELECT ':x', 1 %% 2 AS n FROM t ) AS ready WHERE `n` = %(param_1)s")


EMPTY_LAST = "CASE WHEN (`n` IS NULL) THEN %(param_1)s ELSE %(param_2)s END"


@pytest.mark.parametrize(
    ("where", "order_by", "tail"),
    [
        ({}, (), "LIMIT %(param_1)s"),
        ({}, ("-n",), f"ORDER BY {EMPTY_LAST}, `n` DESC LIMIT %(param_3)s"),
        ({"n": {"below": 5}}, (), "WHERE `n` < %(param_1)s LIMIT %(param_2)s"),
        ({"i": {"after": "2026-01-01"}}, (), "WHERE `i` > %(param_1)s LIMIT %(param_2)s"),
        ({"i": {"before": "2026-01-01"}}, (), "WHERE `i` < %(param_1)s"),  # 0000-00-00 comes before it
        ({"m": {"after": "2026-01-01"}}, (), "WHERE `m` > %(param_1)s"),  # three hours too many
        ({"s": "x"}, (), "WHERE `s` = %(param_1)s"),
        ({"n": 5, "other": 1}, (), "WHERE `n` = %(param_1)s"),
        ({}, ("n", "s"), ""),
        ({}, ("other",), ""),
    ],
    ids=str,
)
def test_the_server_sorts_and_counts_only_where_nothing_is_left_to_us(
    where: dict[str, Any], order_by: tuple[str, ...], tail: str
) -> None:
    found = asked(where, limit=3, order_by=order_by)

    assert one_line(found.sql).removeprefix("SELECT * FROM `t`").strip() == tail
    assert "LIMIT" not in asked(where, order_by=order_by).sql
