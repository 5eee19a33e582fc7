"""A desk's answers month by month against its contract, what nobody answered included. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil

from opsrunner.model.ticket import Ticket, WaitsFor
from opsrunner.records import dataclass
from opsrunner.schedules.working_time import WorkingTime
from opsrunner.support.sampling import Period

_HOUR = timedelta(hours=1)


class Verdict(StrEnum):
    """What a month says of the contract."""

    KEPT = "kept"
    BROKEN = "broken"
    TOO_FEW = "too few"
    """Too few tickets to tell."""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What a desk promised; seconds are working seconds of its hours."""

    first_seconds: float | None
    solved_seconds: float | None
    within_share: float
    """Of all tickets, so many in time."""
    cover_share: float | None
    fewest: int
    """Fewer tickets in a month say nothing."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How long something took, for all tickets of a month."""

    tickets: int
    """Those of which it can be told: done, or over their time."""
    in_time: int
    median_seconds: float | None
    p90_seconds: float | None

    @property
    def share(self) -> float | None:
        """Which part was in time, None of nothing."""
        return self.in_time / self.tickets if self.tickets else None


@dataclass(frozen=True, kw_only=True)
class Month:
    """One month of a desk."""

    period: Period
    tickets: int
    first: Measure
    solved: Measure
    cover: float | None
    """The share of its hours in which a ticket came that had somebody who answered; None where none came."""
    verdict: Verdict
    broken: tuple[str, ...]
    """What was not kept: `first answer`, `solved`, `cover`."""


def month_of(
    tickets: Sequence[Ticket], period: Period, contract: Contract, *, time: WorkingTime, now: datetime
) -> Month:
    """Return how the tickets that were opened in a month went."""
    opened = [ticket for ticket in tickets if period.holds(ticket.opened_at)]
    first = _measure(opened, _answered_at, contract.first_seconds, time=time, now=now)
    solved = _measure(opened, _closed_at, contract.solved_seconds, time=time, now=now)
    cover = _cover(opened, contract, time=time, now=now)
    broken = tuple(
        name
        for name, share, promised in (
            ("first answer", first.share, contract.within_share if contract.first_seconds else None),
            ("solved", solved.share, contract.within_share if contract.solved_seconds else None),
            ("cover", cover, contract.cover_share),
        )
        if share is not None and promised is not None and share < promised
    )
    is_enough = len(opened) >= contract.fewest
    verdict = Verdict.TOO_FEW if not is_enough else Verdict.BROKEN if broken else Verdict.KEPT
    return Month(
        period=period, tickets=len(opened), first=first, solved=solved, cover=cover, verdict=verdict, broken=broken
    )


def _answered_at(ticket: Ticket) -> datetime | None:
    return ticket.first_answer_at or ticket.last_staff_at


def _closed_at(ticket: Ticket) -> datetime | None:
    return ticket.closed_at if ticket.waits_for is WaitsFor.NOBODY else None


def _measure(
    tickets: Sequence[Ticket],
    done_at: Callable[[Ticket], datetime | None],
    promised_seconds: float | None,
    *,
    time: WorkingTime,
    now: datetime,
) -> Measure:
    """Return how long it took. What is not done counts with the time so far, once that is more than was promised."""
    took: list[float] = []
    in_time = 0
    for ticket in tickets:
        end = done_at(ticket)
        seconds = time.between(ticket.opened_at, end or now)
        is_over = promised_seconds is not None and seconds > promised_seconds
        if end is None and not is_over:
            continue
        took.append(seconds)
        in_time += not is_over
    return Measure(tickets=len(took), in_time=in_time, median_seconds=_rank(took, 0.5), p90_seconds=_rank(took, 0.9))


def _rank(values: list[float], share: float) -> float | None:
    """Return the nearest rank: the smallest value that so large a share of all does not exceed."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)] if values else None


def _cover(tickets: Sequence[Ticket], contract: Contract, *, time: WorkingTime, now: datetime) -> float | None:
    """Return of how many working hours with a new ticket somebody answered one of them in time."""
    within = contract.first_seconds if contract.first_seconds is not None else _HOUR.total_seconds()
    hours: dict[datetime, bool] = {}
    for ticket in tickets:
        hour = ticket.opened_at.replace(minute=0, second=0, microsecond=0)
        if not time.between(hour, hour + _HOUR):
            continue
        answered = _answered_at(ticket)
        seconds = time.between(ticket.opened_at, answered or now)
        if answered is None and seconds <= within:
            continue
        hours[hour] = hours.get(hour, False) or (answered is not None and seconds <= within)
    return sum(hours.values()) / len(hours) if hours else None
