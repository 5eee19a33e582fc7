"""Rows of any source as tickets: their columns by the names that are used here, who each waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.ticket import Ticket, WaitsFor
from opsrunner.records import dataclass

NEEDED = ("ticket", "status", "opened_at", "last_customer_at")
MOMENTS = ("opened_at", "first_answer_at", "last_customer_at", "last_staff_at", "closed_at")
TOLD = ("customer", "name", "email", "subject", "category", "staff", "desk")
"""Columns that are passed on as they stand, where a source has them."""
COLUMNS = (*NEEDED, *MOMENTS[1:2], *MOMENTS[3:], "priority", "weight", *TOLD)
OLDEST = timedelta(days=3660)
"""A ticket older than ten years counts as ten years old."""
TEXT_LENGTH = 300


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the rows of a source are read."""

    source: str
    """How people call where they come from, for messages."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """What columns are called there, where they have another name."""
    waiting: frozenset[str] = frozenset({"answered"})
    """The words of `status`, in small letters, for: it waits for the customer."""
    closed: frozenset[str] = frozenset({"closed"})
    weights: Mapping[str, float] = field(default_factory=dict)
    """How much a customer counts, by what stands in `customer`."""


def read_tickets(rows: Sequence[Row], reading: Reading, *, now: datetime) -> list[Ticket]:
    """Return the tickets of a source's rows, each id once.

    Of two rows with one id the later counts. Raises StepFailed that names the column, or the ticket and what is
    wrong with it.
    """
    if not rows:
        return []
    names = _names(rows[0], reading)
    found: dict[str, Ticket] = {}
    for number, row in enumerate(rows, start=1):
        ticket = _ticket(row, names, reading, number=number, now=now)
        found[ticket.id] = ticket
    return list(found.values())


def _names(first: Row, reading: Reading) -> dict[str, str]:
    """Return what each column that is there is called in the source. Raises StepFailed for one that is not."""
    names = {name: reading.columns.get(name, name) for name in COLUMNS}
    for name, theirs in names.items():
        if theirs not in first and (name in NEEDED or name in reading.columns):
            mapped = f" (for {name})" if theirs != name else ""
            known = ", ".join(map(str, first))
            advice = f"say by columns what it is called: columns: {{{name}: …}}; there are: {known}"
            raise StepFailed(f"{reading.source}: there is no column '{theirs}'{mapped}; {advice}", permanent=True)
    return {name: theirs for name, theirs in names.items() if theirs in first}


def _ticket(row: Row, names: Mapping[str, str], reading: Reading, *, number: int, now: datetime) -> Ticket:
    id_ = _text(row[names["ticket"]])
    if not id_:
        raise StepFailed(f"{reading.source}: row {number} has no '{names['ticket']}'")
    moments = {name: _moment(row[names[name]], id_, names[name], reading) for name in MOMENTS if name in names}
    opened_at = moments["opened_at"]
    if opened_at is None:
        raise StepFailed(f"{reading.source}: ticket {id_} has no '{names['opened_at']}'")
    opened_at = min(max(opened_at, now - OLDEST), now)
    told = {name: _plain(row[names[name]]) for name in TOLD if name in names}
    return Ticket(
        id=id_,
        opened_at=opened_at,
        waits_for=_waits_for(row[names["status"]], reading),
        priority=_text(row.get(names.get("priority", ""))).casefold() or "normal",
        weight=_weight(row, names, reading, id_=id_),
        first_answer_at=_within(moments.get("first_answer_at"), opened_at, now),
        last_customer_at=_within(moments.get("last_customer_at"), opened_at, now),
        last_staff_at=_within(moments.get("last_staff_at"), opened_at, now),
        closed_at=_within(moments.get("closed_at"), opened_at, now),
        row=told,
    )


def _waits_for(status: Any, reading: Reading) -> WaitsFor:
    """Return who has to act: whatever is neither closed nor waiting for the customer is ours."""
    word = _text(status).casefold()
    if word in reading.closed:
        return WaitsFor.NOBODY
    return WaitsFor.CUSTOMER if word in reading.waiting else WaitsFor.US


def _weight(row: Row, names: Mapping[str, str], reading: Reading, *, id_: str) -> float:
    given = row.get(names["weight"]) if "weight" in names else None
    if given is None and "customer" in names:
        given = reading.weights.get(_text(row[names["customer"]]))
    if given is None:
        return 1.0
    if isinstance(given, bool) or not isinstance(given, int | float) or not isfinite(given):
        raise StepFailed(f"{reading.source}: ticket {id_}: '{names.get('weight', 'weight')}' is no number")
    return float(given)


def _moment(value: Any, id_: str, name: str, reading: Reading) -> datetime | None:
    if value is None or value == "":
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        kind = "has no time zone" if isinstance(value, datetime) else f"is no moment but {type(value).__name__}"
        advice = f'declare it in the source: columns: {{{name}: "moment?"}}'
        raise StepFailed(f"{reading.source}: ticket {id_}: '{name}' {kind}; {advice}", permanent=True)
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def _within(moment: datetime | None, first: datetime, last: datetime) -> datetime | None:
    """Return a moment no earlier than the ticket and no later than now: clocks of other machines go wrong."""
    return None if moment is None else min(max(moment, first), last)


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())[:TEXT_LENGTH]


def _plain(value: Any) -> Any:
    return value[:TEXT_LENGTH] if isinstance(value, str) else value


def weights_by_customer(rows: Sequence[Row], *, source: str) -> Iterator[tuple[str, float]]:
    """Yield each customer with how much they count. Raises StepFailed where a column is missing or no number."""
    for name in ("customer", "weight"):
        if rows and name not in rows[0]:
            raise StepFailed(
                f"{source}: there is no column '{name}'; customers need customer and weight", permanent=True
            )
    for row in rows:
        weight = row["weight"]
        if weight is None:
            continue
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not isfinite(weight):
            raise StepFailed(f"{source}: the weight of {_text(row['customer'])!r} is no number; declare it as number")
        yield _text(row["customer"]), float(weight)
