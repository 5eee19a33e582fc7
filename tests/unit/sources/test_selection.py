from datetime import UTC, date, datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Column
from opsrunner.sources.selection import ConditionMaker, first_ordered, ordered, require_known

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COLUMNS = (
    Column(name="amount", type="number"),
    Column(name="paid_at", type="moment", optional=True),
    Column(name="due_on", type="date"),
    Column(name="state", type="text"),
    Column(name="urgent", type="flag"),
)
PAID = datetime(2026, 11, 20, 9, tzinfo=UTC)
# fmt: off
TABLE = (
    # id, amount, paid_at, due_on,             state, urgent, note
    ("a", 5,      PAID,    date(2026, 11, 20), "new",  True,  "7"),
    ("b", 9.5,    None,    date(2026, 11, 21), "new",  False, ""),
    ("c", 20,     None,    date(2026, 12, 1),  "sent", False, 3),
)
# fmt: on
NAMES = ("id", "amount", "paid_at", "due_on", "state", "urgent", "note")
ROWS: list[Row] = [dict(zip(NAMES, cells, strict=True)) for cells in TABLE]


def chosen(where: dict[str, Any]) -> str:
    conditions = ConditionMaker(COLUMNS, zone=OSLO, now=NOW, decimal=".").make(where)
    return "".join(str(row["id"]) for row in ROWS if conditions.hold(row))


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({}, "abc"),
        ({"paid_at": None}, "bc"),
        ({"paid_at": {"not": None}}, "a"),
        ({"note": None}, "b"),  # an empty text is nothing
        ({"state": "new"}, "ab"),
        ({"state": ["sent", "lost"]}, "c"),
        ({"state": {"not": ["sent", "lost"]}}, "ab"),
        ({"state": "new", "paid_at": None}, "b"),  # all conditions together
        ({"amount": 5}, "a"),
        ({"amount": "9.5"}, "b"),  # what a template gives is text
        ({"amount": {"above": 5}}, "bc"),
        ({"amount": {"at_least": 5, "below": 20}}, "ab"),
        ({"amount": {"at_most": "9.5"}}, "ab"),
        ({"urgent": "yes"}, "a"),
        ({"urgent": False}, "bc"),
        ({"paid_at": {"before": "2026-11-21"}}, "a"),  # an empty moment is neither before nor after
        ({"paid_at": {"after": "-2d"}}, "a"),
        ({"paid_at": {"after": "-1d"}}, ""),
        ({"paid_at": "2026-11-20T10:00+01:00"}, "a"),
        ({"due_on": {"before": "today"}}, "a"),
        ({"due_on": {"at_most": "today"}}, "ab"),
        ({"due_on": {"after": "+1w"}}, "c"),
        ({"due_on": "2026-11-21"}, "b"),
        ({"note": 3}, "c"),  # an undeclared column is compared by what it looks like
        ({"note": "7"}, "a"),
    ],
)
def test_it_keeps_the_rows_that_meet_every_condition(where: dict[str, Any], ids: str) -> None:
    assert chosen(where) == ids


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"amount": {"abov": 5}}, "where: amount: unknown condition 'abov'; there are: not, before, after, below"),
        ({"amount": {"above": "much"}}, "where: amount: 'much' is not a number"),
        ({"amount": {"before": 5}}, "where: amount: 'before' is for columns declared as moment or date"),
        ({"paid_at": {"above": 5}}, "where: paid_at: 'above' is for numbers; a moment takes before, after"),
        ({"paid_at": {"before": None}}, "where: paid_at: null cannot be compared"),
        ({"paid_at": "yesterday"}, "where: paid_at: 'yesterday' is not a moment"),
        ({"state": {"above": 5}}, "where: state: 'above' needs a column declared as number, moment or date"),
        ({"id": {"after": "2026-11-20"}}, "where: id: 'after' is for columns declared as moment or date"),
        ({"id": {"above": 5}}, "where: id: 'a' is no number; declare the column's type at the source"),
    ],
)
def test_a_condition_that_cannot_be_is_named(where: dict[str, Any], message: str) -> None:
    with pytest.raises(StepFailed) as failed:
        chosen(where)
    assert failed.value.message.startswith(message)
    assert failed.value.permanent


@pytest.mark.parametrize(
    ("order_by", "ids"),
    [
        ((), "abc"),
        (("-amount",), "cba"),
        (("paid_at",), "abc"),  # empty ones last …
        (("-paid_at",), "abc"),  # … both ways
        (("state", "-amount"), "bac"),
        (("-state", "amount"), "cab"),
        (("note",), "cba"),  # numbers before texts
    ],
)
def test_it_sorts_by_columns(order_by: tuple[str, ...], ids: str) -> None:
    assert "".join(str(row["id"]) for row in ordered(ROWS, order_by)) == ids


def test_an_unknown_column_is_named_with_the_nearest() -> None:
    with pytest.raises(StepFailed) as failed:
        require_known(["payd_at"], columns=["amount", "paid_at"], table="orders.csv", option="where")
    assert failed.value.message == "where: orders.csv has no column 'payd_at', did you mean 'paid_at'?"


ORDERS = [("amount",), ("-amount",), ("paid_at", "-id"), ("-paid_at", "id"), ("state", "-note"), ("due_on", "urgent")]


@pytest.mark.parametrize("order_by", ORDERS, ids=str)
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_the_first_of_many_are_those_of_all_sorted(order_by: tuple[str, ...], limit: int) -> None:
    chance = Random(7)
    rows: list[Row] = [
        {name: chance.choice([row[name] for row in ROWS]) for name in NAMES} | {"number": number}
        for number in range(40)
    ]

    assert first_ordered(iter(rows), order_by, limit=limit) == ordered(rows, order_by)[:limit]
