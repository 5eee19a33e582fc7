"""Rows of any source as tickets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.ticket import WaitsFor
from opsrunner.support.tickets import Reading, read_tickets, weights_by_customer

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def row(**changes: Any) -> dict[str, Any]:
    values = {"ticket": "T1", "status": "open", "opened_at": NOW - HOUR, "last_customer_at": NOW - HOUR}
    return values | changes


def one(reading: Reading | None = None, **changes: Any) -> Any:
    (ticket,) = read_tickets([row(**changes)], reading or Reading(source="tickets"), now=NOW)
    return ticket


@pytest.mark.parametrize(
    ("status", "who"),
    [
        ("open", WaitsFor.US),
        ("Customer-Reply", WaitsFor.US),  # whatever nobody knows is ours
        ("", WaitsFor.US),
        (None, WaitsFor.US),
        ("Answered", WaitsFor.CUSTOMER),
        ("CLOSED", WaitsFor.NOBODY),
    ],
)
def test_the_status_tells_who_has_to_act(status: str | None, who: WaitsFor) -> None:
    assert one(status=status).waits_for is who


def test_other_words_and_other_columns_are_as_the_site_says() -> None:
    reading = Reading(
        source="whmcs",
        columns={"ticket": "id", "last_customer_at": "lastreply"},
        waiting=frozenset({"on hold"}),
        closed=frozenset({"done"}),
    )
    raw = {"id": 7, "status": "On Hold", "opened_at": NOW - HOUR, "lastreply": None, "customer": "C1"}
    (ticket,) = read_tickets([raw], reading, now=NOW)

    assert (ticket.id, ticket.waits_for, ticket.last_customer_at) == ("7", WaitsFor.CUSTOMER, None)
    assert (ticket.priority, ticket.weight, ticket.row["customer"]) == ("normal", 1.0, "C1")


def test_clocks_of_other_machines_go_wrong_and_do_no_harm() -> None:
    ticket = one(opened_at=NOW + HOUR, last_customer_at=NOW + 2 * HOUR, closed_at=NOW - timedelta(days=1))

    assert ticket.opened_at == ticket.last_customer_at == ticket.closed_at == NOW
    assert one(opened_at=datetime(1, 1, 1, tzinfo=UTC)).opened_at > NOW - timedelta(days=3700)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ticket": ""}, "tickets: row 1 has no 'ticket'"),
        ({"opened_at": None}, "tickets: ticket T1 has no 'opened_at'"),
        ({"opened_at": "2026-11-20"}, "tickets: ticket T1: 'opened_at' is no moment but str; declare it"),
        ({"last_customer_at": datetime(2026, 11, 20)}, "'last_customer_at' has no time zone"),
        ({"weight": "heavy"}, "tickets: ticket T1: 'weight' is no number"),
        ({"weight": float("nan")}, "'weight' is no number"),
        ({"weight": True}, "'weight' is no number"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(StepFailed, match=said.replace("(", r"\(")):
        one(**changes)


def test_a_column_that_is_missing_is_named_with_those_that_are_there() -> None:
    raw = row()
    del raw["last_customer_at"]
    with pytest.raises(StepFailed, match=r"there is no column 'last_customer_at'; say by columns .* there are: ticket"):
        read_tickets([raw], Reading(source="tickets"), now=NOW)
    with pytest.raises(StepFailed, match=r"there is no column 'agent' \(for staff\)"):
        read_tickets([row()], Reading(source="tickets", columns={"staff": "agent"}), now=NOW)


def test_no_row_is_no_ticket() -> None:
    assert read_tickets([], Reading(source="tickets"), now=NOW) == []


def test_the_later_of_two_rows_with_one_id_counts() -> None:
    (ticket,) = read_tickets([row(), row(status="closed")], Reading(source="tickets"), now=NOW)

    assert ticket.waits_for is WaitsFor.NOBODY


def test_what_a_customer_counts_comes_from_the_ticket_or_from_the_list_of_customers() -> None:
    reading = Reading(
        source="tickets", weights=dict(weights_by_customer([{"customer": "C1", "weight": 3}], source="c"))
    )

    assert one(reading, customer="C1").weight == 3
    assert one(reading, customer="C2").weight == 1
    assert one(reading, customer="C1", weight=2).weight == 2
    assert one(reading, customer="C1", weight=None).weight == 3


def test_a_list_of_customers_without_weights_is_an_error() -> None:
    with pytest.raises(StepFailed, match="c: there is no column 'weight'"):
        list(weights_by_customer([{"customer": "C1"}], source="c"))
    with pytest.raises(StepFailed, match="the weight of 'C1' is no number"):
        list(weights_by_customer([{"customer": "C1", "weight": "x"}], source="c"))


def test_long_texts_of_strangers_are_cut() -> None:
    ticket = one(subject="x" * 10_000, priority="  Very\nHigh ")

    assert len(ticket.row["subject"]) == 300
    assert ticket.priority == "very high"
