"""Asked once for many tasks, people answer as they do one by one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.escalations import escalation_rung
from opsrunner.engine.people import People
from opsrunner.engine.people_at_once import PeopleAtOnce
from opsrunner.model.person import Absence
from opsrunner.model.routine import Escalation
from opsrunner.model.task import NewTask, Task, TaskKind
from opsrunner.open_site import OpenSite, open_site

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
SITE = """\
site: Example Hosting
timezone: Europe/Oslo
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin]}
  ops2: {name: Second technician, email: ops2@example.com, roles: [sysadmin, support]}
  ops3: {name: Third technician, email: ops3@example.com, roles: [billing]}
rosters:
  on-call: {rotate: week, handover: mon 09:00, from: 2026-01-05, people: [ops1, ops2]}
"""
TO_BOSS = Escalation(after_seconds=3600, to="boss")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[OpenSite]:
    (tmp_path / "routines").mkdir()
    (tmp_path / "opsrunner.yaml").write_text(SITE)
    opened = open_site(tmp_path)
    yield opened
    opened.close()


def opened_task(site: OpenSite, **changes: Any) -> Task:
    values: dict[str, Any] = {"kind": TaskKind.AD_HOC, "run": None, "routine": None, "step": "", "item": "ad-hoc"}
    values |= {"title": "Read it", "role": "sysadmin", "expires": "never", "opened_at": NOW}
    return site.books.tasks.open(NewTask(**(values | changes)))[0]


def test_it_says_of_every_task_and_person_what_people_say(site: OpenSite) -> None:
    for role in ("sysadmin", "support", "billing", "on-call", "ops1", "ops3", "nobody-any-more"):
        opened_task(site, role=role)
        opened_task(site, role=role, escalate=(TO_BOSS,))
        escalated = opened_task(site, role=role, escalate=(TO_BOSS,))
        site.books.tasks.climb(escalated.id, escalation_rung(TO_BOSS), at=NOW)
    claimed, given = opened_task(site), opened_task(site)
    site.ticks.claim(claimed.id, actor=site.site.people["ops1"], at=NOW)
    site.ticks.hand_over(given.id, "ops1", actor=site.site.people["boss"], at=NOW)
    leave = Absence(id=0, kind="leave", person="ops2", other=None, roster=None, from_=NOW - timedelta(days=1),
                    until=NOW + timedelta(days=1), reason="", entered_by="boss")  # fmt: skip
    site.books.absences.enter(leave, at=NOW)

    tasks = site.books.tasks.opened()
    one_by_one, at_once = People(site.desk), PeopleAtOnce(site.desk, tasks, at=NOW)
    for task in tasks:
        assert at_once.of_task(task, at=NOW) == one_by_one.of_task(task, at=NOW)
        for person in site.site.people.values():
            assert at_once.is_for(task, person, at=NOW) == one_by_one.is_for(task, person, at=NOW)
            assert at_once.why(task, person, at=NOW) == one_by_one.why(task, person, at=NOW)
    words = {at_once.why(task, site.site.people["ops1"], at=NOW) for task in tasks}
    assert {"yours: you claimed it", "yours: handed over by The owner"} <= words
    assert any("escalated to you" in at_once.why(task, site.site.people["boss"], at=NOW) for task in tasks)


def test_the_ledger_is_asked_as_often_for_forty_tasks_as_for_four(
    site: OpenSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    ledger = site.books.ledger
    ask = type(ledger).all

    def listening(self: Any, sql: str, parameters: Any = ()) -> Any:
        asked.append(sql)
        return ask(self, sql, parameters)

    monkeypatch.setattr(type(ledger), "all", listening)
    counts: list[int] = []
    for _ in range(2):
        for _ in range(4 if not counts else 36):
            task = opened_task(site, role="sysadmin", escalate=(TO_BOSS,))
            site.ticks.claim(task.id, actor=site.site.people["ops1"], at=NOW)
        tasks = site.books.tasks.opened()
        asked.clear()
        people = PeopleAtOnce(site.desk, tasks, at=NOW)
        assert all(people.why(task, site.site.people["ops1"], at=NOW) == "yours: you claimed it" for task in tasks)
        assert not any(people.is_for(task, site.site.people["ops3"], at=NOW) for task in tasks)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 3
