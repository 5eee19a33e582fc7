"""Rows that a `limit` leaves out, or that nobody could read: what does not come is not taken for mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.testing import ScriptedStep, scripted_kind

from .conftest import SITE

ORDERS = SITE + "sources:\n  orders: {csv: orders.csv, columns: {number: text, placed_at: moment, paid: text}}\n"
HEAD = "name: Unpaid orders\naccountable: sysadmin\nsteps:\n"
KEYED = '  - task: "Verify funds for order {{ row.number }}"\n    for_each: steps.unpaid.rows\n    key: row.number\n'
NEWEST = '  - {id: unpaid, query: {source: orders, where: {paid: "no"}, order_by: -placed_at, limit: 2}}\n'
RANKED = (
    '  - {id: unpaid, query: {source: orders, where: {paid: "no"}, rank: {words: ["18", "19"], columns: [number]},'
    " limit: 2}}\n"
)


def listed(*numbers: int) -> str:
    """Return a file of orders of which nobody paid, the lowest number being the oldest."""
    return "number,placed_at,paid\n" + "".join(f"{one},2026-11-{one:02}T10:00Z,no\n" for one in numbers)


def look(site: Any, *numbers: int) -> dict[str | None, str]:
    """Let the routine see these orders, and return how the task of each stands."""
    site.write("orders.csv", listed(*numbers))
    site.app.books.requests.ask_for_run("orders", actor="boss", at=site.clock.now())
    site.clock.move(seconds=6)
    site.work()
    return {task.key: task.status.value for run in site.runs("orders") for task in site.app.books.tasks.of_run(run.id)}


@pytest.mark.parametrize("query", [NEWEST, RANKED], ids=["by the newest", "by rank"])
@pytest.mark.parametrize(
    "closes",
    ["closes_when_gone: true", "done_when: row.number not in (steps.unpaid.rows | map(attribute='number') | list)"],
    ids=["closes_when_gone", "done_when"],
)
def test_a_row_that_a_limit_leaves_out_is_not_gone(house: Callable[..., Any], query: str, closes: str) -> None:
    site = house({"orders": f"{HEAD}{query}{KEYED}    {closes}\n"}, site=ORDERS)
    assert look(site, 17, 18) == {"17": "open", "18": "open"}
    assert look(site, 17, 18, 19) == {"17": "open", "18": "open", "19": "open"}, "17 is unpaid, and was cut off the end"
    assert look(site, 18, 19) == {"17": "done", "18": "open", "19": "open"}, "these are all there are"


def test_figures_of_rows_that_a_limit_cut_tick_nothing(house: Callable[..., Any]) -> None:
    asks = "  - task: Few are unpaid\n    key: \"'few'\"\n    done_when: steps.unpaid.count < 5\n"
    site = house({"orders": HEAD + NEWEST + asks}, site=ORDERS)
    assert look(site, *range(10, 20)) == {"few": "open"}
    assert look(site, 17, 18) == {"few": "done"}


def test_the_newest_row_alone_says_what_it_says_though_there_are_others(house: Callable[..., Any]) -> None:
    query = "  - {id: newest, query: {source: orders, order_by: -placed_at, limit: 1}}\n"
    asks = "  - task: Order 19 has come\n    key: \"'19'\"\n    done_when: steps.newest.rows[0].number == '19'\n"
    site = house({"orders": HEAD + query + asks}, site=ORDERS)
    assert look(site, 17, 18) == {"19": "open"}
    assert look(site, 17, 18, 19) == {"19": "done"}
    assert {run.status.value for run in site.runs("orders")} == {"succeeded"}, "that there are others is no fault"


PINGS = "  - scripted: {say: hello}\n    for_each: steps.unpaid.rows\n    key: row.number\n"


@pytest.mark.parametrize("others", ["fine", "refused"])
def test_the_follow_up_of_a_row_that_a_limit_leaves_out_stays_open(house: Callable[..., Any], others: str) -> None:
    bad = {"17"}

    def ping(call: StepCall, means: Means) -> Outcome:
        if call.row_key in bad:
            raise StepFailed("status 500")
        return Outcome(status=StepStatus.SUCCEEDED)

    with scripted_kind(ScriptedStep([ping])):
        site = house({"orders": HEAD + NEWEST + PINGS}, site=ORDERS)
        assert look(site, 17, 18) == {"17": "open"}
        bad = {"17", "18"}
        assert look(site, 17, 18) == {"17": "open", "18": "open"}
        bad = {"17"} if others == "fine" else {"17", "19"}
        told = look(site, 17, 18, 19)
        assert (told["17"], told["18"]) == ("open", "done"), "nobody tried 17, and 18 succeeded"
        bad = set() if others == "fine" else {"19"}
        assert look(site, 18, 19)["17"] == "done", "these are all there are"
