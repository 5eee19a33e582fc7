"""The source `sql`: a table or a query of a MariaDB, MySQL or PostgreSQL server.

SQLAlchemy writes what we ask, quoted and bound; the drivers are spoken to straight, because a source hangs up in
the middle of an answer, and because every question that a connection pool asks of its own is one more a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.errors import StepFailed
from opsrunner.model.database import Database, Engine
from opsrunner.model.site import Source
from opsrunner.secrets import SecretRef, Vault
from opsrunner.sources.database_url import parse_database_url
from opsrunner.sources.plain_text import unescaped
from opsrunner.sources.ready_queries import ReadyQuery, ready_query
from opsrunner.sources.request import RawRow, RawTable, Request
from opsrunner.sources.sql_link import Answer, Deadline, Link, driver_is_missing
from opsrunner.sources.sql_select import Asked, Origin, Selecting
from opsrunner.sources.sql_text import bound, require_reading
from opsrunner.sources.values import BadValue, plain_value

MOST_TABLES = 30
_TABLES: Mapping[Engine, str] = {
    "mysql": "select table_name from information_schema.tables where table_schema = database() order by table_name",
    "postgresql": "select case table_schema when 'public' then '' else table_schema || '.' end || table_name"
    " from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema') order by 1",
}


@contextmanager
def open_sql(source: Source, request: Request) -> Iterator[RawTable]:
    """Read what the query's `sql` gives, else the source's `query`, `ready` or `table`.

    The session only reads, for `timeout_seconds`; rows come as the server sends them. Of a table and of a ready
    query, what `where` asks of declared columns is sorted out by the server as far as it compares as we do.
    """
    database = _resolved(source.where["database"], request.vault, source.name)
    seconds = min(request.timeout_seconds, float(source.where.get("timeout") or request.timeout_seconds))
    request = replace(request, timeout_seconds=seconds)
    link = _connected(database, source, request)
    with Deadline(link, seconds=seconds, stopping=request.stopping) as deadline:
        try:
            yield _Reading(link, database, source, request).table()
        except (UnicodeDecodeError, UnicodeEncodeError) as exc:
            raise StepFailed(f"{source.name}: {link.called} sends text that is none: {exc.reason}") from exc
        except Exception as exc:
            failure = link.failure(exc, name=source.name)
            if failure is None:
                raise
            if deadline.is_stopped:
                raise StepFailed("stopped before its end", status="interrupted", permanent=True) from exc
            if deadline.is_over or failure.status == "timed_out":
                raise StepFailed(f"{source.name}: the query took more than {seconds:g} s", status="timed_out") from exc
            raise failure from exc


class _Reading:
    """One query of one source."""

    def __init__(self, link: Link, database: Database, source: Source, request: Request) -> None:
        self._link = link
        self._engine = database.engine
        self._source = source
        self._request = request
        self._zone = ZoneInfo(source.timezone)
        self._ready: ReadyQuery | None = None

    def table(self) -> RawTable:
        """Return the table that is asked for."""
        written = self._request.sql or self._source.where.get("query")
        return self._of_written(str(written)) if written else self._of_origin(self._origin())

    def _of_written(self, sql: str) -> RawTable:
        name = self._source.name
        require_reading(sql, self._engine, name=name)
        text, values = bound(sql, self._request.params, self._engine)
        answer = self._link.execute(text, values)
        self._require_names(answer)
        return RawTable(name=name, columns=answer.columns, rows=self._rows(answer), is_sent=True)

    def _origin(self) -> Origin:
        name, table = self._source.where.get("ready"), self._source.where.get("table")
        if name:
            self._ready = ready_query(str(name))
            return Origin(query=self._ready.sql, not_compared=self._ready.entities)
        if not table:
            raise StepFailed(f"{self._source.name}: give the source a table, a query or ready", permanent=True)
        return Origin(table=str(table))

    def _of_origin(self, origin: Origin) -> RawTable:
        link = self._link
        selecting = Selecting(origin, dialect=link.dialect, zone=self._zone, stamp_zone=link.stamp_zone)
        shape = self._shape(selecting, origin)
        self._require_names(shape)
        kinds = dict(zip(shape.columns, shape.kinds, strict=True))
        asked = selecting.rows(self._request, kinds, types={one.name: one.type for one in self._source.columns})
        return RawTable(
            name=self._source.name,
            columns=shape.columns,
            rows=self._asked_rows(asked),
            is_sent=True,
            has_others=lambda: bool(self._request.comparisons) and bool(self._all(selecting.any_row())),
        )

    def _shape(self, selecting: Selecting, origin: Origin) -> Answer:
        """Return an answer without rows. Raises StepFailed that names the tables where there is no such one."""
        asked = selecting.columns()
        if origin.table and origin.table not in (tables := self._tables()):
            close = get_close_matches(origin.table, tables, n=1)
            more = "" if len(tables) <= MOST_TABLES else f" and {len(tables) - MOST_TABLES} more"
            others = f"tables: {', '.join(tables[:MOST_TABLES]) or 'none that we may see'}{more}"
            hint = f"did you mean '{close[0]}'?" if close else others
            raise StepFailed(f"{self._source.name}: has no table '{origin.table}'; {hint}", permanent=True)
        answer = self._link.execute(asked.sql, asked.values)
        return replace(answer, rows=iter(list(answer.rows)))

    def _tables(self) -> list[str]:
        wanted = str(self._source.where.get("table"))
        found = [str(row[0]) for row in self._link.execute(_TABLES[self._engine], {}).rows]
        return [*found, wanted] if "." in wanted else found

    def _all(self, asked: Asked) -> list[Any]:
        return list(self._link.execute(asked.sql, asked.values).rows)

    def _asked_rows(self, asked: Asked) -> Iterator[RawRow]:
        yield from self._rows(self._link.execute(asked.sql, asked.values))

    def _rows(self, answer: Answer) -> Iterator[RawRow]:
        name, columns = self._source.name, answer.columns
        declared = {column.name for column in self._source.columns}
        loose = tuple(column for column in columns if column not in declared)
        entities = self._ready.entities if self._ready else frozenset[str]()
        for number, cells in enumerate(answer.rows, start=1):
            values = dict(zip(columns, cells, strict=True))
            for column in loose:
                values[column] = self._plain(values[column], column, number)
            for column in entities:
                values[column] = _without_entities(values[column])
            yield RawRow(f"{name} row {number}", values)

    def _plain(self, cell: Any, column: str, number: int) -> Any:
        try:
            return plain_value(cell, self._zone)
        except BadValue as exc:
            raise StepFailed(f"{self._source.name} row {number}: column '{column}': {exc}") from exc

    def _require_names(self, answer: Answer) -> None:
        name = self._source.name
        if not answer.columns:
            raise StepFailed(f"{name}: the SQL gives no rows; a query starts with SELECT", permanent=True)
        for position, column in enumerate(answer.columns):
            if column in answer.columns[:position]:
                raise StepFailed(f"{name}: the SQL gives the column '{column}' twice; name one with AS", permanent=True)


def _without_entities(cell: Any) -> Any:
    return unescaped(cell) if isinstance(cell, str) and "&" in cell else cell


def _resolved(database: Database, vault: Vault, name: str) -> Database:
    """Return the server with its password in it. Raises SecretUnavailable, and StepFailed for a bad address."""
    if database.url is not None:
        try:
            named = parse_database_url(vault.resolve(database.url))
        except ValueError as exc:
            said = str(exc).partition("\n")[0]
            raise StepFailed(f"{name}: what {database.url} holds {said}", permanent=True) from exc
        database = replace(named, ca=database.ca, verify=database.verify)
    if isinstance(database.password, SecretRef):
        return replace(database, password=vault.resolve(database.password))
    if database.password:
        vault.remember(database.password)
    return database


def _connected(database: Database, source: Source, request: Request) -> Link:
    """Return a connection that only reads. Raises StepFailed."""
    database = replace(database, ca=str(request.site_root / database.ca) if database.ca else "")
    return _CONNECT[database.engine](database, source, request)


def _to_mariadb(database: Database, source: Source, request: Request) -> Link:
    try:
        from opsrunner.sources.mariadb import connect_mariadb  # noqa: PLC0415  the driver is an extra
    except ImportError as exc:
        raise driver_is_missing("MariaDB and MySQL", "mysql", name=source.name) from exc
    zone = ZoneInfo(source.timezone)
    return connect_mariadb(database, name=source.name, seconds=request.timeout_seconds, now=request.now, zone=zone)


def _to_postgres(database: Database, source: Source, request: Request) -> Link:
    try:
        from opsrunner.sources.postgres import connect_postgres  # noqa: PLC0415  the driver is an extra
    except ImportError as exc:
        raise driver_is_missing("PostgreSQL", "postgres", name=source.name) from exc
    zone = ZoneInfo(source.timezone)
    return connect_postgres(database, name=source.name, seconds=request.timeout_seconds, zone=zone)


_CONNECT: Mapping[Engine, Callable[[Database, Source, Request], Link]] = {
    "mysql": _to_mariadb,
    "postgresql": _to_postgres,
}
