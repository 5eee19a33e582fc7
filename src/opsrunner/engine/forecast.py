"""What comes, and what came: every occurrence of a period with its shift, its reason and its people."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from opsrunner.engine.people import People
from opsrunner.engine.planner import Verdict, World, held_because
from opsrunner.ledger.books import Books
from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.site import Site
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import occurrences


@dataclass(frozen=True, kw_only=True)
class ForecastTask:
    """A task that an occurrence will open, and who would hold it then."""

    title: str
    role: str
    assignee: str
    """The person's name, or the role where several hold it."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One occurrence. `status` is `due`, `skipped`, or what the ledger says of the past."""

    routine: str
    name: str
    nominal_at: datetime
    planned_at: datetime
    status: str
    reason: str = ""
    shift: str = ""
    run: int | None = None
    tasks: tuple[ForecastTask, ...] = field(default=())


def world_of(site: Site, almanac: Almanac) -> World:
    """Return what the planner needs of a site beside its routines."""
    return World(almanac=almanac, freezes=site.freezes, timezone=site.timezone)


def forecast(
    site: Site, almanac: Almanac, *, from_: datetime, until: datetime, books: Books | None, people: People | None
) -> list[Forecast]:
    """Return every occurrence planned in (from_, until], in order of time, then of routine."""
    holds = books.holds.since(from_) if books is not None else []
    world = world_of(site, almanac)
    found: list[Forecast] = []
    for routine in site.routines.values():
        own = [hold for hold in holds if hold.routine == routine.id]
        found += _of_routine(routine, own, world, from_=from_, until=until, people=people)
    found = _with_history(found, books)
    return sorted(found, key=lambda item: (item.planned_at, item.routine, item.nominal_at))


def _of_routine(
    routine: Routine, holds: Sequence[Hold], world: World, *, from_: datetime, until: datetime, people: People | None
) -> list[Forecast]:
    found: list[Forecast] = []
    last: dict[datetime, datetime] = {}
    coming = list(occurrences(routine.schedule, after=from_, until=until, almanac=world.almanac))
    for occurrence in coming:
        if not held_because(routine, occurrence, holds, world):
            last[occurrence.planned_at] = occurrence.nominal_at
    for occurrence in coming:
        reason = held_because(routine, occurrence, holds, world)
        if not reason and last[occurrence.planned_at] != occurrence.nominal_at:
            reason = "coalesced"
        found.append(
            Forecast(
                routine=routine.id,
                name=routine.name,
                nominal_at=occurrence.nominal_at,
                planned_at=occurrence.planned_at,
                status=Verdict.SKIPPED.value if reason else "due",
                reason=reason,
                shift=occurrence.shift,
                tasks=() if reason else _tasks(routine, at=occurrence.planned_at, people=people),
            )
        )
    return found


def _tasks(routine: Routine, *, at: datetime, people: People | None) -> tuple[ForecastTask, ...]:
    answers: list[ForecastTask] = []
    for step in routine.steps:
        for task in step.tasks:
            role = (task.approve.by if task.approve else "") or task.role or routine.accountable
            answers.append(ForecastTask(title=task.title, role=role, assignee=_assignee(role, at=at, people=people)))
    return tuple(answers)


def _assignee(role: str, *, at: datetime, people: People | None) -> str:
    if people is None:
        return role
    persons = people.persons(role, at=at)
    return persons[0].name if len(persons) == 1 else role


def _with_history(found: list[Forecast], books: Books | None) -> list[Forecast]:
    """Put what the ledger says in the place of what was planned."""
    if books is None:
        return found
    answers: list[Forecast] = []
    for item in found:
        run = books.runs.of_occurrence(item.routine, item.nominal_at)
        if run is None:
            answers.append(item)
            continue
        answers.append(dataclasses.replace(item, status=run.status.value, reason=run.reason, run=run.id))
    return answers
