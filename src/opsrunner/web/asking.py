"""Ask the others: from a host's follow-up to the answers of all hosts of its step."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from opsrunner.engine.ask_others import ToOthers, others_routine, question_of
from opsrunner.engine.hosts import inventory
from opsrunner.engine.rights import Rights
from opsrunner.errors import Refused
from opsrunner.model.run import RunStatus
from opsrunner.model.task import Task
from opsrunner.records import dataclass
from opsrunner.web.visit import Nothing, Visit

TAKEN_WITHIN_SECONDS = 3.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Others:
    """What the button would ask, and of whom."""

    command: str
    hosts: str


def others_of(visit: Visit, task: Task) -> Others | None:
    """Return what the reader may ask the others about an open task, None for nothing."""
    if not task.is_open or not visit.person.is_staff or visit.person.is_partner:
        return None
    asked = _question(visit, task)
    if asked is None:
        return None
    return Others(command=visit.app.vault.mask(asked.question.command), hosts=", ".join(asked.question.hosts))


async def ask_others(visit: Visit) -> Response:
    """Ask all hosts what a host's step failed with, and lead to the run.

    The command is the one that is frozen with the failing run; nothing of it comes from the form.
    """
    await visit.form(Nothing)
    task = visit.app.books.tasks.get(visit.number("task"))
    rights = Rights(visit.app.desk)
    rights.require_seen(visit.person, task, at=visit.now)
    rights.require_staff(visit.person)
    question = _question(visit, task) if task.is_open else None
    if question is None:
        raise Refused("there is nothing to ask the others about this task")
    routine = others_routine(question, accountable=visit.person.id)
    asked = await visit.write(
        lambda: visit.app.routine_acts.ask_hosts(
            routine, actor=visit.person.id, at=visit.now, about=task.id, address=visit.address
        )
    )
    run = await _run_of(visit, asked, routine.id)
    return visit.back(f"/tasks/{task.id}" if run is None else f"/runs/{run}")


def _question(visit: Visit, task: Task) -> ToOthers | None:
    return question_of(task, books=visit.app.books, hosts=inventory(visit.app.site))


async def _run_of(visit: Visit, asked: int, routine: str) -> int | None:
    """Return the run that the daemon made of a request, or that asks the very same already; None: not within time.

    Raises Refused with its answer.
    """
    for _ in range(round(TAKEN_WITHIN_SECONDS / LOOK_SECONDS)):
        request = await visit.look_up(lambda: visit.app.books.requests.get(asked))
        if request is not None and request.taken_at is not None:
            if request.run is not None:
                return request.run
            running = await visit.look_up(lambda: visit.app.books.runs.last(routine, RunStatus.RUNNING))
            if running is None:
                raise Refused(request.answer or "the daemon refused")
            return running.id
        await asyncio.sleep(LOOK_SECONDS)
    return None
