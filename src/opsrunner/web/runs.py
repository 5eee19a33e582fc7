"""One run: its checklist, its steps with hosts, tries and output, and what may be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from opsrunner.engine.outputs import last_output
from opsrunner.engine.run_facts import not_begun, seconds_between, waits_for
from opsrunner.errors import Refused
from opsrunner.model.outcome import Attempt, Part
from opsrunner.model.run import Run, StepRecord
from opsrunner.model.task import Task, TaskKind
from opsrunner.web.cards import card_of, names_of, staff_of
from opsrunner.web.visit import Nothing, Visit

MOST_PARTS = 200


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a run as the page shows it."""

    record: StepRecord
    seconds: float | None
    waits_for: tuple[int, ...]
    """The open tasks that have to end before it does."""
    parts: Sequence[Part]
    parts_left_out: int
    attempts: Sequence[Attempt]
    output: str


async def show(visit: Visit) -> Response:
    """Show a run."""
    run = visit.app.books.runs.get(visit.number("run"))
    names = names_of(visit)
    tasks = visit.app.books.tasks.of_run(run.id)
    records = visit.app.books.steps.of_run(run.id)
    on_list = [task for task in tasks if task.kind is TaskKind.ROUTINE]
    return visit.page(
        "run.html",
        title=f"Run {run.id}, {names.get(run.routine, run.routine)}",
        run=run,
        routine=names.get(run.routine, run.routine),
        seconds=None
        if not (run.started_at and run.finished_at)
        else (run.finished_at - run.started_at).total_seconds(),
        steps=[_step(visit, record, tasks) for record in records],
        not_begun=not_begun(visit.app.books, run, records),
        cards=[card_of(visit, task, names) for task in on_list],
        others=[card_of(visit, task, names) for task in tasks if task.kind is not TaskKind.ROUTINE],
        actor=visit.app.site.name_of(run.actor),
        staff=staff_of(visit),
        may_run_again=run.routine in visit.app.site.routines and _may_run_again(visit, run),
    )


async def again(visit: Visit) -> Response:
    """Ask for another try of a run: an owner, or whose follow-up came of it."""
    await visit.form(Nothing)
    run = visit.app.books.runs.get(visit.number("run"))
    if not _may_run_again(visit, run):
        raise Refused("only an owner, or whose follow-up came of this run, may run it again")
    await visit.write(
        lambda: visit.app.routine_acts.ask_for_run(
            run.routine, actor=visit.person.id, at=visit.now, rerun_of=run.id, address=visit.address
        )
    )
    return visit.back(f"/runs/{run.id}")


async def cancel(visit: Visit) -> Response:
    """Ask that a run be stopped."""
    await visit.form(Nothing)
    run = visit.app.books.runs.get(visit.number("run"))
    await visit.write(
        lambda: visit.app.routine_acts.ask_to_cancel(run, actor=visit.person.id, at=visit.now, address=visit.address)
    )
    return visit.back(f"/runs/{run.id}")


def _may_run_again(visit: Visit, run: Run) -> bool:
    if not run.status.is_final:
        return False
    if visit.person.is_owner:
        return True
    opened = visit.app.books.tasks.opened(routine=run.routine)
    return visit.person.is_staff and any(
        task.kind is TaskKind.FOLLOW_UP
        and task.run == run.id
        and visit.app.people.is_for(task, visit.person, at=visit.now)
        for task in opened
    )


def _step(visit: Visit, record: StepRecord, tasks: Sequence[Task]) -> Step:
    outcome = record.outcome
    parts = sorted(outcome.parts, key=lambda part: not part.status.is_bad) if outcome else []
    return Step(
        record=record,
        seconds=seconds_between(record.started_at, record.finished_at),
        waits_for=tuple(waits_for(record, tasks)),
        parts=parts[:MOST_PARTS],
        parts_left_out=max(0, len(parts) - MOST_PARTS),
        attempts=outcome.attempts if outcome else (),
        output=visit.app.vault.mask(last_output(visit.app.state, record.run, record.id)),
    )
