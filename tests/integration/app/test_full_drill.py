"""The shipped full drill: everything of some copy is restored, and a person reads the figures and signs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opsrunner.errors import Refused
from opsrunner.model.run import RunStatus
from opsrunner.model.task import Evidence, Task, TaskStatus

from .conftest import SITE as HOUSE

ROUTINES = Path(__file__).parents[3] / "routines"
SITE = (
    HOUSE
    + """\
stores:
  copies: {local: {path: $STATE/copies}}
"""
)
House = Any


@pytest.fixture
def own(house: Callable[..., House]) -> House:
    files = {name: (ROUTINES / f"{name}.yaml").read_text() for name in ("nightly-backups", "full-drill")}
    return house(files, site=SITE)


def run(own: House, routine: str) -> Any:
    own.app.routine_acts.ask_for_run(routine, actor="boss", at=own.clock.now())
    own.work()
    return own.runs(routine)[-1]


def to_sign(own: House) -> Task:
    opened: list[Task] = own.app.books.tasks.opened()
    (task,) = [task for task in opened if task.step == "sign"]
    return task


def tick(own: House, note: str) -> None:
    by, now = own.app.people.named("ops1"), own.clock.now()
    own.app.ticks.tick(to_sign(own).id, actor=by, status=TaskStatus.DONE, evidence=Evidence(note=note), at=now)


def test_who_answers_for_it_reads_the_figures_and_signs(own: House) -> None:
    run(own, "nightly-backups")
    own.clock.move(hours=5)

    assert run(own, "full-drill").status is RunStatus.WAITING
    task = to_sign(own)
    figures = re.findall(r"- Files: (\d+), bytes: (\d+), seconds: ([\d.]+)", task.how)
    assert task.role == "sysadmin"
    assert task.how.count("succeeded: restored all of it, ") == 2
    assert len(figures) == 2
    assert all(int(size) > 0 for _, size, _ in figures)
    assert task.how.count(", 5.0 hours old") == 2
    drills = [drill for copy in own.app.books.copies.lying() for drill in own.app.books.copies.drills(copy.id)]
    assert [drill.is_whole for drill in drills] == [True, True]

    with pytest.raises(Refused, match="note"):
        tick(own, "")
    tick(own, "Read, and signed.")
    own.clock.move(seconds=36)
    own.work()
    assert own.runs("full-drill")[-1].status is RunStatus.SUCCEEDED


def test_a_drill_that_fails_is_told_to_who_signs(own: House) -> None:
    run(own, "nightly-backups")
    (archive,) = (own.root / "var/copies").rglob("*.tar.zst")
    archive.write_bytes(archive.read_bytes()[:-1])

    run(own, "full-drill")

    how = to_sign(own).how
    assert "**The site's own files** failed: nightly-backups/copy/" in how
    assert "- Files: –, bytes: –, seconds: –" in how
    assert how.count("succeeded: restored all of it, ") == 1


def test_without_any_copy_it_says_so(own: House) -> None:
    run(own, "full-drill")
    how = to_sign(own).how
    assert how.count("- The copy: none, – hours old") == 2
    assert "failed: there is no copy of nightly-backups/copy yet: nothing can be restored" in how


def test_a_try_makes_copies_before_it_drills_them(own: House) -> None:
    result = own.app.try_all(actor="boss")
    assert [(one.routine, one.status.value) for one in result.runs] == [
        ("nightly-backups", "succeeded"),
        ("full-drill", "waiting"),
    ]
