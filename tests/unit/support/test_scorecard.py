"""A desk's months against its contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsrunner.model.ticket import Ticket, WaitsFor
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.working_time import AROUND_THE_CLOCK, time_of
from opsrunner.support.sampling import months_before
from opsrunner.support.scorecard import Contract, Month, Verdict, month_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OCTOBER = months_before(1, now=NOW, zone=ZoneInfo("UTC"))[0]
HOUR = 3600
CONTRACT = Contract(first_seconds=4 * HOUR, solved_seconds=48 * HOUR, within_share=0.9, cover_share=0.8, fewest=4)
ALWAYS = time_of(AROUND_THE_CLOCK, almanac=Almanac(), zone="UTC")


def ticket(
    day: int, hour: float = 9, *, answered: float | None = 1, closed: float | None = 20, **changes: Any
) -> Ticket:
    """Return a ticket of a day in October, answered and closed so many hours later."""
    opened_at = datetime(2026, 10, day, tzinfo=UTC) + timedelta(hours=hour)
    after = [None if hours is None else opened_at + timedelta(hours=hours) for hours in (answered, closed)]
    who = WaitsFor.US if closed is None else WaitsFor.NOBODY
    values: dict[str, Any] = {"id": f"T{day}-{hour}", "opened_at": opened_at, "waits_for": who}
    return Ticket(**(values | {"first_answer_at": after[0], "closed_at": after[1]} | changes))


def month(*tickets: Ticket, contract: Contract = CONTRACT, now: datetime = NOW) -> Month:
    return month_of(tickets, OCTOBER, contract, time=ALWAYS, now=now)


def test_a_month_in_time_keeps_the_contract() -> None:
    found = month(*(ticket(day) for day in range(1, 11)))

    assert (found.verdict, found.tickets, found.first.share, found.solved.share, found.cover) == (
        Verdict.KEPT, 10, 1.0, 1.0, 1.0,
    )  # fmt: skip
    assert (found.first.median_seconds, found.solved.p90_seconds) == (HOUR, 20 * HOUR)


def test_what_nobody_answered_is_late_and_not_left_out() -> None:
    silent = [ticket(day, answered=None, closed=None) for day in range(21, 24)]
    found = month(*(ticket(day) for day in range(1, 11)), *silent)

    assert found.first.share == pytest.approx(10 / 13)
    assert (found.verdict, found.broken) == (Verdict.BROKEN, ("first answer", "solved", "cover"))
    assert found.first.p90_seconds is not None
    assert found.first.p90_seconds > 20 * 24 * HOUR, "it still waits"


def test_what_is_not_over_yet_says_nothing() -> None:
    fresh = ticket(31, 23, answered=None, closed=None)
    found = month(*(ticket(day) for day in range(1, 11)), fresh, now=fresh.opened_at + timedelta(hours=1))

    assert (found.tickets, found.first.tickets, found.solved.tickets) == (11, 10, 10)
    assert found.verdict is Verdict.KEPT


def test_nine_of_ten_take_no_longer_than_p90() -> None:
    found = month(*(ticket(day, answered=day / 10) for day in range(1, 11)))

    assert found.first.p90_seconds == pytest.approx(0.9 * HOUR)
    assert found.first.median_seconds == pytest.approx(0.5 * HOUR)


def test_an_hour_is_covered_where_one_of_its_tickets_was_answered_in_time() -> None:
    found = month(
        ticket(1, 9.1, answered=1),
        ticket(1, 9.5, answered=30),  # the same hour: somebody was there
        ticket(2, 3.0, answered=9),  # nobody at night
        ticket(3, 9.0, answered=1),
        ticket(4, 9.0, answered=1),
    )

    assert found.cover == pytest.approx(3 / 4)
    assert "cover" in found.broken


def test_only_the_tickets_of_the_month_count_and_too_few_say_nothing() -> None:
    september = ticket(1, -1, answered=None, closed=None)
    found = month(september, ticket(1, 0), ticket(31, 23.9), ticket(31, 24.1))

    assert (found.tickets, found.verdict) == (2, Verdict.TOO_FEW)
    assert month().verdict is Verdict.TOO_FEW
    assert month().first.share is None


def test_what_was_not_promised_is_not_broken() -> None:
    only = Contract(first_seconds=None, solved_seconds=48 * HOUR, within_share=0.9, cover_share=None, fewest=1)
    found = month(ticket(1, answered=200, closed=20), contract=only)

    assert (found.verdict, found.broken) == (Verdict.KEPT, ())
