"""What comes, and what came: every occurrence of a period with its shift, its reason and its people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import NamedTuple

from opsrunner.engine.assignees import Assignees
from opsrunner.engine.held import World, world_of
from opsrunner.engine.people import People
from opsrunner.engine.planner import Verdict, accounted_until, left_out_because
from opsrunner.ledger.books import Books
from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run
from opsrunner.model.schedule import Occurrence
from opsrunner.model.site import Site
from opsrunner.model.task import Task
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import occurrences

ONE_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class ForecastTask:
    """A task that an occurrence will open, or opened, and who will hold it then, or closed it."""

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
    row_key: str | None = None
    """The row that it ran for; then its moments are when the row was found."""
    tasks: tuple[ForecastTask, ...] = field(default=())


def forecast(
    site: Site, almanac: Almanac, *, from_: datetime, until: datetime, now: datetime, books: Books, people: People
) -> list[Forecast]:
    """Return every occurrence planned in (from_, until], in order of time, then of routine.

    What is accounted for is what the ledger says and nothing else, also of routines that are gone; after
    that comes what the planner will decide.
    """
    holds = books.holds.since(from_)
    world = world_of(site, almanac)
    found = _history(site, almanac, books, people, from_=from_, until=until)
    recorded = {(one.routine, one.nominal_at) for one in found}  # also ahead, where the clock was set back
    marks = _watermarks(books)
    coming: list[_Coming] = []
    for routine in site.routines.values():
        own = [hold for hold in holds if hold.routine == routine.id]
        start = max(from_, marks.get(routine.id, now))
        if start < until:
            ahead = _of_routine(routine, own, world, from_=start, until=until)
            coming += [one for one in ahead if (routine.id, one.occurrence.nominal_at) not in recorded]
    coming = _not_recorded(coming, books)
    found += _with_people(coming, people)
    return sorted(found, key=lambda item: (item.planned_at, item.routine, item.nominal_at))


def accounted(books: Books, *, now: datetime) -> datetime:
    """Return up to when every known routine is accounted for: until then the ledger alone tells what was."""
    return min(_watermarks(books).values(), default=now)


def _watermarks(books: Books) -> dict[str, datetime]:
    """Return up to when each known routine is accounted for; every planner pass accounts for all of them."""
    planned_at = books.service.planned_at()
    return {
        watched.id: accounted_until(watched.watermark_at, planned_at)
        for watched in books.routines.all().values()
        if watched.gone_at is None
    }


class _Coming(NamedTuple):
    """An occurrence ahead, and why it is left out, or ''."""

    routine: Routine
    occurrence: Occurrence
    reason: str


def _of_routine(
    routine: Routine, holds: Sequence[Hold], world: World, *, from_: datetime, until: datetime
) -> Iterator[_Coming]:
    coming = list(occurrences(routine.schedule, after=from_, until=until, almanac=world.almanac))
    reasons = left_out_because(routine, coming, holds, world)
    return (_Coming(routine, *each) for each in zip(coming, reasons, strict=True))


def _not_recorded(coming: list[_Coming], books: Books) -> list[_Coming]:
    """Leave out what is accounted for already: an edit may have moved it to a moment ahead."""
    moved = [
        (one.routine.id, one.occurrence.nominal_at)
        for one in coming
        if one.occurrence.planned_at != one.occurrence.nominal_at
    ]
    recorded = books.runs.recorded(moved) if moved else frozenset()
    return [one for one in coming if (one.routine.id, one.occurrence.nominal_at) not in recorded]


def _with_people(coming: list[_Coming], people: People) -> Iterator[Forecast]:
    """Yield what comes with who will hold it, in the order of time, in which each hand-over is asked about once."""
    coming.sort(key=lambda one: one.occurrence.planned_at)
    assignees = Assignees(people)
    for routine, occurrence, reason in coming:
        yield Forecast(
            routine=routine.id,
            name=routine.name,
            nominal_at=occurrence.nominal_at,
            planned_at=occurrence.planned_at,
            status=Verdict.SKIPPED.value if reason else "due",
            reason=reason,
            shift=occurrence.shift,
            tasks=() if reason else _tasks(routine, at=occurrence.planned_at, assignees=assignees),
        )


def _tasks(routine: Routine, *, at: datetime, assignees: Assignees) -> tuple[ForecastTask, ...]:
    answers: list[ForecastTask] = []
    for step in routine.steps:
        for task in step.tasks:
            role = task.for_whom(routine.accountable)
            answers.append(ForecastTask(title=task.title, role=role, assignee=assignees.name(role, at=at)))
    return tuple(answers)


def _history(
    site: Site, almanac: Almanac, books: Books, people: People, *, from_: datetime, until: datetime
) -> list[Forecast]:
    """Return what the ledger says of the occurrences planned in (from_, until]."""
    names = {watched.id: watched.name for watched in books.routines.all().values()}
    runs = [*books.runs.planned(after=from_, until=until), *books.runs.for_rows(after=from_, until=until)]
    opened: dict[int, list[Task]] = defaultdict(list)
    for task in books.tasks.of_planned(after=from_, until=until):
        opened[task.run or 0].append(task)
    for run in (run for run in runs if run.row_key is not None):
        opened[run.id] = books.tasks.of_run(run.id)
    shifts = _shifts(site, almanac, [run for run in runs if run.planned_at != run.nominal_at])
    return [
        Forecast(
            routine=run.routine,
            name=names.get(run.routine, run.routine),
            nominal_at=run.nominal_at or run.created_at,
            planned_at=run.planned_at or run.created_at,
            status=run.status.value,
            reason=run.reason,
            shift=shifts.get(run.id, ""),
            run=run.id,
            row_key=run.row_key,
            tasks=tuple(
                ForecastTask(
                    title=task.title,
                    role=task.role,
                    assignee=people.who_did(task, at=run.planned_at or run.created_at),
                )
                for task in opened[run.id]
            ),
        )
        for run in runs
    ]


def _shifts(site: Site, almanac: Almanac, moved: Sequence[Run]) -> dict[int, str]:
    """Return why runs were moved, by their number."""
    return {
        run.id: shift_words(
            site.routines.get(run.routine),
            almanac,
            nominal_at=run.nominal_at or run.created_at,
            planned_at=run.planned_at or run.created_at,
        )
        for run in moved
    }


def shift_words(routine: Routine | None, almanac: Almanac, *, nominal_at: datetime, planned_at: datetime) -> str:
    """Return why an occurrence was moved, as the schedule in force says it; `moved` where it says nothing any more."""
    if routine is None:
        return "moved"
    near = occurrences(routine.schedule, after=planned_at - ONE_MICROSECOND, until=planned_at, almanac=almanac)
    return next((one.shift for one in near if one.nominal_at == nominal_at), "") or "moved"
