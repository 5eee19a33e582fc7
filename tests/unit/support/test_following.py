"""What is remembered of a ticket from look to look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from opsrunner.model.ticket import KnownTickets, Ticket, TicketState, WaitsFor
from opsrunner.support.following import MOST_WAITS, changed, follow, follow_all

US, THEM, NOBODY = WaitsFor.US, WaitsFor.CUSTOMER, WaitsFor.NOBODY
START = datetime(2026, 11, 20, 8, tzinfo=UTC)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def ticket(who: WaitsFor = US, **changes: Any) -> Ticket:
    values: dict[str, Any] = {"id": "T1", "opened_at": START, "waits_for": who, "last_customer_at": START}
    return Ticket(**(values | changes))


def looks(*seen: tuple[float, Ticket]) -> TicketState:
    """Look again and again, at an hour each; return the last state."""
    state, looked_at = None, None
    for hours, one in seen:
        state, looked_at = follow(one, state, now=at(hours), looked_at=looked_at), at(hours)
    assert state is not None
    return state


def test_a_new_ticket_waits_since_it_came() -> None:
    state = looks((0.2, ticket()))

    assert (state.began_at, state.asked_at, state.answered_at, state.waits) == (START, START, None, ())


def test_writing_again_does_not_begin_the_wait_anew() -> None:
    state = looks(
        (0.2, ticket(last_staff_at=None)),
        (3, ticket(THEM, last_staff_at=at(2))),
        (5, ticket(last_staff_at=at(2), last_customer_at=at(4))),
        (9, ticket(last_staff_at=at(2), last_customer_at=at(8))),
    )

    assert state.asked_at == at(4)
    assert state.waits == ((at(2), at(4)),)


def test_an_answer_and_a_reply_between_two_looks_are_seen_both() -> None:
    state = looks((0.2, ticket()), (5, ticket(first_answer_at=at(1), last_staff_at=at(1), last_customer_at=at(3))))

    assert (state.answered_at, state.asked_at, state.waits) == (at(1), at(3), ((at(1), at(3)),))


def test_a_word_of_ours_that_leaves_it_open_ends_the_wait_for_an_answer_only() -> None:
    """`We are at it`: the ticket is still ours, and its last clock goes on."""
    state = looks(
        (0.2, ticket()),
        (2, ticket(last_staff_at=at(1))),
        (5, ticket(last_staff_at=at(1), last_customer_at=at(4))),
    )

    assert (state.asked_at, state.waits) == (at(4), ())


def test_at_the_first_look_what_the_source_tells_of_the_past_counts() -> None:
    state = looks((9, ticket(first_answer_at=at(1), last_staff_at=at(2), last_customer_at=at(5))))

    assert (state.answered_at, state.asked_at, state.waits) == (at(1), at(5), ((at(2), at(5)),))


def test_a_source_that_tells_no_moments_of_ours_is_followed_by_its_status() -> None:
    """Threads of a mailbox: who wrote last is all that is known."""
    state = looks((0.2, ticket()), (1, ticket(THEM, last_customer_at=START)), (3, ticket(last_customer_at=at(2.5))))

    assert (state.answered_at, state.asked_at, state.waits) == (at(1), at(2.5), ((at(1), at(2.5)),))


def test_a_closed_ticket_that_is_opened_again_begins_a_new_round() -> None:
    state = looks(
        (0.2, ticket()),
        (3, ticket(NOBODY, last_staff_at=at(1), closed_at=at(2))),
        (9, ticket(last_staff_at=at(1), last_customer_at=at(8))),
    )

    assert (state.round, state.began_at, state.asked_at, state.waits) == (1, at(8), at(8), ())
    assert state.answered_at == at(1), "its first answer was given long ago"


def test_one_that_is_opened_again_by_nobodys_words_begins_when_it_is_seen() -> None:
    state = looks((0.2, ticket()), (3, ticket(NOBODY, closed_at=at(2))), (9, ticket()))

    assert (state.round, state.began_at) == (1, at(9))


def test_one_that_is_no_longer_listed_has_ended_and_may_come_again() -> None:
    known = KnownTickets(states={"T1": looks((0.2, ticket()))}, looked_at=at(0.2))
    gone = follow_all([], known, now=at(1))
    assert gone["T1"].ended_at == at(0.2)

    again = follow_all([ticket(last_customer_at=at(5))], KnownTickets(states=gone, looked_at=at(4)), now=at(6))
    assert (again["T1"].round, again["T1"].began_at) == (1, at(5))
    assert follow_all([], KnownTickets(states=gone, looked_at=at(4)), now=at(6)) == gone


def test_an_old_answered_ticket_that_turns_up_between_two_looks_must_have_ended_before() -> None:
    old = ticket(opened_at=at(-900), first_answer_at=at(-899), last_staff_at=at(-898), last_customer_at=at(1))

    assert follow(old, None, now=at(2), looked_at=at(0)).began_at == at(1)
    assert follow(old, None, now=at(2), looked_at=None).began_at == at(-900), "the first look knows no better"
    unanswered = ticket(opened_at=at(-900), last_customer_at=at(-900))
    assert follow(unanswered, None, now=at(2), looked_at=at(0)).began_at == at(-900), "nobody ever answered it"


def test_a_closed_ticket_that_nobody_followed_is_not_remembered() -> None:
    assert follow_all([ticket(NOBODY, closed_at=at(1))], KnownTickets(), now=at(2)) == {}


def test_only_what_has_changed_is_written() -> None:
    first = follow_all([ticket()], KnownTickets(), now=at(1))
    known = KnownTickets(states=first, looked_at=at(1))
    second = follow_all([ticket()], known, now=at(2))

    assert changed(second, known) == ()
    assert len(changed(first, KnownTickets())) == 1


MOVES = st.lists(
    st.tuples(st.sampled_from((US, THEM, NOBODY)), st.floats(0.1, 30), st.booleans(), st.booleans()), max_size=30
)


@given(MOVES)
def test_whatever_happens_waits_lie_apart_and_nothing_lies_ahead(
    moves: list[tuple[WaitsFor, float, bool, bool]],
) -> None:
    state: TicketState | None = None
    before: TicketState | None
    looked_at, hour = None, 0.0
    customer, staff, closed = START, None, None
    for who, hours, customer_writes, staff_writes in moves:
        hour += hours
        customer = at(hour - hours / 2) if customer_writes else customer
        staff = at(hour - hours / 3) if staff_writes else staff
        closed = at(hour) if who is NOBODY else closed
        one = ticket(who, last_customer_at=customer, last_staff_at=staff, closed_at=closed)
        before, state = state, follow(one, state, now=at(hour), looked_at=looked_at)
        looked_at = at(hour)
        ends = [moment for wait in state.waits for moment in wait]
        assert ends == sorted(ends)
        assert len(state.waits) <= MOST_WAITS
        told = [state.began_at, state.asked_at, state.waiting_since, state.ended_at, *ends]
        assert all(START <= moment <= at(hour) for moment in told if moment is not None)
        assert all(moment >= state.began_at for moment in ends)
        assert (state.ended_at is not None) == (who is NOBODY)
        assert (state.waiting_since is not None) == (who is THEM)
        assert before is None or state.round in (before.round, before.round + 1)
        assert follow(one, state, now=at(hour), looked_at=looked_at) == state, "looking twice changes nothing"
