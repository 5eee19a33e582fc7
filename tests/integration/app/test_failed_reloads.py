"""An edit that could not be written: what was in force goes on as a whole, and the next look takes the edit up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from opsrunner.engine.downtime_acts import By
from opsrunner.engine.downtimes import time_of_window
from opsrunner.errors import StateError

from .unwritten import no_edit_is_written

WINDOWS = "windows:\n  night: {name: Night, hosts: [web1], schedule: {every: day, at: '02:00'}, lasts: 2h}\n"
HEAD = "name: Backups\naccountable: sysadmin\n"
STEPS = 'steps: [{run: "true"}]\n'
AVOIDING = f'{HEAD}schedule: {{every: day, at: "03:00"}}\navoid: maintenance.night\n{STEPS}'
HOURLY = f"{HEAD}schedule: {{every: 1h}}\n{STEPS}"
BESIDE = f"{HEAD}schedule: {{of: maintenance.night, offset: -30m}}\n{STEPS}"


def look(site: Any, *, seconds: int = 5) -> None:
    site.clock.move(seconds=seconds)
    site.work()


@pytest.fixture
def with_window(house: Callable[..., Any]) -> Callable[[str], Any]:
    """Open a site with the window `night` and a routine `backups` that goes by it."""

    def build(text: str) -> Any:
        site = house({"backups": HOURLY, "hourly": HOURLY})
        site.write("maintenance.yaml", WINDOWS)
        site.write("routines/backups.yaml", text)
        look(site)
        return site

    return build


def test_each_routine_is_planned_after_it(house: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    site = house({"edited": HOURLY, "other": HOURLY})
    site.at("2026-11-20T13:00:10")
    site.write("routines/edited.yaml", HOURLY.replace("Backups", "Another name"))
    with no_edit_is_written(site.app.books), pytest.raises(StateError, match="the disk is full"):
        look(site)
    look(site)
    site.at("2026-11-20T14:00:10")
    for name in ("edited", "other"):
        assert site.told(name) == ["succeeded schedule"] * 2
    assert site.app.books.routines.name("edited") == "Another name"


def test_what_waited_and_is_not_due_any_more_has_its_record(
    with_window: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_window(AVOIDING)
    site.at("2026-11-21T03:10:00")
    site.write("routines/backups.yaml", AVOIDING.replace("03:00", "05:00"))
    with no_edit_is_written(site.app.books), pytest.raises(StateError):
        look(site)
    look(site)
    assert site.told("backups") == ["skipped edited"]


def test_what_is_due_before_the_edit_is_written_goes_by_what_was_in_force(
    with_window: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_window(AVOIDING)
    site.at("2026-11-21T03:59:50")
    site.write("maintenance.yaml", WINDOWS.replace("night:", "nightly:"))
    site.write("routines/backups.yaml", AVOIDING.replace("night", "nightly"))
    with no_edit_is_written(site.app.books):
        with pytest.raises(StateError):
            look(site)
        site.clock.move(seconds=6)
        site.daemon.work_once()
        site.settle()
        assert site.told("backups") == ["succeeded schedule"]
        assert site.told("hourly")[-1] == "succeeded schedule"
        with pytest.raises(StateError):
            look(site)
    look(site)
    site.at("2026-11-22T04:00:10")
    assert site.told("backups") == ["succeeded schedule"] * 2


def test_what_goes_by_a_window_that_was_moved_does_not_start_at_its_old_time(
    with_window: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = with_window(BESIDE)
    site.at("2026-11-21T01:20:00")
    window = time_of_window(site.app.desk, "night", at=site.clock.now())
    by = By(actor=site.app.site.people["boss"], at=site.clock.now())
    site.app.downtime_acts.move(window, begins_at=window.begins_at + timedelta(hours=1), ends_at=None, reason="", by=by)
    with no_edit_is_written(site.app.books):
        for seconds in (5, 605):
            with pytest.raises(StateError):
                look(site, seconds=seconds)
    assert site.told("backups") == []
    look(site)
    site.at("2026-11-21T02:30:10")
    assert site.told("backups") == ["succeeded schedule"]
