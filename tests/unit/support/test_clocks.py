"""The clocks of tickets against what was promised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.model.schedule import Calendar
from opsrunner.model.ticket import KnownTickets, Ticket, TicketClock, TicketState, WaitsFor
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.business import add_business_seconds
from opsrunner.schedules.working_time import AROUND_THE_CLOCK, time_of
from opsrunner.support.clocks import Clocks, Promise, Promises, Running, Stand
from opsrunner.support.following import follow
from opsrunner.support.looking import Looked, look

ZONE = "Europe/Oslo"
OFFICE = Calendar(country="NO", working_hours=(time(8), time(16)))
ALMANAC = Almanac({"business": OFFICE})
TIMES = {name: time_of(name, almanac=ALMANAC, zone=ZONE) for name in ("business", AROUND_THE_CLOCK)}
HOUR = 3600
PROMISES = Promises(
    by_priority={
        "critical": Promise(first=HOUR, next=HOUR, solved=4 * HOUR, calendar=AROUND_THE_CLOCK),
        "normal": Promise(first=4 * HOUR, next=8 * HOUR, solved=40 * HOUR),
    },
    factors={2.0: 0.5, 5.0: 0.25},
    untouched_seconds=24 * HOUR,
)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def shown(moment: datetime | None) -> str:
    return moment.astimezone(ZoneInfo(ZONE)).strftime("%Y-%m-%dT%H:%M") if moment else ""


def ticket(opened: str, **changes: Any) -> Ticket:
    opened_at = local(opened)
    values: dict[str, Any] = {
        "id": "T1",
        "opened_at": opened_at,
        "waits_for": WaitsFor.US,
        "last_customer_at": opened_at,
    }
    return Ticket(**(values | changes))


def clocks(one: Ticket, now: str, *, promises: Promises = PROMISES) -> dict[str, Running]:
    """Return the clocks of a ticket at its first look, by name."""
    moment = local(now)
    state = follow(one, None, now=moment, looked_at=None)
    reader = Clocks(promises, times=TIMES, calendar="business", now=moment)
    return {running.clock.value: running for running in reader.of(one, state)}


@pytest.mark.parametrize(
    ("opened", "now", "stand", "due"),
    [
        # 20 November 2026 is a Friday; four working hours
        ("2026-11-20T09:00", "2026-11-20T10:00", "fine", ""),
        ("2026-11-20T09:00", "2026-11-20T12:00", "warn", "2026-11-20T13:00"),  # a quarter is left
        ("2026-11-20T09:00", "2026-11-20T13:00", "breach", "2026-11-20T13:00"),
        ("2026-11-20T22:00", "2026-11-23T08:30", "fine", ""),  # nothing passes at night and over the weekend
        ("2026-11-20T15:00", "2026-11-23T10:30", "warn", "2026-11-23T11:00"),
        ("2026-03-31T15:00", "2026-04-07T10:30", "breach", "2026-04-01T11:00"),  # Wednesday works, then it is Easter
        ("2026-04-01T15:00", "2026-04-07T10:30", "warn", "2026-04-07T11:00"),
        ("2026-10-23T15:00", "2026-10-26T10:59", "warn", "2026-10-26T11:00"),  # over the change of clocks
    ],
)
def test_a_first_answer_is_due_by_working_hours(opened: str, now: str, stand: str, due: str) -> None:
    promises = replace(PROMISES, untouched_seconds=None)
    found = clocks(ticket(opened), now, promises=promises)["first"]

    assert (found.stand.value, shown(found.due_at)) == (stand, due)


def test_what_is_critical_counts_at_night_too() -> None:
    found = clocks(ticket("2026-11-21T23:30", priority="critical"), "2026-11-22T00:20")["first"]

    assert (found.stand, shown(found.due_at)) == (Stand.WARN, "2026-11-22T00:30")


def test_a_priority_that_nobody_names_has_what_is_normal_and_without_that_nothing_is_promised() -> None:
    one = ticket("2026-11-20T09:00", priority="urgentish")

    assert clocks(one, "2026-11-20T13:00")["first"].stand is Stand.BREACH
    only = Promises(by_priority={"critical": Promise(first=HOUR)}, untouched_seconds=24 * HOUR)
    assert set(clocks(one, "2026-11-20T13:00", promises=only)) == {"untouched"}
    assert only.of(one) is None


@pytest.mark.parametrize(("weight", "hours"), [(0, 4), (1, 4), (2, 2), (4.9, 2), (5, 1), (99, 1)])
def test_who_counts_more_waits_less(weight: float, hours: int) -> None:
    one = ticket("2026-11-20T09:00", weight=weight)
    found = clocks(one, f"2026-11-20T{9 + hours:02}:00")["first"]

    assert (found.stand, found.target_seconds) == (Stand.BREACH, hours * HOUR)


def test_an_answered_ticket_has_the_clock_of_the_next_answer_and_that_of_its_end() -> None:
    one = ticket(
        "2026-11-18T09:00",
        first_answer_at=local("2026-11-18T10:00"),
        last_staff_at=local("2026-11-18T10:00"),
        last_customer_at=local("2026-11-19T12:00"),
    )
    found = clocks(one, "2026-11-20T11:00")

    assert set(found) == {"next", "solved", "untouched"} - {"untouched"}, "the next answer warns: it says it already"
    assert (found["next"].stand, shown(found["next"].due_at)) == (Stand.WARN, "2026-11-20T12:00")
    # it waited for its customer from 18th 10:00 to 19th 12:00: one hour before, and seven after
    assert found["solved"].used_seconds == (1 + 4 + 3) * HOUR


def test_no_clock_goes_while_the_customer_is_awaited_or_it_is_over() -> None:
    now = local("2026-11-20T13:00")
    for who in (WaitsFor.CUSTOMER, WaitsFor.NOBODY):
        looked = look_at([ticket("2026-11-02T09:00", waits_for=who)], now)
        assert looked.wanting == ()


def test_what_lies_untouched_for_a_day_is_told_of_unless_an_answer_is_already_asked_for() -> None:
    never = Promises(untouched_seconds=24 * HOUR)
    one = ticket("2026-11-20T09:00")
    assert clocks(one, "2026-11-21T09:00", promises=never)["untouched"].stand is Stand.BREACH
    assert "untouched" not in clocks(one, "2026-11-23T13:00"), "the first answer is over: once is enough"
    ours = ticket(
        "2026-11-18T09:00", first_answer_at=local("2026-11-18T10:00"), last_staff_at=local("2026-11-19T10:00")
    )
    assert clocks(ours, "2026-11-20T10:00")["untouched"].stand is Stand.BREACH, "we wrote last, and left it open"


def test_the_name_of_a_clock_is_its_own_for_ever() -> None:
    one = ticket("2026-11-20T09:00")
    assert clocks(one, "2026-11-20T12:00")["first"].key == clocks(one, "2026-11-27T12:00")["first"].key == "T1 first"
    answered = ticket(
        "2026-11-18T09:00", last_staff_at=local("2026-11-18T10:00"), last_customer_at=local("2026-11-19T12:00")
    )
    assert clocks(answered, "2026-11-20T11:00")["next"].key == "T1 next 2026-11-19T11:00Z"
    state = TicketState(ticket="T1", round=1, began_at=local("2026-11-19T12:00"), answered_at=local("2026-11-18T10:00"))
    (solved,) = [
        running
        for running in Clocks(PROMISES, times=TIMES, calendar="business", now=local("2026-11-20T12:00")).of(one, state)
        if running.clock is TicketClock.SOLVED
    ]
    assert solved.key == "T1 solved 2"


def look_at(tickets: Iterable[Ticket], now: datetime, known: KnownTickets | None = None, **changes: Any) -> Looked:
    reader = Clocks(PROMISES, times=TIMES, calendar="business", now=now)
    return look(list(tickets), known or KnownTickets(), reader, PROMISES, now=now, **({"most_first": 10} | changes))


def test_what_is_over_comes_first_then_who_counts_most_then_what_has_waited_longest() -> None:
    tickets = [
        ticket("2026-11-20T09:30", id="soon"),
        ticket("2026-11-20T08:30", id="late"),
        ticket("2026-11-20T08:15", id="later"),
        ticket("2026-11-20T09:00", id="big", weight=5),
    ]
    looked = look_at(tickets, local("2026-11-20T12:40"))

    assert [one.ticket.id for one in looked.wanting] == ["big", "later", "late", "soon"]
    rows = looked.rows(local("2026-11-20T12:40"))
    assert [row["message"] for row in rows][1:] == [
        "wants a first answer, 25 min over its time",
        "wants a first answer, 10 min over its time",
        "wants a first answer within 50 min",
    ]
    assert looked.oldest is not None
    assert looked.oldest.ticket == "later"


def test_the_first_look_asks_for_a_few_and_remembers_the_rest_as_backlog() -> None:
    now = local("2026-11-20T15:00")
    tickets = [ticket("2026-11-02T09:00", id=f"T{number}", last_customer_at=None) for number in range(30)]
    looked = look_at(tickets, now, most_first=4)
    states = [row["state"] for row in looked.rows(now)]

    assert len(looked.backlog) == 26
    assert (states.count("breach"), states.count("backlog")) == (8, 52), "each has two clocks: an answer and its end"
    known = KnownTickets(states={state.ticket: state for state in looked.changed}, looked_at=now)
    fresh = ticket("2026-11-20T11:00", id="fresh")
    told = look_at([*tickets, fresh], now + timedelta(hours=1), known, most_first=4).rows(now)
    assert [row["state"] for row in told] == ["breach"] * 9 + ["backlog"] * 52, "what is new is not lost behind it"
    later = look_at(tickets, now + timedelta(hours=1), known, most_first=4)
    assert later.backlog == looked.backlog, "it stays so from look to look"
    answered = [replace(one, waits_for=WaitsFor.CUSTOMER, last_staff_at=now) for one in tickets]
    assert look_at(answered, now + timedelta(hours=2), known, most_first=4).backlog == frozenset()


def test_priorities_without_any_promise_are_named() -> None:
    only = Promises(by_priority={"critical": Promise(first=HOUR)})
    now = local("2026-11-20T12:00")
    reader = Clocks(only, times=TIMES, calendar="business", now=now)
    tickets = [ticket("2026-11-20T09:00"), ticket("2026-11-20T09:00", id="T2", priority="critical")]

    assert look(tickets, KnownTickets(), reader, only, now=now, most_first=1).unpromised == ("normal",)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),
    st.lists(st.tuples(st.integers(60, 60 * HOUR), st.integers(60, 60 * HOUR)), max_size=5),
    st.integers(1, 80),
)
def test_a_ticket_is_due_when_so_many_working_hours_have_passed_without_its_waits(
    opened: datetime, waits: list[tuple[int, int]], hours: int
) -> None:
    """Against time counted span by span with the plain function."""
    at = began = opened.replace(tzinfo=UTC, microsecond=0)
    spans = []
    for work, wait in waits:
        since = at + timedelta(seconds=work)
        at = since + timedelta(seconds=wait)
        spans.append((since, at))
    state = TicketState(ticket="T1", began_at=began, answered_at=began, waits=tuple(spans))
    now = at + timedelta(days=40)
    promises = Promises(by_priority={"normal": Promise(solved=hours * HOUR)})
    one = Ticket(id="T1", opened_at=began, waits_for=WaitsFor.US)
    (running,) = Clocks(promises, times=TIMES, calendar="business", now=now).of(one, state)

    left, expected, start = hours * HOUR, None, began
    for since, until in [*spans, (now, now)]:
        due = add_business_seconds(start, left, calendar=OFFICE, almanac=ALMANAC, zone=ZONE)
        if due <= since:
            expected = due
            break
        left -= int(TIMES["business"].between(start, since))
        start = until
    if expected is None:
        assert running.stand is not Stand.BREACH
    else:
        assert running.stand is Stand.BREACH
        assert running.due_at is not None
        assert abs((running.due_at - expected).total_seconds()) < 0.001


def test_ten_thousand_tickets_take_less_than_two_seconds() -> None:
    now = local("2026-11-20T12:00")
    tickets = [
        Ticket(
            id=f"T{number}",
            opened_at=now - timedelta(minutes=number * 13),
            waits_for=WaitsFor.CUSTOMER if number % 3 == 0 else WaitsFor.US,
            priority=("critical", "normal")[number % 2],
            weight=float(number % 6),
            first_answer_at=now - timedelta(minutes=number * 11) if number % 2 else None,
            last_staff_at=now - timedelta(minutes=number * 11) if number % 2 else None,
            last_customer_at=now - timedelta(minutes=number * 7),
        )
        for number in range(10_000)
    ]
    began = process_time()
    looked = look_at(tickets, now)
    looked.rows(now)
    took = process_time() - began

    assert looked.ours == 6_666
    assert took < 2
