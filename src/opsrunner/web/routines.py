"""Routines: when they are due, how they went, their file as it is, and what may be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from starlette.responses import Response

from opsrunner.engine.held import world_of
from opsrunner.engine.next_times import next_times
from opsrunner.engine.row_choice import needs_row
from opsrunner.engine.row_words import look_words, occasions_in_words
from opsrunner.engine.run_facts import seconds_between
from opsrunner.errors import NotFound, Refused
from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run
from opsrunner.model.schedule import Occurrence
from opsrunner.model.site import Problem
from opsrunner.records import dataclass
from opsrunner.schedules.due import next_to_run
from opsrunner.web.visit import Fields, Nothing, Visit, local_moment

NEXT_TIMES = 10
LAST_RUNS = 60
LONGEST_FILE = 200_000


class _Pause(Fields):
    until: str
    reason: str


class _Skip(Fields):
    nominal_at: str
    """Of the time that the form named."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A routine in the list of all."""

    routine: Routine
    schedule: str
    last: Run | None
    next_at: datetime | None
    pause: Hold | None


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One run in the chart of durations: height in hundredths of the longest."""

    run: Run
    seconds: float
    height: int


async def all_of_them(visit: Visit) -> Response:
    """Show every routine that is in force, and every file that is not."""
    lines = await visit.look_up(lambda: _lines(visit))
    return visit.page("routines.html", title="Routines", lines=lines, problems=visit.app.loaded.problems)


def _lines(visit: Visit) -> list[Line]:
    site, holds = visit.app.site, visit.app.books.holds.live(visit.now)
    pauses = {hold.routine: hold for hold in holds if hold.kind == "pause"}
    return [
        Line(
            routine=routine,
            schedule=occasions_in_words(routine),
            last=visit.app.books.runs.last(routine.id),
            next_at=_next_at(visit, routine),
            pause=pauses.get(routine.id),
        )
        for routine in sorted(site.routines.values(), key=lambda one: one.name.casefold())
    ]


async def show(visit: Visit) -> Response:
    """Show one routine."""
    routine = _routine(visit)
    runs = visit.app.books.runs.listed(routine=routine.id, limit=LAST_RUNS)
    holds = [hold for hold in visit.app.books.holds.live(visit.now) if hold.routine == routine.id]
    text = _file_text(visit, routine)
    return visit.page(
        "routine.html",
        title=routine.name,
        routine=routine,
        schedule=occasions_in_words(routine),
        coming=_coming(visit, routine),
        to_skip=_to_skip(visit, routine),
        looks=_looks(visit, routine),
        is_by_row=needs_row(routine),
        row_keys=visit.app.books.known_rows.keys_of([run.id for run in runs]),
        runs=runs,
        bars=_bars(runs),
        pause=next((hold for hold in holds if hold.kind == "pause"), None),
        lines=text.splitlines(),
        problems=_problems(visit, routine),
    )


def _looks(visit: Visit, routine: Routine) -> str:
    """Return how the looks for its rows stand; nothing where it runs for none."""
    if routine.on_rows is None:
        return ""
    return look_words(visit.app.books.known_rows.standing(routine.id), now=visit.now, zone=visit.zone)


async def run_now(visit: Visit) -> Response:
    """Ask for a run."""
    await visit.form(Nothing)
    routine = _routine(visit)
    await visit.write(
        lambda: visit.app.routine_acts.ask_for_run(
            routine.id, actor=visit.person.id, at=visit.now, address=visit.address
        )
    )
    return visit.back(f"/routines/{routine.id}")


async def pause(visit: Visit) -> Response:
    """Leave a routine out until a moment."""
    sent, routine = await visit.form(_Pause), _routine(visit)
    until = local_moment(sent.until, visit.zone)
    await visit.write(
        lambda: visit.app.routine_acts.pause(
            routine, until=until, reason=sent.reason, actor=visit.person.id, at=visit.now, address=visit.address
        )
    )
    return visit.back(f"/routines/{routine.id}")


async def resume(visit: Visit) -> Response:
    """End a pause."""
    await visit.form(Nothing)
    routine = _routine(visit)
    await visit.write(
        lambda: visit.app.routine_acts.resume(routine, actor=visit.person.id, at=visit.now, address=visit.address)
    )
    return visit.back(f"/routines/{routine.id}")


async def skip(visit: Visit) -> Response:
    """Leave out the next due time, which is the one that the form named."""
    sent, routine = await visit.form(_Skip), _routine(visit)
    nominal_at = local_moment(sent.nominal_at, visit.zone)
    await visit.write(
        lambda: visit.app.routine_acts.skip_next(
            routine,
            nominal_at=nominal_at,
            reason=sent.reason,
            actor=visit.person.id,
            at=visit.now,
            address=visit.address,
        )
    )
    return visit.back(f"/routines/{routine.id}")


def _routine(visit: Visit) -> Routine:
    name = visit.request.path_params["routine"]
    found = visit.app.site.routines.get(name)
    if found is None:
        raise NotFound(f"there is no routine '{name}' in force")
    return found


def _next_at(visit: Visit, routine: Routine) -> datetime | None:
    found = next_to_run(routine.schedule, after=visit.now, almanac=visit.app.almanac)
    return found.planned_at if found else None


def _coming(visit: Visit, routine: Routine) -> list[tuple[Occurrence, str]]:
    """Return the next times, each with why it is left out."""
    holds = [hold for hold in visit.app.books.holds.since(visit.now) if hold.routine == routine.id]
    world = world_of(visit.app.site, visit.app.almanac)
    return next_times(routine, holds=holds, world=world, after=visit.now, count=NEXT_TIMES)


def _to_skip(visit: Visit, routine: Routine) -> Occurrence | None:
    """Return the next time that can be left out; None where there is none."""
    try:
        return visit.app.routine_acts.to_skip(routine, at=visit.now)[0]
    except Refused:
        return None


def _bars(runs: Sequence[Run]) -> list[Bar]:
    """Return the runs that took time, oldest first."""
    timed = [
        (run, seconds)
        for run in reversed(runs)
        if (seconds := seconds_between(run.started_at, run.finished_at)) is not None
    ]
    longest = max((seconds for _, seconds in timed), default=0.0) or 1.0
    return [Bar(run=run, seconds=seconds, height=max(4, round(100 * seconds / longest))) for run, seconds in timed]


def _file_text(visit: Visit, routine: Routine) -> str:
    """Return the file of a routine as it stands on the disk now, with what is secret masked."""
    try:
        text = (visit.app.root / Path(routine.file)).read_text(encoding="utf-8", errors="replace")[:LONGEST_FILE]
    except OSError:
        return ""
    return visit.app.vault.mask(text)


def _problems(visit: Visit, routine: Routine) -> dict[int, list[Problem]]:
    """Return the mistakes of a routine's file by line: then its last good version is in force."""
    found: dict[int, list[Problem]] = {}
    for problem in visit.app.loaded.problems:
        if problem.file == routine.file:
            found.setdefault(problem.line, []).append(problem)
    return found
