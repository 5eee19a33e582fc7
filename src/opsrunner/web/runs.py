"""One run: its checklist, its steps with hosts, tries and output, and what may be done with it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import Response

from opsrunner.engine.outputs import last_output
from opsrunner.engine.run_facts import not_begun, seconds_between, waits_for
from opsrunner.engine.task_texts import state_words
from opsrunner.errors import Refused
from opsrunner.model.outcome import Attempt, Part
from opsrunner.model.run import Run, StepRecord
from opsrunner.model.task import Task, TaskKind, TaskStatus
from opsrunner.records import dataclass
from opsrunner.web.cards import Card, Cards, staff_of
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
    output_end: int
    """Where the file of the output went on when it was read, in bytes."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of a run's checklist: a task, or an automated step between tasks, or one that has not begun."""

    card: Card | None = None
    step: Step | None = None
    name: str = ""


async def show(visit: Visit) -> Response:
    """Show a run."""
    run = visit.app.books.runs.get(visit.number("run"))
    tasks = visit.app.books.tasks.of_run(run.id)
    records = visit.app.books.steps.of_run(run.id)
    occasion = visit.app.books.known_rows.of_run(run.id)
    cards = Cards(visit, tasks)
    on_list = [task for task in tasks if task.kind is TaskKind.ROUTINE]
    steps, waiting = [_step(visit, record, tasks) for record in records], not_begun(visit.app.books, run, records)
    return visit.page(
        "run.html",
        title=f"Run {run.id}, {visit.names.of(run.routine)}",
        run=run,
        routine=visit.names.of(run.routine),
        seconds=seconds_between(run.started_at, run.finished_at),
        steps=steps,
        not_begun=waiting,
        items=_items([cards.of(task) for task in on_list], steps, waiting),
        done=sum(task.status in (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE) for task in on_list),
        of_all=len(on_list),
        holds=[task for task in on_list if task.is_open and task.wait],
        others=[cards.of(task) for task in tasks if task.kind is not TaskKind.ROUTINE],
        actor=visit.app.site.name_of(run.actor),
        occasion=occasion,
        row=state_words(occasion.row) if occasion else "",
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


def _items(cards: Sequence[Card], steps: Sequence[Step], waiting: Sequence[str]) -> list[Item]:
    """Return a run's checklist in the order of its steps; nothing where it has no task."""
    if not cards:
        return []
    items: list[Item] = []
    for step in steps:
        own = [Item(card=card) for card in cards if card.task.step == step.record.id]
        items += own or [Item(step=step)]
    begun = {step.record.id for step in steps}
    items += [Item(card=card) for card in cards if card.task.step not in begun]
    return [*items, *(Item(name=name) for name in waiting)]


def _may_run_again(visit: Visit, run: Run) -> bool:
    if not run.status.is_final:
        return False
    if visit.person.is_owner:
        return True
    opened = visit.app.books.tasks.opened(routine=run.routine)
    came_of_it = [task for task in opened if task.kind is TaskKind.FOLLOW_UP and task.run == run.id]
    people = Cards(visit, came_of_it).people
    return visit.person.is_staff and any(people.is_for(task, visit.person, at=visit.now) for task in came_of_it)


def _step(visit: Visit, record: StepRecord, tasks: Sequence[Task]) -> Step:
    outcome, output = record.outcome, last_output(visit.app.state, record.run, record.id)
    parts = sorted(outcome.parts, key=lambda part: not part.status.is_bad) if outcome else []
    return Step(
        record=record,
        seconds=seconds_between(record.started_at, record.finished_at),
        waits_for=tuple(waits_for(record, tasks)),
        parts=parts[:MOST_PARTS],
        parts_left_out=max(0, len(parts) - MOST_PARTS),
        attempts=outcome.attempts if outcome else (),
        output=visit.app.vault.mask(output.text),
        output_end=output.end,
    )
