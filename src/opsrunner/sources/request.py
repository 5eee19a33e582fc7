"""What a query asks of a source, and what the source gives before its values are typed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from opsrunner.errors import StepFailed
from opsrunner.exchange import Stopping
from opsrunner.model.outcome import Row
from opsrunner.records import dataclass
from opsrunner.secrets import Vault
from opsrunner.sources.selection import Comparison

DEFAULT_SECONDS = 60.0
MOST_ROWS = 100_000
"""What a query may keep: its rows go into the ledger."""
MOST_STREAMED_ROWS = 1_000_000
"""What is given one by one, to whoever keeps none of them."""


def _no_other(name: str) -> tuple[Row, ...]:
    raise StepFailed(f"there is no source '{name}'", permanent=True)


def _not_ours(message_id: str) -> str:  # noqa: ARG001 - the form of what is asked
    return ""


@dataclass(frozen=True, kw_only=True)
class Around:
    """What a reader may use of the site around its source."""

    memory: Path | None = None
    """Folder where it keeps what it can fetch anew, so that it need not; None: nowhere."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """The names of the site's hosts by their addresses."""
    other: Callable[[str], tuple[Row, ...]] = _no_other
    """Reads another source by its name, whole; raises StepFailed."""
    recipient_of: Callable[[str], str] = _not_ours
    """Gives the address to which we sent the mail of a Message-ID, in small letters; '' where we sent none."""


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
    stopping: Stopping | None = None
    """Told when the reading should end early."""
    around: Around = Around()


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
    problems: tuple[str, ...] = ()
    """What of the source could not be read, a line each; the rows are those of its other parts."""
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """A column that names parts of the source → the parts that were read, also those that had no rows."""
    is_sent: bool = False
    """A server sends the rows as they are taken: those that nobody wants any more are not read."""
    has_others: Callable[[], bool] = lambda: False
    """Tells whether there are rows that the reader sorted out by itself."""
