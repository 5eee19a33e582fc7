"""Which rows a query wants, and in which order: `where`, `order_by`, `limit`."""

from __future__ import annotations

import difflib
import heapq
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column
from opsrunner.records import dataclass
from opsrunner.sources.values import BadValue, ColumnType, parse_value, relative_moment

Test: TypeAlias = Callable[[Any], bool]

_ORDERINGS: Mapping[str, Callable[[Any, Any], bool]] = {
    "before": operator.lt,
    "after": operator.gt,
    "below": operator.lt,
    "above": operator.gt,
    "at_least": operator.ge,
    "at_most": operator.le,
}
_OF_TIME = frozenset({"before", "after"})
_OF_NUMBERS = frozenset({"below", "above"})
OPERATORS = ("not", *_ORDERINGS)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One condition on a column as data, for a reader that sorts out rows before it gives them.

    `operator` is `equal`, `not` or one of the orderings; `operand` is of the column's declared type, a list of
    such, or None for what is empty.
    """

    column: str
    type: ColumnType
    operator: str
    operand: Any


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """All tests that a row must pass; `comparisons` are those on declared columns."""

    tests: tuple[tuple[str, Test], ...]
    comparisons: tuple[Comparison, ...] = ()

    def hold(self, row: Row) -> bool:
        """Tell whether `row` is wanted."""
        return all(test(row.get(column)) for column, test in self.tests)


class ConditionMaker:
    """Makes tests of a query's `where`; operands are read as the column's declared type."""

    def __init__(self, columns: Iterable[Column], *, zone: ZoneInfo, now: datetime, decimal: str) -> None:
        self._types: dict[str, ColumnType] = {column.name: column.type for column in columns}
        self._zone = zone
        self._now = now
        self._decimal = decimal

    def make(self, where: Mapping[str, Any]) -> Conditions:
        """Return the tests. Raises StepFailed (permanent) for a condition that cannot be."""
        tests: list[tuple[str, Test]] = []
        comparisons: list[Comparison] = []
        for column, condition in where.items():
            try:
                tests += [(column, test) for test in self._tests(column, condition)]
                comparisons += self._comparisons(column, condition)
            except BadValue as exc:
                raise StepFailed(f"where: {column}: {exc}", permanent=True) from exc
        return Conditions(tests=tuple(tests), comparisons=tuple(comparisons))

    def _tests(self, column: str, condition: Any) -> list[Test]:
        if not isinstance(condition, Mapping):
            return [self._equal(column, condition)]
        return [self._operation(column, name, operand) for name, operand in condition.items()]

    def _comparisons(self, column: str, condition: Any) -> list[Comparison]:
        """Return the conditions on a column as data; none for a column whose type is not declared."""
        type_ = self._types.get(column)
        if type_ is None:
            return []
        parts = condition.items() if isinstance(condition, Mapping) else (("equal", condition),)
        return [
            Comparison(column=column, type=type_, operator=name, operand=self._operands(column, operand))
            for name, operand in parts
        ]

    def _operands(self, column: str, operand: Any) -> Any:
        if isinstance(operand, (list, tuple)):
            return tuple(self._operands(column, one) for one in operand)
        return None if operand is None else self._operand(column, operand)

    def _operation(self, column: str, name: str, operand: Any) -> Test:
        if name == "not":
            equal = self._equal(column, operand)
            return lambda cell: not equal(cell)
        if name not in _ORDERINGS:
            raise BadValue(f"unknown condition '{name}'; there are: {', '.join(OPERATORS)}")
        bound = self._bound(column, name, operand)
        compare = _ORDERINGS[name]
        return lambda cell: _is_comparable(cell, bound, column) and compare(cell, bound)

    def _equal(self, column: str, wanted: Any) -> Test:
        if isinstance(wanted, (list, tuple)):
            tests = [self._equal(column, one) for one in wanted]
            return lambda cell: any(test(cell) for test in tests)
        if wanted is None:
            return lambda cell: cell is None or cell == ""
        if column in self._types:
            value = self._operand(column, wanted)
            return lambda cell: bool(cell == value)
        return lambda cell: _same(cell, wanted)

    def _bound(self, column: str, name: str, operand: Any) -> Any:
        type_ = self._types.get(column)
        is_time = type_ in ("moment", "date")
        if name in _OF_TIME and not is_time:
            raise BadValue(f"'{name}' is for columns declared as moment or date")
        if name in _OF_NUMBERS and is_time:
            raise BadValue(f"'{name}' is for numbers; a {type_} takes before, after, at_least, at_most")
        if type_ in ("text", "flag"):
            raise BadValue(f"'{name}' needs a column declared as number, moment or date; it is a {type_}")
        if type_ is None:
            return parse_value(operand, "number", zone=self._zone)
        return self._operand(column, operand)

    def _operand(self, column: str, operand: Any) -> Any:
        type_ = self._types[column]
        if operand is None:
            raise BadValue("null cannot be compared; leave the condition out")
        if type_ in ("moment", "date") and isinstance(operand, str):
            moment = relative_moment(operand.strip(), now=self._now, zone=self._zone)
            if moment is not None:
                return moment if type_ == "moment" else moment.astimezone(self._zone).date()
        if type_ == "number" and isinstance(operand, str) and "," not in operand:
            return parse_value(operand, type_, zone=self._zone)
        return parse_value(operand, type_, zone=self._zone, decimal=self._decimal)


def require_known(names: Iterable[str], *, columns: Sequence[str], table: str, option: str) -> None:
    """Raise StepFailed (permanent) for a column that the table does not have, with the nearest one."""
    for name in names:
        if name in columns:
            continue
        close = difflib.get_close_matches(name, columns, n=1)
        hint = f", did you mean '{close[0]}'?" if close else f"; there are: {', '.join(columns) or 'none'}"
        raise StepFailed(f"{option}: {table} has no column '{name}'{hint}", permanent=True)


def ordered(rows: list[Row], order_by: Sequence[str]) -> list[Row]:
    """Return the rows sorted by columns; `-name` sorts downwards, and empty values always come last."""
    for name in reversed(order_by):
        column = name.removeprefix("-")
        filled = [row for row in rows if row.get(column) is not None]
        empty = [row for row in rows if row.get(column) is None]
        filled.sort(key=lambda row: _rank(row[column]), reverse=name.startswith("-"))
        rows = [*filled, *empty]
    return rows


def first_ordered(rows: Iterable[Row], order_by: Sequence[str], *, limit: int) -> list[Row]:
    """Return the first rows as `ordered` has them, and keep no more than these while they come."""
    columns = tuple((name.removeprefix("-"), name.startswith("-")) for name in order_by)
    return heapq.nsmallest(limit, rows, key=lambda row: _Place(row, columns))


class _Place:
    """Where a row stands among others."""

    __slots__ = ("_columns", "_row")

    def __init__(self, row: Row, columns: tuple[tuple[str, bool], ...]) -> None:
        self._row = row
        self._columns = columns

    def __lt__(self, other: _Place) -> bool:
        for name, is_downwards in self._columns:
            mine, its = self._row.get(name), other._row.get(name)
            if mine is None or its is None:
                if mine is its:
                    continue
                return its is None
            if mine != its:
                return _rank(its) < _rank(mine) if is_downwards else _rank(mine) < _rank(its)
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and not self < other and not other < self

    __hash__ = None  # type: ignore[assignment]  # it is what it is beside others


def _is_comparable(cell: Any, bound: Any, column: str) -> bool:
    if cell is None or cell == "":
        return False
    if isinstance(cell, bool) or (isinstance(bound, (int, float)) and not isinstance(cell, (int, float))):
        raise StepFailed(
            f"where: {column}: {cell!r} is no number; declare the column's type at the source", permanent=True
        )
    return True


def _same(cell: Any, wanted: Any) -> bool:
    if isinstance(cell, bool) or isinstance(wanted, bool):
        return str(cell).lower() == str(wanted).lower()
    return bool(cell == wanted) or (cell is not None and str(cell) == str(wanted))


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, (bool, int, float)):
        return 0, value
    if isinstance(value, datetime):
        return 1, value
    if isinstance(value, date):
        return 2, value
    return 3, str(value)
