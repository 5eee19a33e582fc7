"""One look at all tickets: how they stand, which clocks want somebody, what is remembered. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from opsrunner.model.outcome import Row
from opsrunner.model.spans import span_words
from opsrunner.model.ticket import KnownTickets, Ticket, TicketClock, TicketState, WaitsFor
from opsrunner.records import dataclass
from opsrunner.support.clocks import Clocks, Promises, Running, Stand
from opsrunner.support.following import changed, follow_all

_TOLD = ("customer", "name", "email", "subject", "category", "staff", "desk")
_WANTS = {
    TicketClock.FIRST: "a first answer",
    TicketClock.NEXT: "an answer",
    TicketClock.SOLVED: "to be solved",
    TicketClock.UNTOUCHED: "somebody to touch it",
}


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What a look came to."""

    changed: tuple[TicketState, ...]
    wanting: tuple[Running, ...]
    """The clocks that warn or are over, the most pressing first."""
    backlog: frozenset[str]
    """The tickets that were over before anybody looked, beside those that became rows of their own."""
    ours: int
    theirs: int
    unpromised: tuple[str, ...]
    """Priorities of open tickets for which no answer is promised."""
    oldest: TicketState | None
    """Of the ticket that has waited for us the longest."""

    def count(self, stand: Stand) -> int:
        """Return how many clocks stand so, the backlog aside."""
        return sum(one.stand is stand and one.ticket.id not in self.backlog for one in self.wanting)

    def rows(self, now: datetime) -> tuple[Row, ...]:
        """Return the clocks that want somebody as rows, the backlog last."""
        told = [_row(one, now, is_backlog=False) for one in self.wanting if one.ticket.id not in self.backlog]
        return (*told, *(_row(one, now, is_backlog=True) for one in self.wanting if one.ticket.id in self.backlog))


def look(
    tickets: Sequence[Ticket],
    known: KnownTickets,
    clocks: Clocks,
    promises: Promises,
    *,
    now: datetime,
    most_first: int,
) -> Looked:
    """Look at all tickets. The first look of all asks for `most_first` tickets that are over; the rest is backlog."""
    states = follow_all(tickets, known, now=now)
    ours = [ticket for ticket in tickets if ticket.waits_for is WaitsFor.US]
    running = [one for ticket in ours for one in clocks.of(ticket, states[ticket.id])]
    wanting = sorted((one for one in running if one.stand is not Stand.FINE), key=lambda one: one.rank)
    if known.looked_at is None:
        states |= _backlog(wanting, states, most_first=most_first)
    waiting = [states[ticket.id] for ticket in ours]
    oldest = min(waiting, key=lambda one: (one.asked_at or one.began_at, one.ticket), default=None)
    return Looked(
        changed=changed(states, known),
        wanting=tuple(wanting),
        backlog=frozenset(one.id for one in ours if states[one.id].is_backlog),
        ours=len(ours),
        theirs=sum(ticket.waits_for is WaitsFor.CUSTOMER for ticket in tickets),
        unpromised=tuple(sorted({one.priority for one in ours if promises.of(one) is None})),
        oldest=oldest,
    )


def _backlog(
    wanting: Sequence[Running], states: Mapping[str, TicketState], *, most_first: int
) -> dict[str, TicketState]:
    """Return the states of the tickets that are too many to be asked about at once."""
    over = dict.fromkeys(one.ticket.id for one in wanting if one.stand is Stand.BREACH)
    return {id_: replace(states[id_], is_backlog=True) for id_ in [*over][most_first:]}


def _row(one: Running, now: datetime, *, is_backlog: bool) -> Row:
    ticket = one.ticket
    return {
        "key": one.key,
        "ticket": ticket.id,
        "clock": one.clock.value,
        "state": "backlog" if is_backlog else one.stand.value,
        "priority": ticket.priority,
        "weight": ticket.weight,
        **{name: ticket.row.get(name) for name in _TOLD},
        "opened_at": ticket.opened_at,
        "started_at": one.started_at,
        "due_at": one.due_at,
        "used_minutes": int(one.used_seconds // 60),
        "target_minutes": int(one.target_seconds // 60),
        "message": _message(one, now),
    }


def _message(one: Running, now: datetime) -> str:
    """Return `wants a first answer, 2 h over its time`."""
    wants = f"wants {_WANTS[one.clock]}"
    if one.due_at is None:
        return wants
    span = span_words(now - one.due_at)
    if one.stand is Stand.BREACH:
        return f"{wants}, {span} over its time"
    return f"{wants} within {span}"
