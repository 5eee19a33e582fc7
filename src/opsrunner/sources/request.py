"""What a query asks of a source, and what the source gives before its values are typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from opsrunner.secrets import Vault
from opsrunner.sources.selection import Comparison

DEFAULT_SECONDS = 60.0
MOST_ROWS = 100_000
"""What a query may keep: its rows go into the ledger."""
MOST_STREAMED_ROWS = 1_000_000
"""What is given one by one, to whoever keeps none of them."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of a query, and what readers need beside them."""

    vault: Vault
    site_root: Path
    now: datetime
    where: Mapping[str, Any] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    """What of `where` a reader may sort out by itself; all of it is asked again of what it gives."""
    sql: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    order_by: tuple[str, ...] = ()
    """Columns; one with `-` in front is sorted downwards."""
    limit: int | None = None
    timeout_seconds: float = DEFAULT_SECONDS


class RawRow(NamedTuple):
    """One row as it stands in the source; `place` says where, fit for the front of a message.

    A tuple, because there may be a hundred thousand of them.
    """

    place: str
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """What a reader gives. `name` is what people call it: the path of a file, else the source's name."""

    name: str
    columns: tuple[str, ...]
    rows: Iterator[RawRow]
    columns_are_known: bool = True
    """False: the source names no columns and has no rows to learn them from."""
    has_others: Callable[[], bool] = lambda: False
    """Tells whether there are rows that the reader sorted out by itself."""
