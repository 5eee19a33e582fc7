"""Routines that go by maintenance windows, with the real planner and ledger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.calendar_downtimes import downtime_forecasts
from opsrunner.engine.downtime_acts import By
from opsrunner.engine.downtimes import time_of_window
from opsrunner.errors import Refused, UsageError
from opsrunner.testing import FakeClock

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
  eye: {name: The auditor, email: eye@example.com, roles: [viewer]}
mail: {from: ops@example.com}
digest: {to: [owner]}
"""
WINDOWS = """\
windows:
  kernel:
    name: Kernel updates
    schedule: {every: week, on: tuesday, at: "02:00"}
    lasts: 2h
    hosts: [web1]
    accountable: sysadmin
"""
HEAD = "name: R\naccountable: sysadmin\n"
STEPS = 'steps: [{run: ["true"]}]\n'
PATCH = f"{HEAD}schedule: {{of: maintenance.kernel, offset: +5m}}\n{STEPS}"
BACKUP = f'{HEAD}schedule: {{every: day, at: "02:30"}}\navoid: maintenance.kernel\n{STEPS}'
INSIDE = f"{HEAD}schedule: {{every: 1h}}\nonly_in: maintenance.kernel\n{STEPS}"
START = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday; the window comes on Tuesday 24th


@pytest.fixture
def site(make_site: Callable[[Mapping[str, str]], Path], reopened: Callable[..., Any]) -> Callable[..., Any]:
    """Open a site with the window `kernel` and these routines."""

    def build(windows: str = WINDOWS, **routines: str) -> Any:
        files = {"opsrunner.yaml": SITE, "maintenance.yaml": windows}
        root = make_site({**files, **{f"routines/{name}.yaml": text for name, text in routines.items()}})
        return reopened(root, FakeClock(START))

    return build


def stand(house: Any, name: str = "kernel") -> Any:
    return time_of_window(house.app.desk, name, at=house.clock.now())


def move(house: Any, to: str, until: str | None = None) -> Any:
    return house.app.downtime_acts.move(
        stand(house),
        begins_at=moment(to) if to else None,
        ends_at=moment(until) if until else None,
        reason="",
        by=By(actor=house.app.site.people["boss"], at=house.clock.now()),
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def started(house: Any, routine: str) -> list[str]:
    return [f"{run.planned_at:%d %H:%M} {run.status.value} {run.reason}".strip() for run in house.runs(routine)]


def test_a_routine_runs_beside_its_window(site: Callable[..., Any]) -> None:
    house = site(patch=PATCH)
    house.at("2026-11-24T02:04:00")
    assert started(house, "patch") == []
    house.at("2026-11-24T02:05:10")

    assert started(house, "patch") == ["24 02:05 succeeded"]


def test_moving_the_window_moves_what_goes_by_it_and_nothing_runs_twice(site: Callable[..., Any]) -> None:
    house = site(patch=PATCH, backup=BACKUP)
    move(house, "2026-11-25T01:00")
    house.at("2026-11-24T02:06:00")
    assert started(house, "patch") == []
    house.at("2026-11-24T02:31:00")
    assert started(house, "backup")[-1] == "24 02:30 succeeded"  # nothing is in its way any more
    house.at("2026-11-25T01:05:10")
    assert started(house, "patch") == ["25 01:05 succeeded"]
    assert house.runs("patch")[0].nominal_at == moment("2026-11-24T02:05")
    house.at("2026-11-25T02:31:00")
    assert started(house, "backup")[-1] == "24 02:30 succeeded"  # the window is on until 03:00
    house.at("2026-11-25T03:00:30")
    assert started(house, "backup")[-1] == "25 03:00 succeeded"
    house.at("2026-11-30T12:00:00")
    assert started(house, "patch") == ["25 01:05 succeeded"]


def test_a_cancelled_window_leaves_out_what_goes_by_it(site: Callable[..., Any]) -> None:
    house = site(patch=PATCH, inside=INSIDE)
    boss = house.app.site.people["boss"]
    house.app.downtime_acts.cancel(stand(house), reason="not needed", by=By(actor=boss, at=house.clock.now()))
    house.at("2026-11-24T02:10:00")

    assert started(house, "patch") == ["24 02:05 skipped cancelled"]
    assert started(house, "inside")[-1] == "24 02:00 skipped outside"


def test_only_inside_of_its_window_a_routine_runs(site: Callable[..., Any]) -> None:
    house = site(inside=INSIDE)
    for hour in ("01", "02", "03", "04"):
        house.at(f"2026-11-24T{hour}:00:10")

    assert started(house, "inside")[-4:] == [
        "24 01:00 skipped outside", "24 02:00 succeeded", "24 03:00 succeeded", "24 04:00 skipped outside",
    ]  # fmt: skip


def test_what_waits_for_the_end_runs_as_soon_as_somebody_ends_it(site: Callable[..., Any]) -> None:
    house = site(backup=BACKUP)
    house.at("2026-11-24T02:40:00")
    house.app.announcer.work(house.clock.now())
    assert started(house, "backup")[-1] == "23 02:30 missed coalesced"  # the one that waits for the end stands for it
    boss = house.app.site.people["boss"]
    house.app.downtime_acts.end(stand(house), by=By(actor=boss, at=house.clock.now()))
    house.at("2026-11-24T02:41:10")

    assert started(house, "backup")[-1] == "24 02:41 succeeded"


def test_what_a_move_leaves_in_the_past_runs_at_once_and_is_accounted_for(site: Callable[..., Any]) -> None:
    house = site(ask=f"{HEAD}schedule: {{of: maintenance.kernel, offset: -3d}}\n{STEPS}")
    house.at("2026-11-20T12:00:30")
    move(house, "2026-11-22T02:00")
    house.at("2026-11-20T12:02:00")

    assert started(house, "ask") == ["20 12:01 succeeded"]


def test_a_move_is_seen_before_the_old_time_comes(site: Callable[..., Any]) -> None:
    house = site(patch=PATCH)
    house.clock.set(moment("2026-11-24T02:04:59"))
    house.work()
    move(house, "2026-11-24T04:00")
    house.clock.set(moment("2026-11-24T02:05:00"))
    house.work()

    assert started(house, "patch") == []
    house.at("2026-11-24T04:05:05")
    assert started(house, "patch") == ["24 04:05 succeeded"]


def test_a_restart_in_between_changes_nothing(site: Callable[..., Any]) -> None:
    house = site(patch=PATCH)
    move(house, "2026-11-25T01:00")
    house.close()
    house.open()
    house.at("2026-11-24T02:06:00")
    assert started(house, "patch") == []
    house.at("2026-11-25T01:05:10")
    assert started(house, "patch") == ["25 01:05 succeeded"]


def test_the_calendar_shows_where_a_window_is_now(site: Callable[..., Any]) -> None:
    house = site(patch=PATCH)
    move(house, "2026-11-25T01:00")
    house.at("2026-11-20T12:00:10")

    (found,) = downtime_forecasts(
        house.app.desk, from_=house.clock.now(), until=moment("2026-11-27T00:00"), now=house.clock.now()
    )
    assert (found.routine, found.planned_at, found.status) == ("maintenance.kernel", moment("2026-11-25T01:00"), "due")
    assert "moved" in found.shift


def test_who_may_only_look_moves_nothing(site: Callable[..., Any]) -> None:
    house = site(patch=PATCH)
    with pytest.raises(Refused, match="may look"):
        house.app.downtime_acts.cancel(
            stand(house), reason="", by=By(actor=house.app.site.people["eye"], at=house.clock.now())
        )


@pytest.mark.parametrize(
    ("to", "until", "said"),
    [
        ("2026-11-20T11:00", None, "to a time to come"),
        ("2026-11-25T01:00", "2026-11-25T00:30", "must end after it begins"),
        ("2026-11-24T02:00", None, "at that time already"),
        ("", None, "say where to"),
        ("2026-11-25T01:00", "2027-01-25T00:30", "within 14 days"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused_in_a_sentence(
    site: Callable[..., Any], to: str, until: str | None, said: str
) -> None:
    house = site(patch=PATCH)
    with pytest.raises(UsageError, match=said):
        move(house, to, until)


def test_every_act_stands_in_the_audit(site: Callable[..., Any]) -> None:
    house = site(patch=PATCH)
    move(house, "2026-11-25T01:00")

    (record,) = house.app.books.audit.about("maintenance kernel")
    assert (record.actor, record.action) == ("boss", "move")
    assert "Tue 24 Nov 02:00" in record.detail


def test_a_window_that_the_file_no_longer_names_takes_its_routines_along_with_a_reason(
    site: Callable[..., Any],
) -> None:
    house = site(patch=PATCH)
    house.write("maintenance.yaml", WINDOWS.replace("kernel:", "kernal:"))
    house.at("2026-11-20T12:01:00")

    assert [str(problem) for problem in house.app.loaded.problems] == [
        "routines/patch.yaml:3:16: schedule.of: unknown maintenance window 'kernel', did you mean 'kernal'?"
    ]


def test_a_broken_file_leaves_its_last_good_version_in_force_also_after_a_restart(site: Callable[..., Any]) -> None:
    house = site(patch=PATCH)
    house.at("2026-11-20T12:01:00")
    house.write("maintenance.yaml", WINDOWS.replace("lasts: 2h", "lasts: long"))
    house.at("2026-11-20T12:02:00")
    house.close()
    house.open()
    house.at("2026-11-24T02:05:10")

    assert started(house, "patch") == ["24 02:05 succeeded"]
    assert house.app.loaded.problems[0].file == "maintenance.yaml"
