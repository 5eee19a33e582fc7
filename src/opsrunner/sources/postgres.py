"""PostgreSQL, by psycopg."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from opsrunner.errors import StepFailed
from opsrunner.model.database import Database
from opsrunner.sources.sql_link import (
    CONNECT_SECONDS,
    Answer,
    CellKind,
    does_more,
    lost,
    one_line,
    refused,
    shut_down,
    too_slow,
)
from opsrunner.tls import authorities_file

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

_BATCH = 2000
_CURSOR = "opsrunner"
_NO_FILE = "/dev/null/none"
"""libpq checks a certificate whenever it finds a file of authorities, told to or not."""
_NOT_FROM_ENVIRONMENT: Mapping[str, Any] = {"hostaddr": "", "options": "", "passfile": _NO_FILE, "sslcert": ""}
_KINDS: Mapping[int, CellKind] = {
    **dict.fromkeys((20, 21, 23, 701, 1700), "number"),  # int8, int2, int4, float8, numeric
    **dict.fromkeys((25, 1043), "text"),  # text, varchar
    1082: "date",
    1114: "moment",
    1184: "instant",
}
_TIME_IS_OVER = "57014"
_WRITES = "25006"
_NO_RIGHT = "42501"
_SIGNING_IN = "28"
_FINAL_CLASSES = frozenset({"0A", "22", "28", "3D", "42"})
_LOST_CLASSES = frozenset({"08", "57"})
_REFUSED = ("password authentication failed", "no pg_hba.conf entry", "does not exist", "no password supplied")
_NO_TLS = ("does not support SSL", "SSL error", "certificate")


def connect_postgres(database: Database, *, name: str, seconds: float, zone: tzinfo) -> PostgresLink:
    """Return a connection to a PostgreSQL server. Raises StepFailed; `name` is the source's."""
    try:
        return PostgresLink(database, seconds=seconds, zone=zone)
    except psycopg.Error as exc:
        raise _meaning(exc, name=name, place=f"PostgreSQL at {database.place}") from exc


class PostgresLink:
    """A connection to a PostgreSQL server, in a transaction that only reads."""

    called = "PostgreSQL"
    stamp_zone: tzinfo = UTC

    def __init__(self, database: Database, *, seconds: float, zone: tzinfo) -> None:
        """Connect and begin to read. Raises what psycopg raises."""
        self._database = database
        self._cursor: psycopg.ServerCursor[Any] | None = None
        self._connection = psycopg.connect(
            host=database.socket or database.host,
            port=database.port,
            dbname=database.name,
            user=database.user or None,
            password=str(database.password or ""),
            application_name="opsrunner",
            client_encoding="UTF8",
            connect_timeout=max(2, int(min(seconds, CONNECT_SECONDS))),  # libpq takes less as two seconds
            gssencmode="disable",
            **_NOT_FROM_ENVIRONMENT,
            **_tls(database),
        )
        try:
            self._connection.read_only = True
            self._begin(seconds, str(zone))
        except BaseException:
            self.close()
            raise

    @cached_property
    def dialect(self) -> Dialect:
        """How SQL is written there."""
        return PGDialect_psycopg()  # type: ignore[no-untyped-call]

    def execute(self, sql: str, values: Mapping[str, Any]) -> Answer:
        """Ask one query, by a cursor of the server: what writes cannot be declared as one."""
        self._cursor = cursor = self._connection.cursor(_CURSOR)
        cursor.itersize = _BATCH
        cursor.execute(sql.encode(), dict(values))
        columns = cursor.description or ()
        return Answer(
            columns=tuple(column.name for column in columns),
            kinds=tuple(_KINDS.get(column.type_code, "other") for column in columns),
            rows=_rows(cursor),
        )

    def failure(self, error: Exception, *, name: str) -> StepFailed | None:
        """Return what an error of psycopg means to people."""
        if not isinstance(error, psycopg.Error):
            return None
        return _meaning(error, name=name, place=f"{self.called} at {self._database.place}")

    def hang_up(self) -> None:
        """End the connection at once."""
        with suppress(psycopg.Error):
            shut_down(self._connection.fileno())

    def close(self) -> None:
        """End the connection."""
        self.hang_up()
        self._connection.close()
        if self._cursor is not None:
            self._cursor.close()

    def _begin(self, seconds: float, zone: str) -> None:
        """Set the transaction's time and clock; behind a pooler the next one is somebody else's."""
        settings = {"statement_timeout": str(max(1, int(seconds * 1000))), "TimeZone": zone}
        for name, value in settings.items():
            self._connection.execute("select set_config(%s, %s, true)", (name, value))


def _tls(database: Database) -> dict[str, Any]:
    if not database.is_encrypted:
        return {"sslmode": "disable"}
    if not database.verify:
        return {"sslmode": "require", "sslrootcert": _NO_FILE}
    return {
        "sslmode": "verify-full",
        "sslrootcert": database.ca or authorities_file(),
        "ssl_min_protocol_version": "TLSv1.2",
    }


def _rows(cursor: Any) -> Iterator[Sequence[Any]]:
    yield from cursor
    cursor.close()


def _meaning(error: psycopg.Error, *, name: str, place: str) -> StepFailed:
    state, said = error.sqlstate or "", _said(error)
    if not state:
        return _meaning_without_state(error, said, name=name, place=place)
    if state == _TIME_IS_OVER:
        return too_slow(name)
    if state == _WRITES:
        return does_more(name, said)
    if state == _NO_RIGHT or state.startswith(_SIGNING_IN):
        return refused(name, place, said)
    if state[:2] in _LOST_CLASSES:
        return lost(name, place)
    return StepFailed(f"{name}: {place}: {said}", permanent=state[:2] in _FINAL_CLASSES)


def _meaning_without_state(error: psycopg.Error, said: str, *, name: str, place: str) -> StepFailed:
    """Return what an error of libpq or of psycopg itself means: no server has given it a number."""
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return StepFailed(f"{name}: no answer from {place}: it took too long")
    if any(words in said for words in _NO_TLS):
        return StepFailed(f"{name}: {place}: no TLS that we can trust: {said}", permanent=True)
    if any(words in said for words in _REFUSED):
        return refused(name, place, said)
    if isinstance(error, psycopg.DataError):
        return StepFailed(f"{name}: {place}: {said}", permanent=True)
    if "connection failed" in str(error) or "connection is bad" in str(error):
        return StepFailed(f"{name}: no answer from {place}: {said}")
    return lost(name, place)


def _said(error: psycopg.Error) -> str:
    """Return what the server says, without libpq's account of how it got there."""
    if error.diag.message_primary:
        return one_line(error.diag.message_primary)
    last = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return one_line(last.rpartition("FATAL: ")[2].rpartition(" failed: ")[2].strip())
