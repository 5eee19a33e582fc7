"""The tickets of a source, for the kinds that look at them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from opsrunner.model.ticket import Ticket
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.source_options import TicketSourceOptions
from opsrunner.steps.source_rows import read_rows
from opsrunner.support.tickets import Reading, read_tickets


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
