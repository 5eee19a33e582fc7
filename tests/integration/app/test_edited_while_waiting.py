"""What was due and waits, for a window's end or for a business day, is accounted for though its schedule is edited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import SITE

WINDOWS = "windows:\n  night: {name: Night, hosts: [web1], schedule: {every: day, at: '02:00'}, lasts: 2h}\n"
HEAD = "name: Backups\naccountable: sysadmin\n"
STEPS = 'steps: [{run: "true"}]\n'
AT_THREE = 'schedule: {every: day, at: "03:00"}\n'
AVOIDING = f"{HEAD}{AT_THREE}avoid: maintenance.night\n{STEPS}"
CALENDAR = "calendars: {business: {days_off: [2026-11-23]}}\n"  # a Monday
MOVED = f'{HEAD}schedule: {{every: day, at: "03:00", on_holiday: next business day}}\n{STEPS}'


def edited(site: Any, at: str, text: str, file: str = "routines/backups.yaml") -> None:
    site.at(at)
    site.write(file, text)
    site.clock.move(seconds=5)
    site.work()
    site.clock.move(seconds=6)
    site.work()


@pytest.fixture
def avoiding(house: Callable[..., Any]) -> Any:
    site = house({"backups": AVOIDING.replace("avoid: maintenance.night\n", "")})
    site.write("maintenance.yaml", WINDOWS)
    site.write("routines/backups.yaml", AVOIDING)
    site.clock.move(seconds=5)
    site.work()
    site.at("2026-11-21T03:00:30")
    assert site.told("backups") == []
    return site


def test_it_runs_at_once_when_it_avoids_its_window_no_more(avoiding: Any) -> None:
    edited(avoiding, "2026-11-21T03:10:00", f"{HEAD}{AT_THREE}{STEPS}")
    assert avoiding.told("backups") == ["succeeded catch_up"]
    avoiding.at("2026-11-22T03:00:01")
    assert avoiding.told("backups") == ["succeeded catch_up", "succeeded schedule"]


def test_it_runs_at_once_when_its_window_is_at_another_time(avoiding: Any) -> None:
    edited(avoiding, "2026-11-21T03:10:00", WINDOWS.replace("02:00", "22:00"), "maintenance.yaml")
    assert avoiding.told("backups") == ["succeeded catch_up"]


def test_it_is_left_out_when_its_new_schedule_does_not_know_it(avoiding: Any) -> None:
    edited(avoiding, "2026-11-21T03:10:00", AVOIDING.replace("03:00", "05:00"))
    assert avoiding.told("backups") == ["skipped edited"]
    avoiding.at("2026-11-21T05:00:01")
    assert avoiding.told("backups") == ["skipped edited", "succeeded schedule"]


def test_it_goes_on_waiting_when_the_window_is_longer(avoiding: Any) -> None:
    edited(avoiding, "2026-11-21T03:10:00", WINDOWS.replace("2h", "3h"), "maintenance.yaml")
    assert avoiding.told("backups") == []
    avoiding.at("2026-11-21T05:00:01")
    assert avoiding.told("backups") == ["succeeded schedule"]


def test_it_is_missed_when_nothing_is_caught_up_with(avoiding: Any) -> None:
    edited(avoiding, "2026-11-21T03:10:00", f"{HEAD}{AT_THREE}catch_up: skip\n{STEPS}")
    assert avoiding.told("backups") == ["missed policy"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(MOVED.replace("next business day", "skip"), "skipped holiday", id="left out on holidays"),
        pytest.param(MOVED.replace("next business day", "run"), "succeeded catch_up", id="run on holidays"),
    ],
)
def test_what_a_holiday_has_moved_is_accounted_for_by_the_new_rule(
    house: Callable[..., Any], text: str, told: str
) -> None:
    site = house({"backups": MOVED}, site=SITE + CALENDAR)
    site.at("2026-11-22T03:00:01")
    before = site.told("backups")
    site.at("2026-11-23T03:00:30")
    assert site.told("backups") == before
    edited(site, "2026-11-23T09:00:00", text)
    assert site.told("backups") == [*before, told]


def test_what_a_day_off_has_moved_runs_when_that_is_none_any_more(house: Callable[..., Any]) -> None:
    site = house({"backups": MOVED}, site=SITE + CALENDAR)
    site.at("2026-11-22T03:00:01")
    site.at("2026-11-23T03:00:30")
    before = site.told("backups")
    edited(site, "2026-11-23T09:00:00", SITE, "opsrunner.yaml")
    assert site.told("backups") == [*before, "succeeded catch_up"]


def test_what_waits_follows_a_rename(avoiding: Any) -> None:
    avoiding.at("2026-11-21T03:10:00")
    (avoiding.root / "routines/backups.yaml").unlink()
    avoiding.write("routines/copies.yaml", f"{HEAD}{AT_THREE}renamed_from: backups\n{STEPS}")
    for _ in range(2):
        avoiding.clock.move(seconds=6)
        avoiding.work()
    assert avoiding.told("copies") == ["succeeded catch_up"]


def test_it_is_left_out_when_its_file_is_removed(avoiding: Any) -> None:
    avoiding.at("2026-11-21T03:10:00")
    (avoiding.root / "routines/backups.yaml").unlink()
    for _ in range(2):
        avoiding.clock.move(seconds=6)
        avoiding.work()
    assert avoiding.told("backups") == ["skipped edited"]

    avoiding.write("routines/backups.yaml", AVOIDING)
    avoiding.at("2026-11-21T04:00:01")
    assert avoiding.told("backups") == ["skipped edited"], (
        "it has its record, and a routine that comes back counts anew"
    )
    avoiding.at("2026-11-22T04:00:01")
    assert avoiding.told("backups") == ["skipped edited", "succeeded schedule"]


def test_it_goes_on_waiting_when_a_mistake_that_is_soon_mended_puts_it_out_of_force(avoiding: Any) -> None:
    edited(avoiding, "2026-11-21T03:10:00", WINDOWS.replace("night:", "nightly:"), "maintenance.yaml")
    assert "backups" not in avoiding.app.site.routines
    edited(avoiding, "2026-11-21T03:11:00", AVOIDING.replace("night", "nightly"))
    assert avoiding.told("backups") == []
    avoiding.at("2026-11-21T04:00:01")
    assert avoiding.told("backups") == ["succeeded schedule"]


def test_it_is_left_out_when_its_file_is_removed_though_another_had_its_name_once(avoiding: Any) -> None:
    (avoiding.root / "routines/backups.yaml").unlink()
    avoiding.write("routines/copies.yaml", f"{HEAD}{AT_THREE}renamed_from: backups\n{STEPS}")
    avoiding.at("2026-11-21T03:01:00")
    avoiding.write("routines/backups.yaml", AVOIDING.replace("03:00", "03:05"))
    avoiding.clock.move(seconds=6)
    avoiding.work()
    avoiding.at("2026-11-21T03:05:30")
    (avoiding.root / "routines/backups.yaml").unlink()
    for _ in range(2):
        avoiding.clock.move(seconds=6)
        avoiding.work()
    assert avoiding.told("backups") == ["skipped edited"]


def test_it_goes_on_waiting_when_its_file_gets_another_name_and_a_mistake_that_is_soon_mended(avoiding: Any) -> None:
    new = f"{AVOIDING}renamed_from: backups\n"
    avoiding.at("2026-11-21T03:10:00")
    (avoiding.root / "routines/backups.yaml").unlink()
    avoiding.write("routines/copies.yaml", new.replace("steps:", "stpes:"))
    avoiding.clock.move(seconds=5)
    avoiding.work()
    assert avoiding.app.site.routines == {}
    edited(avoiding, "2026-11-21T03:10:40", new, "routines/copies.yaml")
    assert avoiding.told("copies") == []
    avoiding.at("2026-11-21T04:00:01")
    assert avoiding.told("copies") == ["succeeded schedule"]


def test_it_goes_on_waiting_when_a_mistake_comes_while_its_new_name_is_put_off(avoiding: Any) -> None:
    slow = AVOIDING.replace('"true"', """'until [ -e "$PWD/var/gate" ]; do sleep 0.05; done'""")
    avoiding.write("routines/backups.yaml", slow)
    avoiding.clock.move(seconds=5)
    avoiding.daemon.work_once()
    avoiding.app.books.requests.ask_for_run("backups", actor="boss", at=avoiding.clock.now())
    avoiding.clock.move(seconds=1)
    avoiding.daemon.work_once()

    def write(file: str, text: str) -> None:
        avoiding.write(file, text)
        for _ in range(2):
            avoiding.clock.move(seconds=5)
            avoiding.daemon.work_once()

    (avoiding.root / "routines/backups.yaml").unlink()
    write("routines/copies.yaml", f"{slow}renamed_from: backups\n")
    assert sorted(avoiding.app.site.routines) == ["backups"]
    write("maintenance.yaml", WINDOWS.replace("night:", "nightly:"))
    assert avoiding.app.site.routines == {}
    write("maintenance.yaml", WINDOWS)
    assert avoiding.told("backups") == ["running manual"]

    (avoiding.root / "var/gate").touch()
    avoiding.settle()
    avoiding.clock.move(seconds=5)
    avoiding.work()
    avoiding.at("2026-11-21T04:00:01")
    assert avoiding.told("copies") == ["succeeded manual", "succeeded schedule"]
