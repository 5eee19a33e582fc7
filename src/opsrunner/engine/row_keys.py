"""Which rows of a look are occasions: those with a key that no other row has. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import date
from typing import Any

from opsrunner.errors import StepFailed
from opsrunner.ledger.codec import clean
from opsrunner.mail.headers import clean_line
from opsrunner.model.outcome import Row
from opsrunner.model.rows import KeyedRow
from opsrunner.records import dataclass

KEY_LENGTH = 300
MOST_NAMED = 3
SHOWN_COLUMNS = 3


@dataclass(frozen=True, kw_only=True)
class Keyed:
    """What a look found. Of rows that nobody can tell apart, none is an occasion."""

    occasions: tuple[KeyedRow, ...]
    doubts: tuple[str, ...] = ()
    """What is wrong with the other rows, a sentence each."""


def keyed(rows: Sequence[Row], column: str, *, source: str) -> Keyed:
    """Return the rows by their key, in the order of the source. Raises StepFailed where no row has the column.

    The same row twice is one; two rows with one key and other values are a doubt.
    """
    if rows and not any(column in row for row in rows):
        raise StepFailed(_no_column(column, rows[0], source=source), permanent=True)
    found: dict[str, Row] = {}
    double: dict[str, None] = {}
    without: list[Row] = []
    for row in rows:
        key = _text(row.get(column))
        if not key:
            without.append(row)
        elif key not in found:
            found[key] = row
        elif found[key] != row:
            double[key] = None
    occasions = tuple(KeyedRow(key=key, row=row) for key, row in found.items() if key not in double)
    return Keyed(occasions=occasions, doubts=tuple(_doubts(without, list(double), column, source=source)))


def _doubts(without: Sequence[Row], double: Sequence[str], column: str, *, source: str) -> list[str]:
    doubts: list[str] = []
    if without:
        count = "a row has" if len(without) == 1 else f"{len(without):,} rows have"
        doubts.append(f"{source}: {count} no {column}: {_short(without[0])}")
    if double:
        named = ", ".join(clean_line(key, length=60) for key in double[:MOST_NAMED])
        more = f" and {len(double) - MOST_NAMED:,} more" if len(double) > MOST_NAMED else ""
        doubts.append(f"{source}: several rows with other values have the {column} {named}{more}")
    return doubts


def _text(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = "" if value is None else str(value)
    if text.isascii() and text.isprintable() and len(text) <= KEY_LENGTH:  # nearly all, and a look may have 100,000
        return " ".join(text.split())
    return clean_line(clean(text), length=KEY_LENGTH)


def _short(row: Row) -> str:
    words = [f"{name} {value}" for name, value in row.items() if value not in (None, "")][:SHOWN_COLUMNS]
    return clean_line(", ".join(words), length=120) or "it is empty"


def _no_column(column: str, row: Row, *, source: str) -> str:
    close = difflib.get_close_matches(column, list(row), n=1)
    hint = f", did you mean '{close[0]}'?" if close else f"; there are: {', '.join(row) or 'none'}"
    return f"{source} has no column '{column}', which on_rows takes as key{hint}"
