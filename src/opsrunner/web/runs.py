"""One run: its steps, what they said, and its checklist."""

from __future__ import annotations

from starlette.responses import Response

from opsrunner.web.cards import card_of, names_of, staff_of
from opsrunner.web.visit import Visit


async def show(visit: Visit) -> Response:
    """Show a run."""
    run = visit.app.books.runs.get(visit.number("run"))
    names = names_of(visit)
    tasks = visit.app.books.tasks.of_run(run.id)
    actor = visit.app.site.people.get(run.actor)
    return visit.page(
        "run.html",
        title=f"Run {run.id}, {names.get(run.routine, run.routine)}",
        run=run,
        routine=names.get(run.routine, run.routine),
        steps=visit.app.books.steps.of_run(run.id),
        cards=[card_of(visit, task, names) for task in tasks],
        actor=actor.name if actor else run.actor,
        staff=staff_of(visit),
    )
