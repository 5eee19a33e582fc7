"""MariaDB and MySQL, by PyMySQL."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import encoders
from pymysql.cursors import Cursor, SSCursor
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

from opsrunner.errors import StepFailed
from opsrunner.model.database import Database
from opsrunner.sources.sql_link import (
    CONNECT_SECONDS,
    GRACE_SECONDS,
    Answer,
    CellKind,
    does_more,
    lost,
    one_line,
    refused,
    shut_down,
    too_slow,
)
from opsrunner.tls import client_context, refusal

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

_BATCH = 500
_SEND_SECONDS = 600
"""How long the server waits for us to take rows: who takes them may be busy with each."""
_NUMBERS = (
    *(FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.INT24, FIELD_TYPE.YEAR),
    *(FIELD_TYPE.DOUBLE, FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL),
)
_TEXTS = (
    *(FIELD_TYPE.VARCHAR, FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.BLOB),
    *(FIELD_TYPE.TINY_BLOB, FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB),
)
_KINDS: Mapping[int, CellKind] = {
    **dict.fromkeys(_NUMBERS, "number"),
    **dict.fromkeys(_TEXTS, "text"),
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.DATETIME: "moment",
    FIELD_TYPE.TIMESTAMP: "instant",
}
_UNKNOWN_VARIABLE = 1193
_TIME_IS_OVER = frozenset({1969, 3024})
_WRITES = frozenset({1290, 1792, 1836})
_REFUSED = frozenset({1044, 1045, 1698, 1862, 4151})
_LOST = frozenset({1053, 1077, 1079, 2006, 2013, 2055})
_NO_CONNECTION = frozenset({2002, 2003, 2005})
_NO_TLS = 2026
_MAY_PASS = frozenset({1040, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226, 1317})


class _Cursor(SSCursor):
    """Rows as they come; of what is not wanted any more nothing is read, where PyMySQL would read it through."""

    def close(self) -> None:
        """Let go of the answer. The connection can be asked nothing more if there was more of it."""
        result: Any = self._result  # type: ignore[attr-defined]  # its types leave it out
        if result is not None and result.unbuffered_active:
            result.unbuffered_active = False
        self.connection = None  # type: ignore[assignment]  # as PyMySQL's own does

    __del__ = close


def connect_mariadb(database: Database, *, name: str, seconds: float, now: datetime, zone: tzinfo) -> MariaDbLink:
    """Return a connection to a MariaDB or MySQL server. Raises StepFailed; `name` is the source's."""
    try:
        return MariaDbLink(database, seconds=seconds, now=now, zone=zone)
    except (pymysql.Error, RuntimeError) as exc:
        raise _failure(exc, name=name, database=database) from exc
    except OSError as exc:
        raise StepFailed(f"{name}: ca: {(exc.strerror or 'holds no certificate').lower()}", permanent=True) from exc
    except (IndexError, ValueError, AssertionError, struct.error) as exc:
        raise StepFailed(f"{name}: what answers at {database.place} is no MariaDB or MySQL server") from exc


class MariaDbLink:
    """A connection to a MariaDB or MySQL server."""

    called = "MariaDB"

    def __init__(self, database: Database, *, seconds: float, now: datetime, zone: tzinfo) -> None:
        """Connect and begin to read. Raises what PyMySQL raises, and OSError where `ca` cannot be read.

        The session's clock is that of `zone` at `now`, so that NOW() is the hour on the wall there, and a
        TIMESTAMP comes with a zone that is known, also where two hours of the year are called the same.
        """
        self._database = database
        self._zone = timezone(now.astimezone(zone).utcoffset() or timedelta())
        tls = _tls(database) if database.is_encrypted else None
        self._connection = pymysql.connect(
            host=database.host,
            port=database.port,
            unix_socket=database.socket or None,
            user=database.user or None,
            password=str(database.password or "").encode(),
            database=database.name,
            charset="utf8mb4",
            cursorclass=_Cursor,
            conv=dict[Any, Any](encoders) | _decoders(self._zone),
            connect_timeout=min(seconds, CONNECT_SECONDS),
            read_timeout=seconds + GRACE_SECONDS,
            write_timeout=CONNECT_SECONDS,
            autocommit=None,
            program_name="opsrunner",
            **({"ssl": tls} if tls else {"ssl_disabled": True}),
        )
        try:
            self._begin(seconds)
        except BaseException:
            self.close()
            raise

    @cached_property
    def dialect(self) -> Dialect:
        """How SQL is written there."""
        return MySQLDialect_pymysql(paramstyle="pyformat")

    @property
    def stamp_zone(self) -> tzinfo:
        """The zone of the session, in which TIMESTAMPs come and are compared."""
        return self._zone

    def execute(self, sql: str, values: Mapping[str, Any]) -> Answer:
        """Ask one query."""
        cursor = self._connection.cursor()
        cursor.execute(sql, dict(values))
        columns = cursor.description or ()
        return Answer(
            columns=tuple(str(column[0]) for column in columns),
            kinds=tuple(_KINDS.get(int(column[1]), "other") for column in columns),
            rows=_rows(cursor),
        )

    def failure(self, error: Exception, *, name: str) -> StepFailed | None:
        """Return what an error of PyMySQL means to people."""
        if not isinstance(error, (pymysql.Error, RuntimeError)):
            return None
        return _failure(error, name=name, database=self._database)

    def hang_up(self) -> None:
        """End the connection at once."""
        _hang_up(self._connection)

    def close(self) -> None:
        """End the connection."""
        _hang_up(self._connection)
        with suppress(pymysql.Error, OSError):
            self._connection.close()

    def _begin(self, seconds: float) -> None:
        """Allow reading only, for a time. MySQL's limit has another name and unit than MariaDB's."""
        self._say("SET SESSION TRANSACTION READ ONLY")
        self._say("SET time_zone = %s, net_write_timeout = %s", (_offset(self._zone), _SEND_SECONDS))
        try:
            self._say("SET SESSION max_statement_time = %s", (seconds,))
        except pymysql.Error as exc:
            if _parts(exc)[0] != _UNKNOWN_VARIABLE:
                raise
            self._say("SET SESSION max_execution_time = %s", (int(seconds * 1000),))
        self._say("START TRANSACTION READ ONLY")

    def _say(self, sql: str, values: Sequence[Any] = ()) -> None:
        with self._connection.cursor(Cursor) as cursor:
            cursor.execute(sql, tuple(values))


def _tls(database: Database) -> ssl.SSLContext:
    context = client_context(verify=database.verify)
    if database.ca:
        context.load_verify_locations(cafile=database.ca)
    return context


def _hang_up(connection: Any) -> None:
    opened = connection._sock
    if opened is not None:
        shut_down(opened.fileno())


def _rows(cursor: Any) -> Iterator[Sequence[Any]]:
    try:
        while batch := cursor.fetchmany(_BATCH):
            yield from batch
    finally:
        cursor.close()


def _decoders(zone: tzinfo) -> dict[int, Callable[[Any], Any]]:
    """Return what makes values of the texts that the server sends; those of no type that we know stay texts."""

    def stamp(text: str) -> Any:
        moment = _moment(text)
        return moment.replace(tzinfo=zone) if isinstance(moment, datetime) else moment

    whole = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.INT24, FIELD_TYPE.YEAR)
    return {
        **dict.fromkeys(whole, int),
        FIELD_TYPE.FLOAT: float,
        FIELD_TYPE.DOUBLE: float,
        FIELD_TYPE.DECIMAL: Decimal,
        FIELD_TYPE.NEWDECIMAL: Decimal,
        FIELD_TYPE.DATE: _date,
        FIELD_TYPE.DATETIME: _moment,
        FIELD_TYPE.TIMESTAMP: stamp,
        FIELD_TYPE.BIT: lambda raw: int.from_bytes(raw, "big"),
    }


def _date(text: str) -> Any:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text  # 0000-00-00, 2026-00-00: whoever reads the column says what that means there


def _moment(text: str) -> Any:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def _offset(zone: tzinfo) -> str:
    """Return a fixed zone as MariaDB writes it: +01:00."""
    minutes = int((zone.utcoffset(None) or timedelta()).total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _parts(error: pymysql.Error) -> tuple[int, str]:
    """Return the number and the text of an error."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    return code, one_line(str(error.args[-1]) if error.args else type(error).__name__)


def _failure(error: Exception, *, name: str, database: Database) -> StepFailed:
    place = f"MariaDB at {database.place}"
    cause = getattr(error, "original_exception", error)
    if isinstance(cause, ssl.SSLError):
        return StepFailed(f"{name}: {place}: {refusal(cause)}", permanent=True)
    if not isinstance(error, pymysql.Error):
        return StepFailed(f"{name}: {place} asks for a file of this machine, and gets none", permanent=True)
    code, said = _parts(error)
    return _meaning(code, said, name=name, place=place, error=error)


def _meaning(code: int, said: str, *, name: str, place: str, error: pymysql.Error) -> StepFailed:
    said_plainly = {
        **dict.fromkeys(_TIME_IS_OVER, too_slow(name)),
        **dict.fromkeys(_WRITES, does_more(name, said)),
        **dict.fromkeys(_REFUSED, refused(name, place, said)),
        **dict.fromkeys(_LOST, lost(name, place)),
        **dict.fromkeys(_NO_CONNECTION, StepFailed(f"{name}: no answer from {place}: {_reason(error)}")),
        _NO_TLS: StepFailed(f"{name}: {place} speaks no TLS, and without it nothing is sent there", permanent=True),
        0: StepFailed(f"{name}: what answers at {place} is no such server, or broke off"),
    }
    known = said_plainly.get(code)
    return known or StepFailed(f"{name}: {place}: {said}", permanent=code not in _MAY_PASS)


def _reason(error: pymysql.Error) -> str:
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, TimeoutError):
        return "it took too long"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return "the connection was ended" if cause is None else one_line(str(cause))
