"""Queries that we write: a table or a ready query, with what of `where` the database can sort out by itself.

What is compared there is a superset of what we compare: a collation may hold `Paid` and `paid` for one, and the
hour that comes twice in autumn is no order. So every row that comes is asked again, and a condition that the
database would understand otherwise is not sent at all.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import quoted_name

from opsrunner.records import dataclass
from opsrunner.sources.request import Request
from opsrunner.sources.selection import Comparison
from opsrunner.sources.sql_link import CellKind
from opsrunner.sources.values import ColumnType

Clause: TypeAlias = sa.ColumnElement[bool]
AMBIGUOUS = timedelta(hours=3)
"""How far apart the wall's hour and the true one may lie where clocks are changed, and more."""
_ORDERINGS: Mapping[str, Callable[[Any, Any], Any]] = {
    "before": operator.lt,
    "below": operator.lt,
    "after": operator.gt,
    "above": operator.gt,
    "at_least": operator.ge,
    "at_most": operator.le,
}
_UPPER = frozenset({"before", "at_most", "below"})
_COMPARED: Mapping[tuple[str, CellKind], str] = {
    ("number", "number"): "number",
    ("text", "text"): "text",
    ("date", "date"): "date",
    ("moment", "moment"): "moment",
    ("moment", "instant"): "instant",
}
"""A declared type and what the database holds → how they are compared; any other pair is not."""

_TYPES: Mapping[str, sa.types.TypeEngine[Any]] = {
    "number": sa.Numeric(),
    "text": sa.String(),
    "date": sa.Date(),
    "moment": sa.DateTime(),
    "instant": sa.DateTime(timezone=True),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """SQL with the drivers' placeholders, and the values for them."""

    sql: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What is read: a table, or a query that gives one."""

    table: str = ""
    """Its name, after a schema and a point if need be."""
    query: str = ""
    not_compared: frozenset[str] = frozenset()
    """Columns that are changed after they were read."""

    def clause(self) -> sa.FromClause:
        """Return it as it stands after FROM; every name is quoted, and no text becomes SQL but the query's own."""
        if self.query:
            return sa.text(self.query.replace(":", "\\:") + "\n").columns().subquery("ready")
        schema, _, name = self.table.rpartition(".")
        return sa.table(quoted_name(name, quote=True), schema=quoted_name(schema, quote=True) if schema else None)


class Selecting:
    """Writes queries of one origin for one server."""

    def __init__(self, origin: Origin, *, dialect: Dialect, zone: tzinfo, stamp_zone: tzinfo) -> None:
        self._origin = origin
        self._dialect = dialect
        self._zone = zone
        self._stamp_zone = stamp_zone

    def columns(self) -> Asked:
        """Ask what the columns are, and for no rows."""
        return self._asked(self._all().where(sa.text("1 = 0")))

    def any_row(self) -> Asked:
        """Ask for one row, whichever."""
        return self._asked(self._all().limit(1))

    def rows(self, request: Request, kinds: Mapping[str, CellKind], *, types: Mapping[str, ColumnType]) -> Asked:
        """Ask for the rows that the request may want, and no fewer; `types` are those of the declared columns.

        Where nothing of `where` is left to us, the server sorts and counts, too: the hour that no wall has in
        spring apart, in which a moment may come before one that it is said to follow.
        """
        compared = {name: self._compared(name, type_, kinds) for name, type_ in types.items()}
        statement, is_whole = self._all(), {one.column for one in request.comparisons} >= set(request.where)
        for comparison in request.comparisons:
            way = compared[comparison.column]
            clauses = self._clauses(comparison, way) if way else []
            statement = statement.where(*clauses)
            is_whole = is_whole and bool(clauses) and _is_exact(comparison, way)
        order = [self._in_order(name, compared.get(name.removeprefix("-"), "")) for name in request.order_by]
        if request.limit is None or not is_whole or not all(order):
            return self._asked(statement)
        return self._asked(statement.order_by(*(part for parts in order for part in parts)).limit(request.limit))

    def _compared(self, name: str, type_: ColumnType, kinds: Mapping[str, CellKind]) -> str:
        """Return how a column is compared there; '' where only we can."""
        return "" if name in self._origin.not_compared else _COMPARED.get((type_, kinds.get(name, "other")), "")

    def _in_order(self, name: str, compared: str) -> list[sa.ColumnElement[Any]]:
        """Return what sorts by a column as we do, empty values last; nothing where only we can."""
        column: sa.ColumnClause[Any] = sa.column(quoted_name(name.removeprefix("-"), quote=True))
        is_empty = _empty(column, compared) if compared else None
        if is_empty is None:
            return []
        return [sa.case((is_empty, 1), else_=0), column.desc() if name.startswith("-") else column.asc()]

    def _all(self) -> sa.Select[Any]:
        return sa.select(sa.text("*")).select_from(self._origin.clause())

    def _asked(self, statement: sa.Select[Any]) -> Asked:
        compiled = statement.compile(dialect=self._dialect)
        return Asked(sql=str(compiled), values=dict(compiled.params))

    def _clauses(self, comparison: Comparison, compared: str) -> list[Clause]:
        """Return what no row misses that the comparison holds for; nothing where there is no such condition."""
        column: sa.ColumnClause[Any] = sa.column(quoted_name(comparison.column, quote=True))
        operand = comparison.operand
        if comparison.operator == "not":
            return _not(column, operand, compared, self._value(operand, compared))
        if isinstance(operand, tuple):
            each = [self._equal(column, one, compared) for one in operand]
            known = [clause for clause in each if clause is not None]
            return [sa.or_(*known)] if known and len(known) == len(each) else []
        if comparison.operator == "equal":
            clause = self._equal(column, operand, compared)
            return [] if clause is None else [clause]
        return [self._ordered(column, comparison.operator, operand, compared)]

    def _equal(self, column: sa.ColumnClause[Any], operand: Any, compared: str) -> Clause | None:
        if operand is None:
            return _empty(column, compared)
        if compared == "text" and not _is_sendable(operand):
            return None
        if compared == "moment":
            wall = operand.astimezone(self._zone).replace(tzinfo=None)
            return column.between(_literal(wall - AMBIGUOUS, compared), _literal(wall + AMBIGUOUS, compared))
        clause: Clause = column == self._value(operand, compared)
        return clause

    def _ordered(self, column: sa.ColumnClause[Any], name: str, operand: Any, compared: str) -> Clause:
        if compared == "moment":
            wall = operand.astimezone(self._zone).replace(tzinfo=None)
            operand = wall + AMBIGUOUS if name in _UPPER else wall - AMBIGUOUS
        clause: Clause = _ORDERINGS[name](column, self._value(operand, compared))
        return clause

    def _value(self, operand: Any, compared: str) -> Any:
        if compared == "instant" and isinstance(operand, datetime):
            operand = operand.astimezone(self._stamp_zone)
        return _literal(operand, compared)


def _is_exact(comparison: Comparison, compared: str) -> bool:
    """Tell whether the server finds just what we do. MariaDB's 0000-00-00 comes before every date."""
    if compared == "number":
        return True
    return compared in ("date", "instant") and comparison.operator in ("after", "at_least")


def _not(column: sa.ColumnClause[Any], operand: Any, compared: str, value: Any) -> list[Clause]:
    if operand is None:
        return [column.is_not(None)]
    if isinstance(operand, tuple) or compared not in ("number", "date", "instant"):
        return []  # a collation may hold two texts for one that we tell apart
    return [sa.or_(column != value, column.is_(None))]


def _empty(column: sa.ColumnClause[Any], compared: str) -> Clause | None:
    """Return what holds for all that we take for empty: for MariaDB's 0000-00-00, too, but not for blanks."""
    if compared == "text":
        return None
    if compared == "number":
        return column.is_(None)
    first = date.min if compared == "date" else datetime.min.replace(tzinfo=UTC if compared == "instant" else None)
    return sa.or_(column.is_(None), column < _literal(first, compared))


def _is_sendable(text: str) -> bool:
    """Tell whether every database takes a text: none of them a NUL, nor half a character."""
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def _literal(value: Any, compared: str) -> sa.BindParameter[Any]:
    """Return a value that goes beside the SQL, never into it."""
    return sa.literal(value, _TYPES[compared])
