"""What becomes of a ticket from one look to the next. Pure.

A source tells how a ticket stands now; what the clocks need is its way there: since when the customer waits
(writing again does not begin that anew), how long it waited for the customer, whether it had ended before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from opsrunner.model.ticket import KnownTickets, Ticket, TicketState, WaitsFor

MOST_WAITS = 100
"""More times of waiting than these are forgotten, the oldest first: that makes a clock earlier, never later."""
_SLACK = timedelta(days=1)
"""A source may be so far behind before an old ticket that is new in it counts as one that had ended."""


def follow_all(tickets: Iterable[Ticket], known: KnownTickets, *, now: datetime) -> dict[str, TicketState]:
    """Return how every ticket stands that is or was open, by its id; one that is no longer listed has ended."""
    looked_at, states = known.looked_at, {}
    for ticket in tickets:
        before = known.states.get(ticket.id)
        if before is not None or ticket.waits_for is not WaitsFor.NOBODY:
            states[ticket.id] = follow(ticket, before, now=now, looked_at=looked_at)
    for id_, last in known.states.items():
        if id_ not in states:
            states[id_] = last if last.ended_at is not None else _ended(last, looked_at or now)
    return states


def changed(states: Mapping[str, TicketState], known: KnownTickets) -> tuple[TicketState, ...]:
    """Return the states that are not what is remembered."""
    return tuple(state for id_, state in states.items() if known.states.get(id_) != state)


def follow(ticket: Ticket, before: TicketState | None, *, now: datetime, looked_at: datetime | None) -> TicketState:
    """Return how a ticket stands `now`, by its source and what was remembered of it at `looked_at`."""
    if ticket.waits_for is WaitsFor.NOBODY:
        if before is not None and before.ended_at is not None:
            return before
        state = before or _new(ticket, now=now, looked_at=looked_at)
        return _ended(replace(state, answered_at=_first_answer(ticket, state)), ticket.closed_at or now)
    if before is None:
        state = _new(ticket, now=now, looked_at=looked_at)
    elif before.ended_at is not None:
        state = _again(before, ticket.last_customer_at, ended_at=before.ended_at, now=now)
    else:
        state = before
    if ticket.waits_for is WaitsFor.CUSTOMER:
        return _with_customer(state, ticket, now=now)
    return _with_us(state, ticket, is_first_look=before is None, now=now)


def _new(ticket: Ticket, *, now: datetime, looked_at: datetime | None) -> TicketState:
    """Return the state of a ticket that is not remembered: one that was answered long ago must have ended since."""
    answered_at = ticket.first_answer_at or ticket.last_staff_at
    state = TicketState(ticket=ticket.id, began_at=ticket.opened_at, answered_at=answered_at)
    is_old = looked_at is not None and ticket.opened_at < looked_at - _SLACK
    if not is_old or answered_at is None or looked_at is None:
        return state
    return _again(state, ticket.last_customer_at, ended_at=looked_at, now=now)


def _again(state: TicketState, written_at: datetime | None, *, ended_at: datetime, now: datetime) -> TicketState:
    """Return the next round of a ticket that had ended: it begins with what the customer wrote, else now."""
    began_at = _later(written_at, ended_at) or now
    return TicketState(
        ticket=state.ticket,
        round=state.round + 1,
        began_at=began_at,
        answered_at=state.answered_at,
        asked_at=began_at,
    )


def _ended(state: TicketState, at: datetime) -> TicketState:
    return replace(state, asked_at=None, waiting_since=None, ended_at=max(at, state.began_at), is_backlog=False)


def _with_customer(state: TicketState, ticket: Ticket, *, now: datetime) -> TicketState:
    """Return the state of a ticket that waits for its customer: no clock goes."""
    answer = _answer(ticket, state)
    since = answer if answer is not None and (state.asked_at is None or answer > state.asked_at) else now
    return replace(
        state,
        answered_at=_first_answer(ticket, state) or now,
        asked_at=None,
        waiting_since=state.waiting_since or since,
        is_backlog=False,
    )


def _with_us(state: TicketState, ticket: Ticket, *, is_first_look: bool, now: datetime) -> TicketState:
    """Return the state of a ticket that waits for us."""
    answer = _answer(ticket, state)
    state = replace(state, answered_at=_first_answer(ticket, state))
    if state.waiting_since is not None:
        asked_at = _later(ticket.last_customer_at, max(state.waiting_since, answer or state.waiting_since))
        state = _waited(state, state.waiting_since, asked_at or now)
        return replace(state, asked_at=asked_at, waiting_since=None)
    had = max([at for at in (answer, *(since for since, _ in state.waits[-1:])) if at is not None], default=None)
    if state.asked_at is not None and (had is None or had <= state.asked_at):
        return state
    if had is None and state.answered_at is None:
        return replace(state, asked_at=state.began_at)
    asked_at = _later(ticket.last_customer_at, had or state.answered_at or state.began_at)
    if asked_at is not None and answer == had and answer is not None and (is_first_look or state.asked_at is not None):
        state = _waited(state, answer, asked_at)
    return replace(state, asked_at=asked_at, is_backlog=False)


def _waited(state: TicketState, since: datetime, until: datetime) -> TicketState:
    begin = max(since, state.waits[-1][1] if state.waits else state.began_at)
    return state if until <= begin else replace(state, waits=(*state.waits, (begin, until))[-MOST_WAITS:])


def _answer(ticket: Ticket, state: TicketState) -> datetime | None:
    """Return when we last wrote in this round, as far as the source tells."""
    told = [at for at in (ticket.first_answer_at, ticket.last_staff_at) if at is not None and at >= state.began_at]
    return max(told, default=None)


def _first_answer(ticket: Ticket, state: TicketState) -> datetime | None:
    """Return when it was first answered in any round."""
    return state.answered_at or ticket.first_answer_at or ticket.last_staff_at


def _later(moment: datetime | None, than: datetime) -> datetime | None:
    return moment if moment is not None and moment > than else None
