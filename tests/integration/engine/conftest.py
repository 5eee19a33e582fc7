"""A desk over a real ledger, a team of four, and runs to hang tasks on, on a Friday at 07:00 in Oslo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest

from opsrunner.engine.desk import Desk
from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.model.person import Person, Roster
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run, RunStatus, Trigger
from opsrunner.model.site import MailSettings, Site
from opsrunner.schedules.almanac import Almanac

REPORTS = Path(__file__).parents[3] / "reports"


@pytest.fixture
def now() -> datetime:
    """Friday 20 November 2026, 07:00 in Oslo."""
    return datetime(2026, 11, 20, 6, tzinfo=UTC)


@pytest.fixture
def team() -> dict[str, Person]:
    """An owner, two who work, one who only looks."""
    people = (
        Person(id="boss", name="The owner", email="owner@example.com", roles=("owner",), login="boss"),
        Person(
            id="ops1",
            name="First technician",
            email="ops1@example.com",
            roles=("sysadmin", "support"),
            login="tech1",
            quiet=(time(22), time(7)),
        ),
        Person(id="ops2", name="Second technician", email="ops2@example.com", roles=("support",)),
        Person(id="eye", name="The auditor", email="eye@example.com", roles=("viewer",)),
    )
    return {person.id: person for person in people}


@pytest.fixture
def in_force(tmp_path: Path, team: dict[str, Person]) -> list[Site]:
    """The sites that were in force, the one that is stands last."""
    on_call = Roster(id="on-call", rotate="week", handover_at=time(9), from_=date(2026, 1, 5), people=("ops1", "ops2"))
    site = Site(
        root=tmp_path / "site",
        name="Example Hosting",
        timezone="Europe/Oslo",
        people=team,
        rosters={"on-call": on_call},
        mail=MailSettings(from_="ops@example.com"),
    )
    return [site]


@pytest.fixture
def desk(tmp_path: Path, in_force: list[Site]) -> Iterator[Desk]:
    """The desk; `put_in_force` changes its site."""
    books = Books.open(tmp_path / "ledger.db")
    reports = (tmp_path / "site" / "reports", REPORTS)
    yield Desk(books=books, site=lambda: in_force[-1], almanac=Almanac, state=tmp_path, reports=reports)
    books.ledger.close()


@pytest.fixture
def put_in_force(in_force: list[Site]) -> Callable[..., Site]:
    """Change the desk's site: `put_in_force(routines={...})`."""

    def put(**changes: Any) -> Site:
        site = replace(in_force[-1], **changes)
        in_force.append(site)
        return site

    return put


@pytest.fixture
def make_routine(put_in_force: Callable[..., Site]) -> Callable[..., Routine]:
    """Put a routine of these steps in force: `make_routine(plan, name="Orders")`."""

    def make(
        *steps: StepPlan, routine_id: str = "nightly", name: str = "Nightly work", accountable: str = "sysadmin"
    ) -> Routine:
        routine = Routine(id=routine_id, name=name, accountable=accountable, steps=steps)
        put_in_force(routines={routine_id: routine})
        return routine

    return make


@pytest.fixture
def start(desk: Desk, now: datetime) -> Callable[..., Run]:
    """Claim a run of a routine that has started."""

    def begin(
        routine: str = "nightly",
        *,
        trigger: Trigger = Trigger.SCHEDULE,
        actor: str = "",
        status: RunStatus = RunStatus.RUNNING,
        at: datetime | None = None,
    ) -> Run:
        new = NewRun(routine=routine, trigger=trigger, status=status, actor=actor)
        run = desk.books.runs.claim(new, at=at or now)
        assert run is not None
        return run

    return begin
