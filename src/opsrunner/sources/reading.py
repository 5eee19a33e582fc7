"""Reads a source: opens it, types its rows, keeps those that the query wants."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.errors import SecretUnavailable, StepFailed
from opsrunner.mail.headers import clean_line
from opsrunner.model.outcome import Row, SourceRows
from opsrunner.model.site import Source
from opsrunner.secrets import Vault
from opsrunner.sources.csv_file import open_csv
from opsrunner.sources.request import DEFAULT_SECONDS, MOST_ROWS, MOST_STREAMED_ROWS, Around, RawTable, Request
from opsrunner.sources.selection import ConditionMaker, Conditions, first_ordered, ordered, require_known
from opsrunner.sources.sqlite_file import open_sqlite
from opsrunner.sources.typing_rows import typed_rows


def _open_http_json(source: Source, request: Request) -> AbstractContextManager[RawTable]:
    from opsrunner.sources.http_json import open_http_json  # noqa: PLC0415  httpx2 costs 100 ms; files need none

    return open_http_json(source, request)


def _open_feeds(source: Source, request: Request) -> AbstractContextManager[RawTable]:
    from opsrunner.sources.feeds import open_feeds  # noqa: PLC0415  as above

    return open_feeds(source, request)


def _open_imap(source: Source, request: Request) -> AbstractContextManager[RawTable]:
    from opsrunner.sources.imap_threads import open_imap  # noqa: PLC0415  imap_tools is for few

    return open_imap(source, request)


def _open_sql(source: Source, request: Request) -> AbstractContextManager[RawTable]:
    from opsrunner.sources.sql_database import open_sql  # noqa: PLC0415  SQLAlchemy costs 200 ms

    return open_sql(source, request)


def _open_bounces(source: Source, request: Request) -> AbstractContextManager[RawTable]:
    from opsrunner.sources.bounces import open_bounces  # noqa: PLC0415  the mail library is for who reads mails

    return open_bounces(source, request)


def _open_tables(source: Source, request: Request) -> AbstractContextManager[RawTable]:
    from opsrunner.sources.joined import open_tables  # noqa: PLC0415  who joins nothing needs none of it

    def read(table: Source, seconds: float) -> tuple[Row, ...]:
        options = {"timeout_seconds": max(seconds, 0.001)}
        around = Around(recipient_of=request.around.recipient_of)
        return read_source(
            table, options, vault=request.vault, site_root=request.site_root, now=request.now, around=around
        )

    return open_tables(source, request, read)


LONGEST_MESSAGE = 2_000
Reader = Callable[[Source, Request], AbstractContextManager[RawTable]]
READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "csv": open_csv,
        "sqlite": open_sqlite,
        "sql": _open_sql,
        "http_json": _open_http_json,
        "tables": _open_tables,
        "feeds": _open_feeds,
        "imap": _open_imap,
        "bounces": _open_bounces,
    }
)
SPEAK_SQL = frozenset({"sqlite", "sql", "tables"})


def read_source(
    source: Source,
    options: Mapping[str, Any],
    *,
    vault: Vault,
    site_root: Path,
    now: datetime,
    around: Around | None = None,
) -> tuple[Row, ...]:
    """Return the typed rows of `source` that `options` ask for.

    Options: `where`, `order_by` (a column or several, `-` in front for downwards), `limit`, `sql` with
    `params` for sources that speak SQL, `timeout_seconds`, `stopping` (told to end early). `now` is what
    `now`, `today` and `-14d` in `where` count from; `around` is what readers may use of the site. A source
    with parts of its own gives SourceRows. Raises StepFailed, with file, line and column where a value is bad.
    """
    with _one_line():
        return _read(source, _request(options, vault=vault, site_root=site_root, now=now, around=around))


def _read(source: Source, request: Request) -> tuple[Row, ...]:
    tables: list[RawTable] = []
    may_be_all = request.limit is None or request.limit > MOST_ROWS + 1  # one more tells whether there are others
    most = MOST_ROWS if may_be_all else sys.maxsize
    with closing(_rows(source, request, most=most, take=tables.append)) as rows:
        wanted = _kept(rows, request, tables)
    (table,) = tables
    if not (table.problems or table.parts):
        return tuple(wanted)
    return SourceRows.of(wanted, problems=table.problems, parts=table.parts)


def _kept(rows: Iterator[Row], request: Request, tables: Sequence[RawTable]) -> list[Row]:
    """Return the rows that the query wants, in its order, and keep no others while they come.

    What is over the limit is read all the same, so that a bad value in it is told; but not from a server.
    """
    if request.limit is None:
        return ordered(list(rows), request.order_by)
    if request.order_by:
        return first_ordered(rows, request.order_by, limit=request.limit)
    wanted = list(islice(rows, request.limit))
    if not any(table.is_sent for table in tables):
        deque(rows, maxlen=0)
    return wanted


def stream_source(
    source: Source,
    options: Mapping[str, Any],
    *,
    vault: Vault,
    site_root: Path,
    now: datetime,
    around: Around | None = None,
) -> Generator[Row]:
    """Give the typed rows of `source` one by one, as `read_source` has them; none is kept here.

    The source is open while they come: take them all, or `close()` what this returns. What is wrong with a
    value is told when all rows before it have been given, so do nothing for good before the last one has
    come. Raises StepFailed, also for `order_by`, which needs all rows at once, and, after the last row, where
    a part of the source could not be read.
    """
    request = _request(options, vault=vault, site_root=site_root, now=now, around=around)
    tables: list[RawTable] = []
    if request.order_by:
        raise StepFailed(f"{source.name}: rows that come one by one are not sorted; leave order_by out", permanent=True)
    with _one_line(), closing(_rows(source, request, most=MOST_STREAMED_ROWS, take=tables.append)) as rows:
        yield from rows if request.limit is None else islice(rows, request.limit)
    if any(table.problems for table in tables):
        raise StepFailed(f"{source.name}: not read: {'; '.join(tables[0].problems[:3])}")


@contextmanager
def _one_line() -> Iterator[None]:
    """Make one line of what is wrong: names of columns, and what servers say, are anybody's."""
    try:
        yield
    except StepFailed as exc:
        line = clean_line(exc.message, length=LONGEST_MESSAGE)
        if line == exc.message:
            raise
        raise StepFailed(line, permanent=exc.permanent, status=exc.status, facts=exc.facts) from exc


def _rows(source: Source, request: Request, *, most: int, take: Callable[[RawTable], None]) -> Generator[Row]:
    if request.sql is not None and source.kind not in SPEAK_SQL:
        raise StepFailed(f"{source.name}: a {source.kind} source speaks no SQL; use where", permanent=True)
    conditions = _conditions(source, request)
    request = replace(request, comparisons=conditions.comparisons)
    try:
        with READERS[source.kind](source, request) as table:
            take(table)
            _require_columns_of(request, table)
            typed = typed_rows(table, source if request.sql is None else _declared_in(source, table))
            yield from _wanted(_counted(typed, source, table), conditions, name=table.name, most=most)
    except SecretUnavailable as exc:
        raise StepFailed(f"{source.name}: {exc.message}") from exc


def _conditions(source: Source, request: Request) -> Conditions:
    decimal = str(source.where.get("decimal") or ".")
    zone = ZoneInfo(source.timezone)
    return ConditionMaker(source.columns, zone=zone, now=request.now, decimal=decimal).make(request.where)


def _request(
    options: Mapping[str, Any], *, vault: Vault, site_root: Path, now: datetime, around: Around | None
) -> Request:
    order_by = options.get("order_by") or ()
    return Request(
        vault=vault,
        site_root=site_root,
        now=now,
        where=options.get("where") or {},
        sql=options.get("sql"),
        params=options.get("params") or {},
        order_by=(order_by,) if isinstance(order_by, str) else tuple(order_by),
        limit=options.get("limit"),
        timeout_seconds=options.get("timeout_seconds") or DEFAULT_SECONDS,
        stopping=options.get("stopping"),
        around=around or Around(),
    )


def _require_columns_of(request: Request, table: RawTable) -> None:
    if not table.columns_are_known:
        return
    require_known(request.where, columns=table.columns, table=table.name, option="where")
    sorted_by = [name.removeprefix("-") for name in request.order_by]
    require_known(sorted_by, columns=table.columns, table=table.name, option="order_by")


def _declared_in(source: Source, table: RawTable) -> Source:
    """Return the source with the columns that a query's own SQL gives: it is asked for no others."""
    return replace(source, columns=tuple(column for column in source.columns if column.name in table.columns))


def _counted(rows: Iterator[Row], source: Source, table: RawTable) -> Iterator[Row]:
    """Pass the rows on; none at all is an error where the source expects some, and has no better excuse."""
    is_empty = True
    for row in rows:
        is_empty = False
        yield row
    if is_empty and source.expect_rows and not table.has_others() and not table.problems:
        raise StepFailed(f"{table.name}: has no rows, and this source always has some")


def _wanted(rows: Iterator[Row], conditions: Conditions, *, name: str, most: int) -> Iterator[Row]:
    count = 0
    for row in rows:
        if not conditions.hold(row):
            continue
        count += 1
        if count > most:
            raise StepFailed(f"{name}: more than {most:,} rows; narrow the query", permanent=True)
        yield row
