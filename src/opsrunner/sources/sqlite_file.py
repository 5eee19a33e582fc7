"""The source `sqlite`: a database file, opened for reading only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import quote

from opsrunner.clock import SystemClock
from opsrunner.errors import StepFailed
from opsrunner.model.site import Source
from opsrunner.sources.request import RawRow, RawTable, Request
from opsrunner.sources.site_files import find_file

BUSY_SECONDS = 5
LIMIT_VALUE_BYTES = 20_000_000
"""Of one value: a view of somebody else's file may make one of a gigabyte out of nothing."""
_INSTRUCTIONS_BETWEEN_LOOKS = 10_000
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_TABLES = "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite_%' order by name"


@contextmanager
def open_sqlite(source: Source, request: Request) -> Iterator[RawTable]:
    """Read what the query's `sql` gives, else the source's `query`, else its `table`. Values are bound only."""
    name = str(source.where["path"])
    path = find_file(name, site_root=request.site_root)
    try:
        with closing(_connect(str(path.absolute()))) as connection:
            _limit_time(connection, request.timeout_seconds)
            yield _table(connection, source, request, name=name)
    except (sqlite3.Error, sqlite3.Warning) as exc:
        raise _mapped(exc, name, request.timeout_seconds) from exc


def _connect(path: str) -> sqlite3.Connection:
    address = f"file:{quote(path)}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.set_authorizer(_allow_reading)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LIMIT_VALUE_BYTES)
    return connection


def _allow_reading(action: int, *_: str | None) -> int:
    """Refuse all but reading: a read-only connection may still attach a new file, or vacuum into one."""
    return sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY


def _limit_time(connection: sqlite3.Connection, seconds: float) -> None:
    clock = SystemClock()
    ends_at = clock.monotonic() + seconds
    connection.set_progress_handler(lambda: clock.monotonic() > ends_at, _INSTRUCTIONS_BETWEEN_LOOKS)


def _table(connection: sqlite3.Connection, source: Source, request: Request, *, name: str) -> RawTable:
    sql = request.sql or source.where.get("query") or _whole_table(connection, source, name)
    cursor = connection.execute(sql, _bindable(request.params))
    if cursor.description is None:
        raise StepFailed(f"{name}: the SQL gives no rows; a query starts with SELECT", permanent=True)
    columns = tuple(str(column[0]) for column in cursor.description)
    for position, column in enumerate(columns):
        if column in columns[:position]:
            raise StepFailed(f"{name}: the SQL gives the column '{column}' twice; name one with AS", permanent=True)
    return RawTable(name=name, columns=columns, rows=_rows(cursor, columns, name))


def _rows(cursor: sqlite3.Cursor, columns: tuple[str, ...], name: str) -> Iterator[RawRow]:
    for number, cells in enumerate(cursor, start=1):
        place = f"{name} row {number}"
        for column, cell in zip(columns, cells, strict=True):
            if isinstance(cell, bytes):
                raise StepFailed(f"{place}: column '{column}': holds bytes, not text; leave it out by SQL")
        yield RawRow(place=place, values=dict(zip(columns, cells, strict=True)))


def _whole_table(connection: sqlite3.Connection, source: Source, name: str) -> str:
    """Return the statement that reads the source's table, whose name is one that the database itself gives."""
    tables = [str(row[0]) for row in connection.execute(_TABLES)]
    wanted = source.where.get("table")
    if wanted is None:
        raise StepFailed(
            f"{name}: give the source a table, or the query sql; tables: {', '.join(tables)}", permanent=True
        )
    if wanted not in tables:
        raise StepFailed(f"{name}: has no table '{wanted}'; tables: {', '.join(tables) or 'none'}", permanent=True)
    quoted = str(wanted).replace('"', '""')
    return f'select * from "{quoted}"'  # noqa: S608  an identifier out of the database, quoted


def _bindable(params: Any) -> dict[str, Any]:
    for name, value in params.items():
        if value is not None and not isinstance(value, (str, int, float)):
            raise StepFailed(f"params: {name}: a value is a text, a number, true, false or null", permanent=True)
    return dict(params)


def _mapped(error: Exception, name: str, seconds: float) -> StepFailed:
    text = str(error)
    if text == "interrupted":
        return StepFailed(f"{name}: the query took more than {seconds:g} s", status="timed_out")
    if text in ("not authorized", "authorization denied") or "readonly" in text:
        return StepFailed(f"{name}: a source is only read, and this SQL does more", permanent=True)
    is_final = isinstance(error, (sqlite3.ProgrammingError, sqlite3.Warning)) or "no such" in text or "syntax" in text
    return StepFailed(f"{name}: {text}", permanent=is_final)
