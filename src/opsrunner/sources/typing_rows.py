"""Raw rows become typed rows by the columns that the source declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column, Source
from opsrunner.sources.request import RawRow, RawTable
from opsrunner.sources.values import BadValue, parse_value


def typed_rows(table: RawTable, source: Source) -> Iterator[Row]:
    """Give the table's rows with declared columns typed; undeclared ones stay as the source has them.

    Raises StepFailed for a declared column that the source lacks, and, when all rows were read, for
    values that are not of their type: the first one by its place, the others as a count.
    """
    _require_columns(table, source.columns)
    reading = _Reading(source)
    for raw in table.rows:
        row = reading.typed(raw)
        if reading.first_problem is None:
            yield row
    reading.raise_problems()


class _Reading:
    def __init__(self, source: Source) -> None:
        self._columns = source.columns
        self._zone = ZoneInfo(source.timezone)
        self._decimal = str(source.where.get("decimal") or ".")
        self.first_problem: str | None = None
        self._problems = 0

    def typed(self, raw: RawRow) -> Row:
        row = dict(raw.values)
        for column in self._columns:
            try:
                row[column.name] = self._value(raw.values, column)
            except BadValue as exc:
                self._problems += 1
                self.first_problem = self.first_problem or f"{raw.place}: column '{column.name}': {exc}"
        return row

    def raise_problems(self) -> None:
        if self.first_problem is None:
            return
        others = f" (and {self._problems - 1} more values)" if self._problems > 1 else ""
        raise StepFailed(self.first_problem + others, facts={"bad_values": self._problems})

    def _value(self, values: Mapping[str, Any], column: Column) -> Any:
        raw = values.get(column.name)
        if raw is None or (isinstance(raw, str) and not raw.strip()):
            if column.optional:
                return None
            raise BadValue(f"is empty; declare it as '{column.type}?' where that may be")
        return parse_value(raw, column.type, zone=self._zone, decimal=self._decimal)


def _require_columns(table: RawTable, declared: tuple[Column, ...]) -> None:
    if not table.columns_are_known:
        return
    missing = [column.name for column in declared if column.name not in table.columns]
    if missing:
        named = ", ".join(f"'{name}'" for name in missing)
        word = "column" if len(missing) == 1 else "columns"
        raise StepFailed(f"{table.name}: no {word} {named}; there are: {', '.join(table.columns) or 'none'}")
