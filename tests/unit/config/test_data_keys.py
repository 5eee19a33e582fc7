"""Sources as they are written become sources as they are read."""

from __future__ import annotations

from typing import Any

import pytest

from opsrunner.config.data_keys import SourceKeys
from opsrunner.model.database import Database
from opsrunner.model.site import Pages, Source
from opsrunner.secrets import SecretRef
from opsrunner.sources.ready_queries import ready_query


def source(**written: Any) -> Source:
    return SourceKeys.model_validate(written).to_source("billing", "Europe/Oslo")


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ({"sqlite": "x.db", "table": "t"}, {"path": "x.db", "table": "t"}),
        ({"sqlite": "x.db", "query": "select 1"}, {"path": "x.db", "query": "select 1"}),
        ({"sqlite": "x.db", "sql": "select 1"}, {"path": "x.db", "query": "select 1"}),  # as it was written before
        ({"sql": {"url": "sqlite:///x.db"}, "table": "t"}, {"path": "x.db", "table": "t"}),
        ({"sql": {"driver": "sqlite", "database": "$STATE/x.db"}, "table": "t"}, {"path": "$STATE/x.db", "table": "t"}),
    ],
    ids=str,
)
def test_a_file_of_sqlite_may_be_written_in_many_ways(written: dict[str, Any], where: dict[str, str]) -> None:
    found = source(**written)

    assert (found.kind, found.where) == ("sqlite", where)


@pytest.mark.parametrize(
    ("sql", "database"),
    [
        (
            {"driver": "mariadb", "host": "db1", "database": "x", "user": "u", "password": {"env": "P"}},
            Database(host="db1", name="x", user="u", password=SecretRef(env="P")),
        ),
        ({"driver": "postgresql", "database": "x"}, Database(engine="postgresql", port=5432, name="x")),
        ({"driver": "mysql", "socket": "/run/x.sock", "database": "x"}, Database(socket="/run/x.sock", name="x")),
        (
            {"url": "mysql://u@db1/x", "ca": "ca.pem", "verify": False},
            Database(host="db1", user="u", name="x", ca="ca.pem", verify=False),
        ),
        ({"url": {"file": "secrets/url"}, "ca": "ca.pem"}, Database(url=SecretRef(file="secrets/url"), ca="ca.pem")),
    ],
    ids=str,
)
def test_a_server_is_named_by_its_parts_or_its_address(sql: dict[str, Any], database: Database) -> None:
    found = source(sql=sql, table="t")

    assert (found.kind, found.where) == ("sql", {"database": database, "table": "t"})


def test_a_ready_query_declares_its_columns_and_a_site_may_say_otherwise() -> None:
    sql = {"driver": "mariadb", "database": "whmcs"}

    found = source(sql=sql, ready="whmcs/domains", columns={"name": "text", "status": "text?"})

    declared = {column.name: column for column in ready_query("whmcs/domains").columns}
    assert [column.name for column in found.columns] == list(declared)
    changed = {column.name: column for column in found.columns if column != declared[column.name]}
    assert {name: column.optional for name, column in changed.items()} == {"name": False, "status": True}


@pytest.mark.parametrize(
    ("written", "pages"),
    [
        ({"page": "p"}, Pages(page="p", first=1)),
        ({"page": "p", "first": 0}, Pages(page="p", first=0)),
        ({"offset": "o", "most": 5}, Pages(offset="o", most=5)),
        ({"next": "meta.next", "parameter": "c"}, Pages(next="meta.next", parameter="c")),
        ({"link_header": True}, Pages(link_header=True)),
    ],
    ids=str,
)
def test_pages_begin_where_they_usually_do(written: dict[str, Any], pages: Pages) -> None:
    assert source(http_json="https://x.example.com", pages=written).where["pages"] == pages
