"""The source `tables`: typed rows of other sources side by side in memory, so that SQL can join them.

Where data lie in a CSV file here, a database there and behind an address elsewhere, a question over several of them is
asked here. Each source is a table of the columns that it declares. A date is `2026-11-21`, a moment is
`2026-11-21 09:30:00` in UTC, which is what SQLite's own `datetime()` gives, and a flag is 1 or 0.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias

from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column, Source
from opsrunner.sources.request import RawRow, RawTable, Request

ReadTable: TypeAlias = Callable[[Source, float], Iterable[Row]]
"""Gives the typed rows of a source within so many seconds; raises StepFailed."""
_INSTRUCTIONS_BETWEEN_LOOKS = 10_000
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_MOST_INTEGER = 1 << 63
_LOOKED_AT = 1_000
"""How many rows of an index tell how good it is."""
_OWN_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\Z")


@contextmanager
def open_tables(source: Source, request: Request, read: ReadTable) -> Iterator[RawTable]:
    """Answer the query's `sql`, else the source's own `query`; only tables that it names are read. Values are bound."""
    sql = request.sql or source.where.get("query")
    tables: Mapping[str, Source] = source.where["sources"]
    if sql is None:
        raise StepFailed(f"{source.name}: needs sql; tables: {', '.join(tables)}", permanent=True)
    answer = _Answer(source.name, str(sql), request, tables)
    try:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            answer.limit_time(connection)
            needed = [tables[name] for name in answer.tables_read(connection)]
            for table in needed:
                _fill(connection, table, read(table, answer.seconds_left()))
            for statement in _indexes(needed):
                connection.execute(statement)
            yield answer.table(connection, source.columns)
    except (sqlite3.Error, sqlite3.Warning) as exc:
        raise answer.mapped(exc) from exc


class _Answer:
    """One question, and how long it may still take."""

    def __init__(self, name: str, sql: str, request: Request, tables: Mapping[str, Source]) -> None:
        self._name, self._sql, self._tables = name, sql, tables
        self._params = _bindable(request.params)
        self._seconds = request.timeout_seconds
        self._clock = SystemClock()
        self._ends_at = self._clock.monotonic() + request.timeout_seconds

    def limit_time(self, connection: sqlite3.Connection) -> None:
        """Interrupt what takes longer than it may."""
        connection.set_progress_handler(lambda: self.seconds_left() < 0, _INSTRUCTIONS_BETWEEN_LOOKS)

    def seconds_left(self) -> float:
        """Return how long it may still take."""
        return self._ends_at - self._clock.monotonic()

    def tables_read(self, connection: sqlite3.Connection) -> list[str]:
        """Return the tables that the SQL reads, by asking it of empty ones. Raises sqlite3.Error where it is wrong."""
        for table in self._tables.values():
            connection.execute(_create(table))
        read: dict[str, None] = {}

        def allow(action: int, first: str | None, *_: str | None) -> int:
            if action == sqlite3.SQLITE_READ and first is not None and first in self._tables:
                read[first] = None
            return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY

        connection.set_authorizer(allow)
        try:
            connection.execute(self._sql, self._params).close()
        finally:
            connection.set_authorizer(None)
        return list(read)

    def table(self, connection: sqlite3.Connection, declared: Iterable[Column]) -> RawTable:
        """Return what the SQL gives. Raises StepFailed where that is no table."""
        connection.set_authorizer(_allow_reading)
        cursor = connection.execute(self._sql, self._params)
        if cursor.description is None:
            raise StepFailed(f"{self._name}: the SQL gives no rows; a query starts with SELECT", permanent=True)
        columns = tuple(str(column[0]) for column in cursor.description)
        for position, column in enumerate(columns):
            if column in columns[:position]:
                message = f"{self._name}: the SQL gives the column '{column}' twice; name one with AS"
                raise StepFailed(message, permanent=True)
        moments = frozenset(column.name for column in declared if column.type == "moment")
        return RawTable(name=self._name, columns=columns, rows=self._rows(cursor, columns, moments))

    def mapped(self, error: Exception) -> StepFailed:
        """Return what a person can do about an error of SQLite's."""
        text = str(error)
        if text == "interrupted":
            return StepFailed(f"{self._name}: the query took more than {self._seconds:g} s", status="timed_out")
        if text in ("not authorized", "authorization denied"):
            return StepFailed(f"{self._name}: a source is only read, and this SQL does more", permanent=True)
        hint = f"; tables: {', '.join(self._tables)}" if text.startswith("no such table") else ""
        is_final = isinstance(error, (sqlite3.ProgrammingError, sqlite3.Warning)) or "no such" in text
        return StepFailed(f"{self._name}: {text}{hint}", permanent=is_final or "syntax" in text)

    def _rows(self, cursor: sqlite3.Cursor, columns: tuple[str, ...], moments: frozenset[str]) -> Iterator[RawRow]:
        for number, cells in enumerate(cursor, start=1):
            place = f"{self._name} row {number}"
            values = dict(zip(columns, cells, strict=True))
            for column, cell in values.items():
                if isinstance(cell, bytes):
                    raise StepFailed(f"{place}: column '{column}': holds bytes, not text; leave it out by SQL")
                if column in moments and isinstance(cell, str) and _OWN_MOMENT.match(cell):
                    values[column] = f"{cell}Z"
            yield RawRow(place=place, values=values)


def _allow_reading(action: int, *_: str | None) -> int:
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _create(table: Source) -> str:
    columns = ", ".join(_quoted(column.name) + (" TEXT" if column.type == "text" else "") for column in table.columns)
    return f"CREATE TABLE {_quoted(table.name)} ({columns})"


def _fill(connection: sqlite3.Connection, table: Source, rows: Iterable[Row]) -> None:
    names = [column.name for column in table.columns]
    holes = ", ".join("?" * len(names))
    sql = f"INSERT INTO {_quoted(table.name)} VALUES ({holes})"  # noqa: S608 - an identifier of the site's, quoted
    connection.execute("BEGIN")
    connection.executemany(sql, ([_cell(row[name]) for name in names] for row in rows))
    connection.execute("COMMIT")


def _indexes(tables: Iterable[Source]) -> Iterator[str]:
    """Yield what makes an index for each text column that two tables have, as by these they are joined."""
    columns = [(table.name, column.name) for table in tables for column in table.columns if column.type == "text"]
    times = Counter(name for _, name in columns)
    for number, (table, name) in enumerate(columns):
        if times[name] > 1:
            yield f"CREATE INDEX i{number} ON {_quoted(table)} ({_quoted(name)})"
    yield f"PRAGMA analysis_limit = {_LOOKED_AT}"
    yield "ANALYZE"  # else SQLite takes an index on a status for as good as one on a customer


def _cell(value: Any) -> str | int | float | None:
    """Return a typed value as SQLite holds it."""
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, int):  # a flag is one, too
        return int(value) if -_MOST_INTEGER <= value < _MOST_INTEGER else float(value)
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    text = str(value)  # a date is 2026-11-21
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _bindable(params: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in params.items():
        if value is not None and not isinstance(value, (str, int, float)):
            raise StepFailed(f"params: {name}: a value is a text, a number, true, false or null", permanent=True)
    return dict(params)
