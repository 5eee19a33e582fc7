"""How an occasion stands beside what the ledger knows of it: new, as it was, moved, or back after its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opsrunner.model.notice import CANCELLED, KnownOccasion, Occasion, Told
from opsrunner.model.outcome import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What one recipient was told of an occasion."""

    told: dict[str, datetime]
    """The rungs settled in this edition, with the moments that they were due."""
    before: frozenset[str]
    """The rungs of earlier editions that reached the recipient, and still hold."""


NOTHING = frozenset[str]()


def edition_of(occasion: Occasion, known: KnownOccasion | None, *, now: datetime, row: Row) -> KnownOccasion:
    """Return the edition that holds: the known one, or a new one where nothing is known or its moments changed.

    `row` is kept with a new edition.
    """
    if known is not None and known.ended_at is None and (known.at, known.until) == (occasion.at, occasion.until):
        return known
    return KnownOccasion(
        key=occasion.key,
        edition=known.edition + 1 if known else 1,
        at=occasion.at,
        until=occasion.until,
        since=now,
        was_at=known.at if known else None,
        row=row,
    )


def heard_by(told: Sequence[Told], *, edition: int) -> Heard:
    """Return what one recipient heard; `told` is all that was settled for that recipient, in the order of writing.

    What was told of an edition that was then cancelled holds no longer.
    """
    mine: dict[str, datetime] = {}
    before: set[str] = set()
    for one in told:
        if one.edition == edition:
            mine[one.rung] = one.due_at
        elif one.rung == CANCELLED:
            before.clear()
        elif one.status.reached:
            before.add(one.rung)
    return Heard(told=mine, before=frozenset(before) if before else NOTHING)


def has_passed(known: KnownOccasion, *, now: datetime) -> bool:
    """Tell whether all of an occasion is over: nobody is told any more that it moved or was cancelled."""
    return now >= (known.until or known.at)
