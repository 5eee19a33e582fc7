"""What is remembered of tickets from look to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import process_time

from opsrunner.ledger.books import Books
from opsrunner.ledger.tickets import TicketStand
from opsrunner.model.ticket import TicketLook, TicketState

from ...patience import within

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
WHOLE = TicketState(
    ticket="T1 \udcff <b>",
    round=2,
    began_at=NOW,
    answered_at=NOW + HOUR,
    asked_at=NOW + 2 * HOUR,
    waiting_since=NOW + 3 * HOUR,
    waits=((NOW, NOW + HOUR), (NOW + 2 * HOUR, NOW + 3 * HOUR)),
    is_backlog=True,
)


def look(*changed: TicketState, routine: str = "queue", at: datetime = NOW) -> TicketLook:
    return TicketLook(
        routine=routine,
        step="clocks",
        at=at,
        source="tickets",
        changed=changed,
        ours=3,
        over=1,
        oldest="T1",
        oldest_at=NOW,
    )


def test_what_is_written_is_known_again(books: Books) -> None:
    assert (books.tickets.known("queue", "clocks").states, books.tickets.known("queue", "clocks").looked_at) == (
        {},
        None,
    )
    books.tickets.write(look(WHOLE, TicketState(ticket="T2", began_at=NOW)))
    books.tickets.write(look(TicketState(ticket="T2", began_at=NOW, ended_at=NOW + HOUR), at=NOW + HOUR))
    known = books.tickets.known("queue", "clocks")

    assert known.looked_at == NOW + HOUR
    assert {state.ticket for state in known.states.values()} == {"T1 \ufffd <b>", "T2"}
    kept = known.states["T1 \ufffd <b>"]
    assert (kept.waits, kept.round, kept.is_backlog, kept.waiting_since) == (WHOLE.waits, 2, True, NOW + 3 * HOUR)
    assert known.states["T2"].ended_at == NOW + HOUR
    assert books.tickets.known("other", "clocks").states == {}


def test_the_last_look_of_each_step_is_known(books: Books) -> None:
    books.tickets.write(look())
    books.tickets.write(look(routine="partner"))
    books.tickets.write(look(at=NOW + HOUR))

    assert [(one.routine, one.at) for one in books.tickets.stands()] == [("partner", NOW), ("queue", NOW + HOUR)]
    assert books.tickets.stands()[1] == TicketStand(
        routine="queue",
        step="clocks",
        source="tickets",
        at=NOW + HOUR,
        ours=3,
        theirs=0,
        over=1,
        oldest="T1",
        oldest_at=NOW,
    )


def test_a_routine_that_is_renamed_keeps_what_it_remembers(books: Books) -> None:
    books.routines.see({"queue": "Queue"}, at=NOW)
    books.tickets.write(look(WHOLE))
    books.tickets.write(look(WHOLE, routine="desk"))
    assert books.routines.rename("queue", "desk")

    assert len(books.tickets.known("desk", "clocks").states) == 1
    assert books.tickets.known("queue", "clocks").looked_at is None


def test_only_what_ended_is_forgotten(books: Books) -> None:
    ended = (TicketState(ticket=f"T{number}", began_at=NOW, ended_at=NOW + number * HOUR) for number in range(100))
    books.tickets.write(look(*ended, TicketState(ticket="open", began_at=NOW)))
    gone = 0
    while count := books.forgetting.forget_tickets(before=NOW + 60 * HOUR):
        gone += count

    assert gone == 60
    assert len(books.tickets.known("queue", "clocks").states) == 41


def test_ten_thousand_tickets_are_written_and_known_within_a_second(books: Books) -> None:
    def write_and_read() -> int:
        books.tickets.write(look(*(replace(state, ticket=f"{state.ticket}-{len(known())}") for state in states)))
        return len(known())

    def known() -> Mapping[str, TicketState]:
        return books.tickets.known("queue", "clocks").states

    states = tuple(
        TicketState(ticket=f"T{number}", began_at=NOW, waits=((NOW, NOW + HOUR),)) for number in range(10_000)
    )

    assert within(1, write_and_read, clock=process_time) % 10_000 == 0
