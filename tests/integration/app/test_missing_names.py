"""A routine whose schedule names what is not there stops no other one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opsrunner.engine.meanwhile import KEPT, STOPPED, holds_meanwhile

from .conftest import SITE

DAILY = """\
name: {name}
accountable: sysadmin
schedule: {schedule}
steps: [{{run: "true"}}]
"""
AT = '{every: day, at: "02:30"}'
BEFORE = "{of: first, offset: -1h}"
CALENDAR = "calendars: {norway: {country: NO}}\n"
ON_HOLIDAYS = '{every: day, at: "02:30", calendar: norway, on_holiday: skip}'


def daily(name: str, schedule: str = AT) -> str:
    return DAILY.format(name=name, schedule=schedule)


def test_a_routine_that_goes_by_a_new_one_with_a_mistake_waits_for_that_and_stops_no_other(
    house: Callable[..., Any],
) -> None:
    site = house({"other": daily("Other"), "before": daily("Before", BEFORE), "first": "name: [broken\n"})
    site.at("2026-11-21T02:30:01")

    problems = [str(problem) for problem in site.app.loaded.problems]
    assert [problem.split(":")[0] for problem in problems] == ["routines/first.yaml"]
    assert site.app.loaded.broken["before"] == site.app.loaded.broken["first"]
    assert site.told("other") == ["succeeded schedule"]
    assert site.told("before") == []
    assert holds_meanwhile(site.app.site, "routines/first.yaml") == STOPPED

    site.write("routines/first.yaml", daily("First"))
    site.clock.move(seconds=5)
    site.work()
    site.at("2026-11-22T01:30:01")
    assert site.told("before") == ["succeeded schedule"]


@pytest.mark.parametrize("names", [("a", "b", "c"), ("c", "b", "a")], ids=["in order", "the other way round"])
def test_each_of_a_chain_that_waits_for_one_with_a_mistake_says_for_which(
    house: Callable[..., Any], names: tuple[str, str, str]
) -> None:
    one, two, three = names
    chain = {
        one: daily("One", BEFORE),
        two: daily("Two", BEFORE.replace("first", one)),
        three: daily("Three", BEFORE.replace("first", two)),
    }
    site = house({"other": daily("Other"), "first": "name: [broken\n", **chain})

    broken = site.app.loaded.broken
    assert sorted(broken) == sorted((*names, "first"))
    assert broken[one] == broken[two] == broken[three] == broken["first"]
    assert len(broken["first"]) == len(site.app.loaded.problems) == 1


def test_a_routine_that_comes_to_go_by_one_with_a_mistake_stays_as_it_was(house: Callable[..., Any]) -> None:
    site = house({"other": daily("Other"), "before": daily("Before")})
    site.work()
    site.write("routines/first.yaml", "name: [broken\n")
    site.write("routines/before.yaml", daily("Before", BEFORE))
    site.at("2026-11-20T12:00:05")
    site.at("2026-11-21T02:30:01")

    assert site.told("other") == ["succeeded schedule"]
    assert site.told("before") == ["succeeded schedule"]
    assert holds_meanwhile(site.app.site, "routines/before.yaml") == ""
    assert holds_meanwhile(site.app.site, "routines/first.yaml") == STOPPED


def test_a_routine_goes_by_the_last_good_version_of_another(house: Callable[..., Any]) -> None:
    site = house({"first": daily("First"), "before": daily("Before", BEFORE)})
    site.work()
    site.write("routines/first.yaml", "name: [broken\n")
    site.at("2026-11-20T12:00:05")
    site.at("2026-11-21T01:30:01")
    site.at("2026-11-21T02:30:01")

    assert site.told("first") == site.told("before") == ["succeeded schedule"]
    assert list(site.app.loaded.broken) == ["first"]
    assert holds_meanwhile(site.app.site, "routines/first.yaml") == KEPT


def test_a_routine_whose_other_one_was_removed_does_not_run_also_after_a_restart_and_stops_no_other(
    house: Callable[..., Any],
) -> None:
    last = daily("Last", "{of: before, offset: -1h}")
    site = house({"other": daily("Other"), "first": daily("First"), "before": daily("Before", BEFORE), "last": last})
    site.work()
    (site.root / "routines/first.yaml").unlink()
    site.at("2026-11-20T12:00:05")
    site.at("2026-11-21T02:30:01")
    site.close()
    site.app.draining.clear()
    site.open()
    site.at("2026-11-22T02:30:01")

    assert site.told("other") == ["succeeded schedule"] * 2
    assert site.told("before") == site.told("last") == []
    assert [problem.message for problem in site.app.loaded.broken["before"]] == ["unknown routine 'first'"]
    assert holds_meanwhile(site.app.site, "routines/before.yaml") == STOPPED


def test_a_calendar_that_is_gone_stops_what_goes_by_it_and_nothing_else(house: Callable[..., Any]) -> None:
    named = daily("Named", '{every: day, at: "02:30", calendar: norway}')
    site = house({"other": daily("Other"), "by-it": daily("By it", ON_HOLIDAYS), "named": named}, site=SITE + CALENDAR)
    site.work()
    site.write("opsrunner.yaml", SITE)
    site.at("2026-11-20T12:00:05")
    site.at("2026-11-21T02:30:01")

    assert site.told("other") == ["succeeded schedule"]
    assert site.told("by-it") == []
    assert site.told("named") == ["succeeded schedule"]  # on every day, whatever its calendar says
    assert sorted(site.app.loaded.broken) == ["by-it", "named"]

    site.write("opsrunner.yaml", SITE + CALENDAR)
    site.clock.move(seconds=5)
    site.work()
    site.at("2026-11-22T02:30:01")
    assert site.told("by-it") == ["succeeded schedule"]


def test_versions_that_would_go_round_in_a_circle_stop_no_other(house: Callable[..., Any]) -> None:
    site = house({"other": daily("Other"), "first": daily("First"), "before": daily("Before", BEFORE)})
    site.work()
    site.write("routines/before.yaml", daily("Before", BEFORE) + "timout: 3\n")  # stays in force as it goes by first
    site.write("routines/first.yaml", daily("First", "{of: before, offset: -1h}"))
    site.at("2026-11-20T12:00:05")
    site.at("2026-11-21T02:30:01")

    assert site.told("other") == ["succeeded schedule"]
    assert site.told("first") == ["succeeded schedule"]  # as it was
    assert list(site.app.loaded.broken) == ["before", "first"]
