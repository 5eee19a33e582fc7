"""A customer's ticket as its source tells it, and what is remembered of it from look to look."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from enum import StrEnum

from opsrunner.model.outcome import Row
from opsrunner.records import dataclass


class WaitsFor(StrEnum):
    """Who has to act next on a ticket."""

    US = "us"
    CUSTOMER = "customer"
    NOBODY = "nobody"
    """It is closed."""


class TicketClock(StrEnum):
    """What is promised about a ticket, and measured."""

    FIRST = "first"
    """From the ticket to its first answer."""
    NEXT = "next"
    """From what the customer wrote last to our answer."""
    SOLVED = "solved"
    """From the ticket to its end, without the time that it waited for the customer."""
    UNTOUCHED = "untouched"
    """Nobody of ours has touched it for so long, day and night."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One ticket as it stands in its source. All moments are UTC, and none lies ahead of the look at it."""

    id: str
    opened_at: datetime
    waits_for: WaitsFor
    priority: str = "normal"
    weight: float = 1.0
    """How much its customer counts."""
    first_answer_at: datetime | None = None
    last_customer_at: datetime | None = None
    last_staff_at: datetime | None = None
    closed_at: datetime | None = None
    row: Row = field(default_factory=dict)
    """What is told of it beside the clocks: customer, subject, staff."""


@dataclass(frozen=True, kw_only=True)
class TicketState:
    """What is remembered of a ticket: a source tells only how it stands now."""

    ticket: str
    round: int = 0
    """How often it was opened again after its end."""
    began_at: datetime
    """When this round began."""
    answered_at: datetime | None = None
    """When somebody of ours first answered, as far as it is known."""
    asked_at: datetime | None = None
    """What the customer has waited for us since; None: nothing of theirs is unanswered."""
    waiting_since: datetime | None = None
    """Since when it waits for the customer; None: it does not."""
    waits: tuple[tuple[datetime, datetime], ...] = ()
    """The times of this round in which it waited for the customer, oldest first."""
    ended_at: datetime | None = None
    """When it was closed, or seen for the last time."""
    is_backlog: bool = False
    """It was over its time when tickets were first looked at, among more than anybody can be asked at once."""


@dataclass(frozen=True, kw_only=True)
class KnownTickets:
    """What a step remembers."""

    states: dict[str, TicketState] = field(default_factory=dict)
    looked_at: datetime | None = None
    """When it last looked; None: never."""


@dataclass(frozen=True, kw_only=True)
class TicketLook:
    """What one look at all tickets came to: written with the step's outcome."""

    routine: str
    step: str
    at: datetime
    source: str
    changed: tuple[TicketState, ...] = ()
    """The states that are not as they were."""
    ours: int = 0
    """Tickets that wait for us."""
    theirs: int = 0
    """Tickets that wait for their customer."""
    over: int = 0
    """Tickets with a clock that is over."""
    oldest: str = ""
    """The ticket that has waited for us the longest."""
    oldest_at: datetime | None = None
