"""What was due before does not start while its routine is held: caught up with, or waiting for its turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from .conftest import SITE

DAILY = """\
name: Backups
accountable: sysadmin
{more}schedule: {{every: day, at: "02:30"}}
steps: [{{run: "true"}}]
"""
SLOW = """\
name: Slow
accountable: sysadmin
tags: [changes]
schedule: {every: 1h}
overlap: queue
steps: [{timeout: 12h, run: 'until [ -e "$PWD/var/gate" ]; do sleep 0.05; done'}]
"""
FREEZES = "freezes: [{from: 2026-11-21, until: 2026-11-22, tags: [changes], reason: Season}]\n"


def restart(site: Any, moment: str) -> None:
    """Let the daemon begin again at a moment, after a stop."""
    site.close()
    site.app.draining.clear()
    site.clock.move(hours=14, minutes=35)
    site.open()
    site.at(moment)


def test_a_pause_before_the_start_holds_what_the_stop_missed(house: Callable[..., Any]) -> None:
    site = house({"backups": DAILY.format(more="")})
    site.work()
    site.app.books.holds.pause(
        "backups",
        until=site.clock.now() + timedelta(days=3),
        reason="put back",
        actor="boss",
        at=site.clock.now() + timedelta(hours=14, minutes=32),  # said while no daemon works, after it was due
    )
    restart(site, "2026-11-21T02:36:00")
    assert site.told("backups") == ["skipped paused"]


def test_a_freeze_holds_what_the_evening_before_it_missed(house: Callable[..., Any]) -> None:
    late = DAILY.format(more="tags: [changes]\n").replace("02:30", "23:00")
    site = house({"backups": late}, site=SITE + FREEZES)
    site.work()
    restart(site, "2026-11-21T08:00:00")
    assert site.told("backups") == ["skipped frozen"]


def test_what_waits_for_its_turn_is_left_out_when_its_routine_is_held_by_then(house: Callable[..., Any]) -> None:
    site = house({"slow": SLOW})
    site.daemon.work_once()
    for moment in ("13:00:01", "14:00:01"):
        hours, minutes, seconds = map(int, moment.split(":"))
        site.clock.set(site.clock.now().replace(hour=hours, minute=minutes, second=seconds))
        site.daemon.work_once()
    assert site.told("slow") == ["running schedule", "waiting queued"]
    site.app.books.holds.pause(
        "slow", until=site.clock.now() + timedelta(hours=9), reason="", actor="boss", at=site.clock.now()
    )
    (site.root / "var" / "gate").touch()
    site.settle()
    site.clock.move(seconds=6)
    site.work()
    assert site.told("slow") == ["succeeded schedule", "skipped paused"]


def test_a_run_by_hand_starts_though_its_routine_is_paused(house: Callable[..., Any]) -> None:
    site = house({"slow": SLOW})
    site.daemon.work_once()
    site.clock.set(site.clock.now().replace(hour=13, second=1))
    site.daemon.work_once()
    site.app.books.requests.ask_for_run("slow", actor="boss", at=site.clock.now())
    site.app.books.holds.pause(
        "slow", until=site.clock.now() + timedelta(hours=9), reason="", actor="boss", at=site.clock.now()
    )
    site.clock.move(seconds=6)
    site.daemon.work_once()
    (site.root / "var" / "gate").touch()
    site.settle()
    site.clock.move(seconds=6)
    site.work()
    assert site.told("slow") == ["succeeded schedule", "succeeded manual"]


WINDOWS = "windows:\n  night: {name: Night, hosts: [web1], schedule: {every: day, at: '03:00'}, lasts: 1h}\n"


@pytest.fixture
def late(house: Callable[..., Any]) -> Any:
    """A site that begins again within the window that its late backups avoid."""
    site = house({"backups": DAILY.format(more="avoid: maintenance.night\n")})
    site.write("maintenance.yaml", WINDOWS)
    site.clock.move(seconds=5)
    site.work()
    assert site.app.loaded.problems == ()
    restart(site, "2026-11-21T03:30:00")
    assert site.told("backups") == ["waiting queued"]
    return site


def test_what_is_late_starts_when_the_window_is_over_that_it_avoids(late: Any) -> None:
    late.at("2026-11-21T03:59:50")
    assert late.told("backups") == ["waiting queued"]
    late.at("2026-11-21T04:00:05")
    assert late.told("backups") == ["succeeded catch_up"]


def test_what_is_late_waits_while_a_mistake_puts_its_routine_out_of_force(late: Any) -> None:
    late.write("maintenance.yaml", WINDOWS.replace("night:", "nightly:"))
    late.at("2026-11-21T03:31:00")
    assert late.app.site.routines == {}
    late.at("2026-11-21T04:01:00")
    assert late.told("backups") == ["waiting queued"]
    late.write("maintenance.yaml", WINDOWS)
    late.at("2026-11-21T04:02:00")
    assert late.told("backups") == ["succeeded catch_up"]


def test_what_is_late_waits_while_the_file_with_its_new_name_has_a_mistake(late: Any) -> None:
    (late.root / "routines/backups.yaml").unlink()
    late.write("routines/copies.yaml", "name: [broken\n")
    late.at("2026-11-21T04:01:00")
    assert late.told("backups") == ["waiting queued"]
    late.write("routines/copies.yaml", DAILY.format(more="renamed_from: backups\n"))
    late.at("2026-11-21T04:02:00")
    assert late.told("copies") == ["succeeded catch_up"]


def test_what_is_late_avoids_its_window_though_its_file_was_removed(late: Any) -> None:
    (late.root / "routines/backups.yaml").unlink()
    late.at("2026-11-21T03:31:00")
    assert late.told("backups") == ["waiting queued"]
    late.at("2026-11-21T04:00:05")
    assert late.told("backups") == ["succeeded catch_up"]


def test_a_pause_holds_what_is_late_though_its_file_was_removed(late: Any) -> None:
    now = late.clock.now()
    late.app.books.holds.pause("backups", until=now + timedelta(days=3), reason="", actor="boss", at=now)
    (late.root / "routines/backups.yaml").unlink()
    late.at("2026-11-21T03:31:00")
    assert late.told("backups") == ["skipped paused"]


def test_what_is_late_is_left_out_when_its_window_was_removed_with_its_file(late: Any) -> None:
    (late.root / "routines/backups.yaml").unlink()
    (late.root / "maintenance.yaml").unlink()
    late.at("2026-11-21T03:31:00")
    assert late.told("backups") == ["skipped edited"]


def test_the_next_time_to_skip_is_one_that_would_have_run(house: Callable[..., Any]) -> None:
    """The Monday is a holiday on which the routine is skipped anyway: to skip that once more would skip nothing."""
    weekly = '{every: week, on: monday, at: "02:30", on_holiday: skip}'
    text = DAILY.format(more="").replace('{every: day, at: "02:30"}', weekly)
    site = house({"backups": text}, site=SITE + "calendars: {business: {days_off: [2026-11-23]}}\n")
    site.work()
    now = site.clock.now()
    routine = site.app.site.routines["backups"]
    chosen = site.app.routine_acts.to_skip(routine, at=now)[:1]
    assert [f"{one.nominal_at:%Y-%m-%d}" for one in chosen] == ["2026-11-30"]
    site.app.routine_acts.skip(routine, chosen, reason="done by hand", actor="boss", at=now)
    for day in ("2026-11-23", "2026-11-30", "2026-12-07"):
        site.at(f"{day}T02:30:01")
    site.settle()
    assert site.told("backups") == ["skipped holiday", "skipped asked", "succeeded schedule"]
