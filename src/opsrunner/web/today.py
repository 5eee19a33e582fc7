"""Today: the owner's window. The verdict, what needs somebody, what runs, how each routine stands, what comes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from starlette.responses import Response

from opsrunner.engine.digest_view import ROOMS, view_digest
from opsrunner.engine.row_words import occasions_in_words
from opsrunner.engine.status_words import WORST_FIRST, reason_words, status_word, tone_of
from opsrunner.engine.strips import Day, StripMaker
from opsrunner.model.digest import Tone
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import TaskStatus
from opsrunner.records import dataclass
from opsrunner.web.visit import Visit

MOST_ROUTINES = 200


@dataclass(frozen=True, kw_only=True)
class Line:
    """How one routine stands."""

    routine: Routine
    schedule: str
    last: Run | None
    strip: Sequence[Day]
    said: str
    tone: Tone


async def show(visit: Visit) -> Response:
    """Show the day as it stands."""
    yesterday = visit.now - timedelta(days=1)
    digest = await visit.look_up(lambda: visit.app.digests.stands(visit.now, from_=yesterday))
    active = visit.app.books.runs.active()
    lines = await visit.look_up(lambda: _lines(visit))
    return visit.page(
        "today.html",
        title="Today",
        digest=digest,
        view=view_digest(digest, ROOMS[0]),
        active=[(run, visit.names.of(run.routine)) for run in active],
        lines=lines[:MOST_ROUTINES],
        left_out=max(0, len(lines) - MOST_ROUTINES),
    )


def _lines(visit: Visit) -> list[Line]:
    """Return the routines, those that want a look first."""
    maker = StripMaker(visit.app.desk, now=visit.now)
    lines = []
    for routine in visit.app.site.routines.values():
        last = visit.app.books.runs.last(routine.id)
        lines.append(
            Line(
                routine=routine,
                schedule=occasions_in_words(routine),
                last=last,
                strip=maker.of(routine.id),
                said=_said(visit, last),
                tone="nothing" if last is None else tone_of(last.status.value),
            )
        )
    return sorted(lines, key=lambda line: (WORST_FIRST[line.tone], line.routine.name.casefold()))


def _said(visit: Visit, run: Run | None) -> str:
    """Return what to know of the last run: why it is as it is, in the words of its worst step."""
    if run is None:
        return "it has not run yet"
    if run.status is RunStatus.WAITING:
        tasks = [task for task in visit.app.books.tasks.of_run(run.id) if task.holds_run]
        done = sum(task.status in (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE) for task in tasks)
        return f"{done} of {len(tasks)} done" if tasks else reason_words(run.reason)
    if run.status in (RunStatus.SUCCEEDED, RunStatus.RUNNING):
        return ""
    for record in visit.app.books.steps.of_run(run.id):
        if record.outcome is not None and record.status.is_bad:
            return f"{record.id}: {record.outcome.message or status_word(record.status.value)}"
    return reason_words(run.reason)
