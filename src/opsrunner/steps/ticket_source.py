"""Where tickets come from, for the kinds that look at them: their rows, and how their states are called there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import field_validator

from opsrunner.model.ticket import Ticket
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.fields import Words
from opsrunner.steps.source_rows import SourceOptions, read_rows
from opsrunner.support.tickets import COLUMNS, Reading, read_tickets


class TicketSourceOptions(SourceOptions):
    """A source of tickets."""

    waiting: Words = ("answered",)
    """Words of the column `status`: the ticket waits for its customer, and no clock goes."""
    closed: Words = ("closed",)
    """Words of the column `status`: the ticket has ended."""

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        strange = [name for name in value if name not in COLUMNS]
        if strange:
            raise ValueError(f"'{strange[0][:40]}' is no column that is asked for; those are {', '.join(COLUMNS)}")
        return value


def tickets_of(
    options: TicketSourceOptions,
    call: StepCall,
    means: Means,
    *,
    now: datetime,
    weights: Mapping[str, float] | None = None,
) -> list[Ticket]:
    """Return the tickets that are meant. Raises StepFailed where they cannot be read."""
    reading = Reading(
        source=options.source,
        columns=options.columns,
        waiting=frozenset(word.casefold() for word in options.waiting),
        closed=frozenset(word.casefold() for word in options.closed),
        weights=weights or {},
    )
    return read_tickets(read_rows(options, call, means), reading, now=now)
