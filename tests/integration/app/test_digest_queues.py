"""The figures of orders and tickets in the house line: fine only where the source was read, and not long ago."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
mail: {from: ops@example.com}
sources:
  orders: {csv: data/orders.csv, columns: {number: text, paid_at: "moment?"}}
  tickets: {csv: data/orders.csv, columns: {number: text, paid_at: "moment?"}}
"""
INTAKE = """\
name: Order intake
accountable: owner
schedule: {every: 15m}
catch_up: skip
steps:
  - id: unpaid
    query: {source: orders, where: {paid_at: null}}
  - task: "Order {{ row.number }}"
    for_each: steps.unpaid.rows
    key: row.number
    closes_when_gone: true
"""
FAR = datetime(2027, 1, 1, tzinfo=UTC)
NONE, ONE = "number,paid_at\n", "number,paid_at\n10482,\n"


@pytest.fixture
def house(house: Callable[..., Any]) -> Callable[..., Any]:
    """Open a house with its orders beside it."""

    def build(site: str = SITE, **routines: str) -> Any:
        made = house(routines, site=site)
        (made.root / "data").mkdir(mode=0o700)
        made.write("data/orders.csv", NONE)
        return made

    return build


def figure(site: Any, name: str = "Orders") -> tuple[str, str]:
    house = site.app.digests.preview("daily", site.clock.now()).digest.house
    return next((one.text, one.tone) for one in house if one.name == name)


def test_no_order_is_open_only_once_somebody_has_looked(house: Callable[..., Any]) -> None:
    site = house(intake=INTAKE)
    site.work()
    assert figure(site) == ("orders not looked at yet", "nothing")
    site.at("2026-11-20T12:15:01")
    assert figure(site) == ("no order open", "fine")
    site.write("data/orders.csv", ONE)
    site.at("2026-11-20T12:30:01")
    assert figure(site) == ("1 order open", "live")


def test_a_source_that_fails_for_days_says_when_it_was_last_read(house: Callable[..., Any]) -> None:
    site = house(intake=INTAKE)
    site.work()
    site.at("2026-11-20T12:15:01")
    site.write("data/orders.csv", "number\n1\n")  # a column is missing
    for day in range(21, 25):
        site.at(f"2026-11-{day}T12:15:01")
    assert figure(site) == ("no order open, looked at 4 days ago", "look")


def test_a_pause_does_not_keep_the_figure_fine(house: Callable[..., Any]) -> None:
    site = house(intake=INTAKE)
    site.work()
    site.at("2026-11-20T12:15:01")
    site.app.books.holds.pause("intake", until=FAR, reason="", actor="boss", at=site.clock.now())
    for hour in range(13, 24):
        for minute in (0, 15, 30, 45):
            site.at(f"2026-11-20T{hour}:{minute:02}:01")
    assert figure(site) == ("no order open", "fine"), "less than a day"
    site.at("2026-11-22T12:15:01")
    assert figure(site) == ("no order open, looked at 2 days ago", "look")


def test_a_query_that_is_skipped_time_and_again_has_looked_all_the_same(house: Callable[..., Any]) -> None:
    site = house(intake=INTAKE)
    site.work()
    site.at("2026-11-20T12:15:01")
    site.write("routines/intake.yaml", INTAKE.replace("- id: unpaid", "- id: unpaid\n    when: 'false'"))
    for hour in range(13, 20):
        for minute in (0, 15, 30, 45):
            site.at(f"2026-11-20T{hour}:{minute:02}:01")
    assert figure(site) == ("no order open", "fine"), "less than a day"
    site.at("2026-11-22T14:15:01")
    assert figure(site) == ("no order open, looked at 2 days ago", "look")


def test_what_looks_less_often_than_daily_counts_by_its_schedule_and_is_no_excuse_for_the_others(
    house: Callable[..., Any],
) -> None:
    weekly = INTAKE.replace("Order intake", "Order review").replace("15m", 'week, on: friday, at: "12:15"')
    site = house(intake=INTAKE, review=weekly)
    site.work()
    site.at("2026-11-20T12:15:01")
    for day in (21, 22, 23):
        site.at(f"2026-11-{day}T12:15:01")
    assert figure(site) == ("no order open", "fine")
    site.app.books.holds.pause("review", until=FAR, reason="", actor="boss", at=site.clock.now())
    for day in (27, 28):
        site.at(f"2026-11-{day}T12:15:01")
    assert figure(site) == ("no order open, looked at 8 days ago by Order review", "look")


def test_what_is_run_by_hand_is_left_out_beside_what_has_a_schedule(house: Callable[..., Any]) -> None:
    by_hand = INTAKE.replace("Order intake", "Order review").replace("schedule: {every: 15m}\ncatch_up: skip\n", "")
    site = house(intake=INTAKE, review=by_hand)
    site.work()
    site.at("2026-11-20T12:15:01")
    assert figure(site) == ("no order open", "fine"), "no schedule says when it is to look"
    site.app.routine_acts.ask_for_run("review", actor="boss", at=site.clock.now())
    for day in (20, 21, 22, 23):
        site.at(f"2026-11-{day}T12:30:01")
    assert figure(site) == ("no order open", "fine")


def test_what_has_a_schedule_that_is_over_is_left_out_too(house: Callable[..., Any]) -> None:
    once = INTAKE.replace("Order intake", "Order review").replace("{every: 15m}", "{once: 2026-11-20T12:20}")
    site = house(intake=INTAKE, review=once)
    site.work()
    site.at("2026-11-20T12:15:01")
    assert figure(site) == ("no order open, Order review has not looked yet", "nothing")
    site.at("2026-11-20T12:20:01")
    for day in (20, 21, 22, 23):
        site.at(f"2026-11-{day}T12:30:01")
    assert figure(site) == ("no order open", "fine")


def test_what_is_run_by_hand_alone_says_when_it_last_looked(house: Callable[..., Any]) -> None:
    site = house(review=INTAKE.replace("schedule: {every: 15m}\ncatch_up: skip\n", ""))
    site.work()
    site.app.routine_acts.ask_for_run("review", actor="boss", at=site.clock.now())
    site.at("2026-11-20T12:15:01")
    assert figure(site) == ("no order open", "fine")
    site.clock.move(days=3)
    assert figure(site) == ("no order open, looked at 3 days ago", "look")


def test_what_was_not_due_yet_wants_no_look_and_is_not_fine(house: Callable[..., Any]) -> None:
    monthly = INTAKE.replace("Order intake", "Order review").replace("15m", 'month, on: 1, at: "12:15"')
    site = house(intake=INTAKE, review=monthly)
    site.work()
    site.at("2026-11-20T12:15:01")
    assert figure(site) == ("no order open, Order review has not looked yet", "nothing")
    site.write("data/orders.csv", ONE)
    site.at("2026-11-20T12:30:01")
    assert figure(site) == ("1 order open, Order review has not looked yet", "live")
    site.app.books.holds.pause("intake", until=FAR, reason="", actor="boss", at=site.clock.now())
    site.at("2026-11-24T12:30:01")
    assert figure(site) == ("1 order open, looked at 4 days ago by Order intake", "look"), (
        "the one that has looked is late"
    )
    site.app.books.holds.pause("review", until=FAR, reason="", actor="boss", at=site.clock.now())
    site.at("2026-12-01T14:30:01")
    assert figure(site) == ("1 order open, Order review has not looked yet", "look"), "it was due"


def test_what_the_schedule_itself_skips_was_not_due(house: Callable[..., Any]) -> None:
    weekly = 'week, on: monday, at: "12:15", on_holiday: skip'
    review = INTAKE.replace("Order intake", "Order review").replace("15m", weekly)
    site = house(intake=INTAKE, review=review, site=SITE + "calendars: {business: {days_off: [2026-11-23]}}\n")
    site.work()
    site.at("2026-11-23T12:15:01")
    site.at("2026-11-24T12:15:01")
    assert site.told("review") == ["skipped holiday"]
    assert figure(site) == ("no order open, Order review has not looked yet", "nothing")
    site.app.books.holds.pause("review", until=FAR, reason="", actor="boss", at=site.clock.now())
    site.at("2026-11-30T14:30:01")
    assert figure(site) == ("no order open, Order review has not looked yet", "look"), "this time it was due"


def test_tickets_that_a_query_counts_are_fine_by_the_same_rule(house: Callable[..., Any]) -> None:
    site = house(tickets=INTAKE.replace("orders", "tickets").replace("Order", "Ticket"))
    site.work()
    assert figure(site, "Tickets") == ("tickets not looked at yet", "nothing")
    site.at("2026-11-20T12:15:01")
    assert figure(site, "Tickets") == ("no ticket waits", "fine")
    site.clock.move(days=2)
    assert figure(site, "Tickets") == ("no ticket waits, looked at 2 days ago", "look")
