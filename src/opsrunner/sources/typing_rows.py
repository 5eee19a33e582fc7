"""Raw rows become typed rows by the columns that the source declares."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column, Source
from opsrunner.sources.request import RawTable
from opsrunner.sources.values import BadValue, Reader, value_reader


def typed_rows(table: RawTable, source: Source) -> Iterator[Row]:
    """Give the table's rows with declared columns typed; undeclared ones stay as the source has them.

    Raises StepFailed for a declared column that the source lacks, and, when all rows were read, for
    values that are not of their type: the first one by its place, the others as a count. From the first
    such value on no more rows are given.
    """
    _require_columns(table, source.columns)
    readers = _readers(source)
    first, count = "", 0
    for place, values in table.rows:
        row = dict(values)
        for name, read in readers:
            try:
                row[name] = read(row.get(name))
            except BadValue as exc:
                count += 1
                first = first or f"{place}: column '{name}': {exc}"
        if not count:
            yield row
    if count:
        others = f" (and {count - 1} more value{'s' if count > 2 else ''})" if count > 1 else ""
        raise StepFailed(first + others, facts={"bad_values": count})


def _readers(source: Source) -> tuple[tuple[str, Reader], ...]:
    """Return for each declared column what reads its values, made once for all rows."""
    zone, decimal = ZoneInfo(source.timezone), str(source.where.get("decimal") or ".")
    return tuple(
        (column.name, value_reader(column.type, optional=column.optional, zone=zone, decimal=decimal))
        for column in source.columns
    )


def _require_columns(table: RawTable, declared: tuple[Column, ...]) -> None:
    if not table.columns_are_known:
        return
    missing = [column.name for column in declared if column.name not in table.columns]
    if missing:
        named = ", ".join(f"'{name}'" for name in missing)
        word = "column" if len(missing) == 1 else "columns"
        raise StepFailed(f"{table.name}: no {word} {named}; there are: {', '.join(table.columns) or 'none'}")
