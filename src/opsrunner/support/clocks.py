"""The clocks of tickets against what was promised: which go, when each is over, what to say of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from opsrunner.model.ticket import Ticket, TicketClock, TicketState
from opsrunner.records import dataclass
from opsrunner.schedules.working_time import AROUND_THE_CLOCK, WorkingTime


class Stand(StrEnum):
    """How a clock stands."""

    FINE = "fine"
    WARN = "warn"
    BREACH = "breach"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What tickets of a priority are promised: working seconds, None where nothing is."""

    first: float | None = None
    next: float | None = None
    solved: float | None = None
    calendar: str = ""
    """Empty: that of all others."""


@dataclass(frozen=True, kw_only=True)
class Promises:
    """All that is promised."""

    by_priority: Mapping[str, Promise] = field(default_factory=dict)
    """By the priority in small letters; those without one of their own have that of `normal`."""
    factors: Mapping[float, float] = field(default_factory=dict)
    """What the times of a customer are multiplied by: of the largest weight that theirs reaches."""
    untouched_seconds: float | None = None
    """By the clock on the wall, whatever the calendar."""
    warn_share: float | None = 0.25
    """A clock warns when so much of its time is left, at the most; None: `warn_seconds` say it."""
    warn_seconds: float = 0.0

    def of(self, ticket: Ticket) -> Promise | None:
        """Return what a ticket is promised, None for nothing."""
        return self.by_priority.get(ticket.priority) or self.by_priority.get("normal")

    def factor(self, weight: float) -> float:
        """Return what the times of a customer of that weight are multiplied by."""
        reached = [own for own in self.factors if own <= weight]
        return self.factors[max(reached)] if reached else 1.0

    def warns_at(self, target_seconds: float) -> float:
        """Return how many seconds before its end a clock warns."""
        return self.warn_seconds if self.warn_share is None else self.warn_share * target_seconds


@dataclass(frozen=True, kw_only=True)
class Running:
    """A clock that goes."""

    ticket: Ticket
    clock: TicketClock
    key: str
    """Names this clock of this ticket for ever."""
    stand: Stand
    started_at: datetime
    due_at: datetime | None
    """When it is over; not reckoned while it is fine."""
    used_seconds: float
    target_seconds: float

    @property
    def rank(self) -> tuple[bool, float, datetime, str]:
        """What comes first: what is over, then who counts most, then what has waited the longest."""
        return self.stand is not Stand.BREACH, -self.ticket.weight, self.started_at, self.key


class Clocks:
    """Reads the clocks of tickets at one moment."""

    def __init__(self, promises: Promises, *, times: Mapping[str, WorkingTime], calendar: str, now: datetime) -> None:
        """`times` are by calendar, that of AROUND_THE_CLOCK among them; `calendar` is that of promises without one."""
        self._promises, self._times, self._calendar, self._now = promises, times, calendar, now

    def of(self, ticket: Ticket, state: TicketState) -> list[Running]:
        """Return the clocks that go of a ticket that waits for us."""
        found = list(self._promised(ticket, state))
        return [*found, *self._untouched(ticket, state, found)]

    def _promised(self, ticket: Ticket, state: TicketState) -> Iterator[Running]:
        promise = self._promises.of(ticket)
        if promise is None:
            return
        time = self._times[promise.calendar or self._calendar]
        factor = self._promises.factor(ticket.weight)
        if promise.first is not None and state.answered_at is None:
            yield self._running(ticket, TicketClock.FIRST, [(state.began_at, None)], time, promise.first * factor)
        if promise.next is not None and state.answered_at is not None and state.asked_at is not None:
            yield self._running(ticket, TicketClock.NEXT, [(state.asked_at, None)], time, promise.next * factor)
        if promise.solved is not None:
            yield self._running(
                ticket, TicketClock.SOLVED, _active(state), time, promise.solved * factor, round_=state.round
            )

    def _untouched(self, ticket: Ticket, state: TicketState, found: Sequence[Running]) -> Iterator[Running]:
        """Yield the clock that goes for all, where no clock of an answer tells of it already."""
        target = self._promises.untouched_seconds
        told = {TicketClock.FIRST, TicketClock.NEXT}
        if target is None or any(one.clock in told and one.stand is not Stand.FINE for one in found):
            return
        touched = [at for at in (state.began_at, ticket.last_staff_at, state.asked_at) if at is not None]
        time = self._times[AROUND_THE_CLOCK]
        yield self._running(ticket, TicketClock.UNTOUCHED, [(max(touched), None)], time, target)

    def _running(
        self,
        ticket: Ticket,
        clock: TicketClock,
        spans: Sequence[tuple[datetime, datetime | None]],
        time: WorkingTime,
        target_seconds: float,
        *,
        round_: int = 0,
    ) -> Running:
        used = sum(time.between(start, end or self._now) for start, end in spans)
        left = target_seconds - used
        stand = Stand.BREACH if left <= 0 else Stand.FINE
        if stand is Stand.FINE and left <= self._promises.warns_at(target_seconds):
            stand = Stand.WARN
        due_at = None if stand is Stand.FINE else _due(spans, time, target_seconds)
        return Running(
            ticket=ticket,
            clock=clock,
            key=_key(ticket, clock, spans[-1][0], round_),
            stand=stand,
            started_at=spans[0][0],
            due_at=due_at,
            used_seconds=used,
            target_seconds=target_seconds,
        )


def _active(state: TicketState) -> list[tuple[datetime, datetime | None]]:
    """Return the times of a round in which the ticket did not wait for its customer; the last goes on."""
    spans: list[tuple[datetime, datetime | None]] = []
    start = state.began_at
    for since, until in state.waits:
        spans.append((start, since))
        start = until
    return [*spans, (start, None)]


def _due(spans: Sequence[tuple[datetime, datetime | None]], time: WorkingTime, target_seconds: float) -> datetime:
    """Return the moment by which the target has passed, in the spans that count."""
    left = target_seconds
    for start, end in spans:
        passed = time.between(start, end) if end is not None else 0.0
        if end is None or passed >= left:
            return time.after(start, left)
        left -= passed
    raise AssertionError("the last span has no end")


def _key(ticket: Ticket, clock: TicketClock, since: datetime, round_: int) -> str:
    """Return what names a clock for ever: an answer by when it was asked for, an end by the ticket's round."""
    if clock is TicketClock.FIRST:
        return f"{ticket.id} {clock.value}"
    if clock is TicketClock.SOLVED:
        return f"{ticket.id} {clock.value}" + (f" {round_ + 1}" if round_ else "")
    return f"{ticket.id} {clock.value} {since:%Y-%m-%dT%H:%MZ}"
