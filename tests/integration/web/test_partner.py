"""Somebody of another company who holds a shift: their tasks, while they hold it, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from opsrunner.app import App
from opsrunner.engine.escalations import escalation_rung
from opsrunner.engine.rights import Rights
from opsrunner.errors import NotFound, Refused
from opsrunner.model.routine import Escalation
from opsrunner.model.task import Evidence, Task, TaskStatus
from opsrunner.testing import FakeClock
from opsrunner.web.doors import DOORS

SignedIn = Callable[[str], Any]
Open = Callable[..., Task]
DESK = """\
  desk: {name: The night desk, email: desk@example.org, roles: [partner]}
rosters:
  night: {shifts: [{hours: "18:00-08:00", person: desk}, {hours: "08:00-18:00", person: ops1}]}
"""
NIGHT = datetime(2026, 11, 20, 21, tzinfo=UTC)
"""22:00 in Oslo."""


@pytest.fixture(autouse=True)
def with_a_desk(app: App, clock: FakeClock) -> None:
    path = Path(app.root / "opsrunner.yaml")
    path.write_text(path.read_text() + DESK)
    assert app.in_force.refresh()
    clock.move(hours=13)
    assert clock.now() == NIGHT


def test_the_desk_sees_the_tasks_of_its_shift_and_ticks_them(app: App, signed_in: SignedIn, open_task: Open) -> None:
    own, other = (
        open_task(title="Answer the night's tickets", role="night"),
        open_task(title="Pay the rent", role="boss"),
    )
    app.books.notes.add("The door code is 1234", author="ops1", at=NIGHT)
    desk = signed_in("desk")
    page = desk.get("/").text
    assert "Answer the night" in page
    assert "Pay the rent" not in page
    assert "door code" not in page
    assert "+ Task" not in page
    assert "First technician" not in page, "names of the team are not told"
    assert desk.post(f"/tasks/{own.id}/tick", note="All answered").status_code == 303
    assert app.books.tasks.get(own.id).closed_by == "desk"
    assert "All answered" in desk.get("/").text
    assert desk.post(f"/tasks/{own.id}/undo").status_code == 303
    assert desk.get(f"/tasks/{other.id}").status_code == 404


@pytest.mark.parametrize("act", ["tick", "undo", "claim", "hand-over"])
def test_of_all_other_tasks_it_learns_nothing(app: App, signed_in: SignedIn, open_task: Open, act: str) -> None:
    other = open_task(title="Pay the rent", role="boss")
    closed = open_task(title="Read the bank's letter", role="boss")
    app.books.tasks.close(closed.id, status=TaskStatus.DONE, by="boss", evidence=Evidence(), at=NIGHT)
    desk = signed_in("desk")
    for task in (other, closed):
        answer = desk.post(f"/tasks/{task.id}/{act}", **({"to": "desk"} if act == "hand-over" else {}))
        assert answer.status_code == 404
        assert task.title not in answer.text
        assert desk.get(f"/tasks/{task.id}/file").status_code == 404
    assert app.books.tasks.get(other.id).is_open
    assert app.books.tasks.get(other.id).person is None


def test_when_its_shift_is_over_so_is_its_view(signed_in: SignedIn, open_task: Open, clock: FakeClock) -> None:
    task, desk = open_task(title="Answer the night's tickets", role="night"), signed_in("desk")
    clock.move(hours=11)
    assert "Answer the night" not in desk.get("/").text
    assert desk.post(f"/tasks/{task.id}/tick").status_code == 404


def test_what_is_handed_to_it_is_its_own_and_it_may_give_it_back(
    app: App, signed_in: SignedIn, open_task: Open
) -> None:
    task = open_task(title="Call the customer", role="sysadmin")
    assert signed_in("ops1").post(f"/tasks/{task.id}/hand-over", to="desk").status_code == 303
    desk = signed_in("desk")
    assert "Call the customer" in desk.get("/").text
    assert desk.post(f"/tasks/{task.id}/hand-over", to="").status_code == 303
    assert app.books.tasks.get(task.id).person is None
    assert "Call the customer" not in desk.get("/").text


SHUT = sorted((door.method, door.path) for door in DOORS if door.needs in {"inside", "team", "owner"})


@pytest.mark.parametrize(("method", "path"), SHUT)
def test_every_other_door_is_shut(signed_in: SignedIn, method: str, path: str) -> None:
    desk = signed_in("desk")
    address = re.sub(r"\{\w+:name\}", "nightly", re.sub(r"\{\w+:int\}", "1", path))
    assert (desk.get(address) if method == "GET" else desk.post(address)).status_code == 403


def test_who_may_not_is_told_so_also_without_the_page(app: App, open_task: Open) -> None:
    desk, other = app.site.people["desk"], open_task(role="boss")
    with pytest.raises(NotFound):
        app.ticks.claim(other.id, actor=desk, at=NIGHT)
    with pytest.raises(Refused, match="opens none"):
        app.ticks.add("A thing", actor=desk, at=NIGHT)
    assert Rights(app.desk).may_see(app.site.people["eye"], other, at=NIGHT), "who only looks, looks at everything"


def test_an_owner_who_is_called_a_partner_is_an_owner(app: App) -> None:
    path = Path(app.root / "opsrunner.yaml")
    path.write_text(path.read_text().replace("roles: [owner]", "roles: [owner, partner]"))
    assert app.in_force.refresh()
    assert not app.site.people["boss"].is_partner


def test_it_gives_a_task_back_to_its_role_and_to_nobody_by_name(app: App, signed_in: SignedIn, open_task: Open) -> None:
    task, desk = open_task(title="Answer the night's tickets", role="night"), signed_in("desk")
    for to in ("ops1", "First technician", "nobody"):
        answer = desk.post(f"/tasks/{task.id}/hand-over", to=to)
        assert answer.status_code == 409
        assert "ops2" not in answer.text, "nor who else there is"
    assert app.books.tasks.get(task.id).person is None


def test_its_own_task_names_nobody_of_the_team(app: App, signed_in: SignedIn, open_task: Open) -> None:
    """Neither who had it before and handed it over, nor who has it while it is escalated."""
    ops1, ops2 = (app.site.people[name] for name in ("ops1", "ops2"))
    step = Escalation(after_seconds=60, to="night")
    given = open_task(title="Call the customer", role="sysadmin")
    app.ticks.claim(given.id, actor=ops1, at=NIGHT)
    app.ticks.hand_over(given.id, "ops2", actor=ops1, at=NIGHT)
    app.ticks.hand_over(given.id, "desk", actor=ops2, at=NIGHT)
    raised = open_task(title="Look at web1", role="ops1", escalate=(step,), person="ops1")
    app.books.tasks.climb(raised.id, escalation_rung(step), at=NIGHT)
    browser = signed_in("desk")
    for path in ("/", f"/tasks/{given.id}", f"/tasks/{raised.id}"):
        text = browser.get(path).text
        assert text.count("Call the customer") or text.count("Look at web1")
        for word in ("First technician", "Second technician", "to ops2"):
            assert word not in text, (path, word)
    assert "technician" not in browser.post(f"/tasks/{raised.id}/claim").text
    browser.post(f"/tasks/{given.id}/tick", note="They know now")
    told = browser.get(f"/tasks/{given.id}").text
    assert "technician" not in told
    assert "The night desk: tick" in told
    assert "a colleague: hand over" in told
    assert "Second technician: hand over" in signed_in("boss").get(f"/tasks/{given.id}").text
