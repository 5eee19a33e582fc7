"""A routine that gets another name keeps one history, also while it has a run that has not ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opsrunner.errors import StateError
from opsrunner.ledger.runs import NewRun
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.model.task import Evidence, TaskKind, TaskStatus

from ...patience import until
from .conftest import SITE
from .unwritten import no_edit_is_written

APPROVED = """\
name: Approved
accountable: ops1
steps:
  - task: May it go on
    wait: true
  - id: work
    run: test -e "$PWD/var/good"
"""
SLOW = """\
name: Slow
accountable: ops1
schedule: {every: 1h}
steps:
  - run: until [ -e "$PWD/var/gate" ]; do sleep 0.05; done; false
    timeout: 9h
"""
BEFORE = "name: Before\naccountable: ops1\nschedule: {of: NAME, offset: -10m}\nsteps: [{run: 'true'}]\n"


def rename(site: Any, text: str, *, old: str = "old", new: str = "new") -> None:
    (site.root / f"routines/{old}.yaml").unlink()
    site.write(f"routines/{new}.yaml", f"{text}renamed_from: {old}\n")
    site.clock.move(seconds=5)
    site.work()


def open_follow_ups(site: Any) -> list[str | None]:
    rows = site.app.books.ledger.all(
        "SELECT routine FROM tasks WHERE kind = ? AND status = ?", (TaskKind.FOLLOW_UP.value, TaskStatus.OPEN.value)
    )
    return [row["routine"] for row in rows]


def tick(site: Any) -> None:
    (task,) = [task for task in site.app.books.tasks.opened(routine="new") if task.kind is TaskKind.ROUTINE]
    site.app.books.tasks.close(task.id, status=TaskStatus.DONE, by="ops1", evidence=Evidence(), at=site.clock.now())
    site.clock.move(seconds=40)
    site.work()


def test_a_run_that_waited_goes_on_under_the_new_name(house: Callable[..., Any]) -> None:
    site = house({"old": APPROVED})
    site.app.books.requests.ask_for_run("old", actor="boss", at=site.clock.now())
    site.clock.move(seconds=2)
    site.work()
    assert site.told("old") == ["waiting manual"]
    rename(site, APPROVED)
    tick(site)
    assert site.told("new") == ["failed step work"]
    assert open_follow_ups(site) == ["new"]

    (site.root / "var/good").touch()
    site.app.books.requests.ask_for_run("new", actor="boss", at=site.clock.now())
    site.clock.move(seconds=5)
    site.work()
    tick(site)
    assert site.told("new")[-1] == "succeeded manual"
    assert open_follow_ups(site) == []


@pytest.mark.parametrize("frozen", [True, False], ids=["known", "cannot be read any more"])
def test_a_run_that_was_cut_off_is_asked_about_under_the_new_name(house: Callable[..., Any], frozen: bool) -> None:
    site = house({"old": SLOW})
    site.work()
    books = site.app.books
    kept = books.routines.all()["old"].frozen if frozen else books.runs.freeze("nothing that can be read")
    new = NewRun(routine="old", trigger=Trigger.MANUAL, status=RunStatus.RUNNING, frozen=kept)
    run = books.runs.claim(new, at=site.clock.now())
    books.steps.start(run.id, 0, site.app.site.routines["old"].steps[0], at=site.clock.now())
    site.app.runner.marks.enter(run.id, 0)
    site.close()
    (site.root / "routines/old.yaml").unlink()
    site.write("routines/new.yaml", f"{SLOW}renamed_from: old\n")
    site.app.draining.clear()
    site.open()
    assert site.told("new") == ["interrupted crash"]
    assert open_follow_ups(site) == ["new"]


def test_a_new_name_is_taken_when_no_run_is_under_way(house: Callable[..., Any]) -> None:
    site = house({"old": SLOW, "before": BEFORE.replace("NAME", "old")})
    site.clock.set(site.clock.now().replace(hour=13, second=1))
    site.daemon.work_once()
    (site.root / "routines/old.yaml").unlink()
    site.write("routines/new.yaml", f"{SLOW}renamed_from: old\n")
    site.write("routines/before.yaml", BEFORE.replace("NAME", "new"))
    for _ in range(2):
        site.clock.move(seconds=5)
        site.daemon.work_once()
        site.daemon.work_once()
    assert sorted(site.app.site.routines) == ["before", "old"]
    assert site.told("old") == ["running schedule"]
    assert site.app.books.routines.name("new") is None
    site.clock.set(site.clock.now().replace(minute=50))
    site.daemon.work_once()
    assert [one.split()[0] for one in site.told("before")][-1] != "missed"

    (site.root / "var/gate").touch()
    site.settle()
    site.clock.move(seconds=5)
    site.work()
    assert sorted(site.app.site.routines) == ["before", "new"]
    assert site.told("new") == ["failed step run"]
    assert open_follow_ups(site) == ["new"]


def test_a_name_that_is_put_off_holds_nobody_up_though_what_its_schedule_named_is_renamed_too(
    house: Callable[..., Any],
) -> None:
    hourly = "name: Hourly\naccountable: ops1\nschedule: {every: 1h}\nsteps: [{run: 'true'}]\n"
    before_first = SLOW.replace("{every: 1h}", "{of: first, offset: -10m}")
    site = house({"first": hourly, "old": before_first})
    site.clock.set(site.clock.now().replace(minute=50, second=1))
    site.daemon.work_once()
    assert site.told("old") == ["running schedule"]

    for name in ("first", "old"):
        (site.root / f"routines/{name}.yaml").unlink()
    site.write("routines/main.yaml", f"{hourly}renamed_from: first\n")
    site.write("routines/new.yaml", f"{before_first.replace('first', 'main')}renamed_from: old\n")
    for hour, minute in ((12, 51), (13, 0), (13, 50), (14, 0)):
        site.clock.set(site.clock.now().replace(hour=hour, minute=minute, second=10))
        for _ in range(3):
            site.daemon.work_once()
    assert sorted(site.app.site.routines) == ["main", "old"]
    assert [run.nominal_at.hour for run in site.runs("main")] == [13, 14]
    assert site.told("old") == ["running schedule", "skipped overlap"]

    (site.root / "var/gate").touch()
    site.settle()
    site.clock.move(seconds=5)
    site.work()
    assert sorted(site.app.site.routines) == ["main", "new"]
    assert site.told("new") == ["failed step run", "skipped overlap"]


def test_a_name_that_is_put_off_goes_by_its_new_file(house: Callable[..., Any]) -> None:
    site = house({"old": SLOW})
    site.clock.set(site.clock.now().replace(hour=13, second=1))
    site.daemon.work_once()
    (site.root / "routines/old.yaml").unlink()
    site.write("routines/new.yaml", f"{SLOW.replace('1h', '30m')}renamed_from: old\n")
    for minute in (1, 30):
        site.clock.set(site.clock.now().replace(minute=minute, second=10))
        for _ in range(3):
            site.daemon.work_once()
    assert sorted(site.app.site.routines) == ["old"]
    assert site.told("old") == ["running schedule", "skipped overlap"]


def test_what_comes_back_under_another_name_while_a_run_goes_on_is_accounted_for(house: Callable[..., Any]) -> None:
    site = house({"old": SLOW})
    site.clock.set(site.clock.now().replace(hour=13, second=1))
    site.daemon.work_once()
    (site.root / "routines/old.yaml").unlink()
    site.clock.move(seconds=5)
    for _ in range(2):
        site.daemon.work_once()
    assert not site.app.site.routines

    site.write("routines/new.yaml", f"{SLOW}renamed_from: old\n")
    for hour in (13, 14, 15):
        site.clock.set(site.clock.now().replace(hour=hour, second=30))
        for _ in range(3):
            site.daemon.work_once()
    (site.root / "var/gate").touch()
    site.settle()
    site.clock.move(seconds=5)
    site.work()
    assert sorted(site.app.site.routines) == ["new"]
    assert site.told("new") == ["failed step run", "skipped overlap", "skipped overlap"]


def test_a_second_name_while_the_first_is_put_off_keeps_the_history(house: Callable[..., Any]) -> None:
    site = house({"old": SLOW})
    site.clock.set(site.clock.now().replace(hour=13, second=1))
    site.daemon.work_once()

    def look() -> None:
        site.clock.move(seconds=5)
        for _ in range(2):
            site.daemon.work_once()

    for before, after in (("old", "new"), ("new", "newer"), ("newer", "newest")):
        (site.root / f"routines/{before}.yaml").unlink()
        site.write(f"routines/{after}.yaml", f"{SLOW}renamed_from: {before}\n")
        look()
        assert sorted(site.app.site.routines) == ["old"]
    (site.root / "var/gate").touch()
    site.settle()
    look()
    site.settle()
    assert sorted(site.app.site.routines) == ["newest"]
    assert site.told("newest") == ["failed step run"]
    assert sorted(site.app.books.routines.all()) == ["newest"]

    (site.root / "routines/newest.yaml").unlink()
    site.write("routines/last.yaml", f"{SLOW}renamed_from: newest\n")
    look()
    assert site.told("last") == ["failed step run"]


def test_a_former_name_that_nobody_knows_is_told_of_once(
    house: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    site = house({"old": SLOW})
    rename(site, SLOW, old="old", new="new")
    (site.root / "routines/new.yaml").unlink()
    for name in ("Slow", "Slow still", "Slow for ever"):
        site.write("routines/newest.yaml", f"{SLOW.replace('Slow', name)}renamed_from: odl\n")
        site.clock.move(seconds=5)
        site.work()
    (said,) = [record.message for record in caplog.records if "renamed_from" in record.message]
    assert said == (
        "routines/newest.yaml: renamed_from: there is no history of 'odl', so newest begins without one; to carry one "
        "over, give the file yet another name, and here the id that the history stands under"
    )


def test_a_name_is_put_off_though_the_edit_could_not_be_written_at_first(house: Callable[..., Any]) -> None:
    """A run that starts until it is written knows its routine by the former name."""
    site = house({"old": SLOW})
    site.clock.set(site.clock.now().replace(hour=12, minute=59, second=50))
    site.daemon.work_once()
    (site.root / "routines/old.yaml").unlink()
    site.write("routines/new.yaml", f"{SLOW}renamed_from: old\n")

    with no_edit_is_written(site.app.books):
        site.clock.move(seconds=5)
        with pytest.raises(StateError):
            site.daemon.work_once()
        site.clock.move(seconds=6)
        site.daemon.work_once()
    for _ in range(2):
        site.clock.move(seconds=5)
        site.daemon.work_once()
    assert sorted(site.app.site.routines) == ["old"]
    assert site.told("old") == ["running schedule"]


COPYING = """\
name: Copying
accountable: ops1
schedule: {every: 1h}
steps:
  - id: copy
    backup: {paths: [routines], to: disk}
  - run: until [ -e "$PWD/var/gate" ]; do sleep 0.05; done
"""
DRILL = "name: Drill\naccountable: ops1\nsteps: [{restore_drill: {of: NAME/copy}}]\n"


def test_a_drill_finds_the_copies_of_a_routine_whose_new_name_is_put_off(house: Callable[..., Any]) -> None:
    stores = "stores:\n  disk: {local: {path: $STATE/copies}}\n"
    site = house({"old": COPYING, "drill": DRILL.replace("NAME", "old")}, site=SITE + stores)
    site.clock.set(site.clock.now().replace(hour=13, second=1))
    site.daemon.work_once()
    until(lambda: site.app.books.copies.lying(routine="old"))
    (site.root / "routines/old.yaml").unlink()
    site.write("routines/new.yaml", f"{COPYING}renamed_from: old\n")
    site.write("routines/drill.yaml", DRILL.replace("NAME", "new"))
    site.clock.move(seconds=5)
    site.daemon.work_once()
    assert sorted(site.app.site.routines) == ["drill", "old"]

    site.app.books.requests.ask_for_run("drill", actor="boss", at=site.clock.now())
    for _ in range(2):
        site.clock.move(seconds=5)
        site.daemon.work_once()
    until(lambda: site.told("drill") != ["running manual"])
    assert site.told("drill") == ["succeeded manual"]
