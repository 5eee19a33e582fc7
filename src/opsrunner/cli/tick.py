"""`tick`: a person's mark on a task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import UsageError

if TYPE_CHECKING:
    from opsrunner.model.person import Person
    from opsrunner.model.task import Task, TaskStatus
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner tick 12 --note "read it; all databases are there"
opsrunner tick 13 --number 41.5 --file drill.txt
opsrunner tick 16 --evidence knowledge=4 --evidence courtesy=5 --note "clear and kind"
opsrunner tick 14 --could-not --note "the panel is down"
opsrunner tick 15 --strike 2 --strike 5
"""


@verb(EXAMPLE)
@click.argument("task_id", metavar="TASK", type=click.IntRange(1))
@click.option("--note", default="", help="What you found and did; a line is enough.")
@click.option("--number", type=float, help="The number that the task asks for.")
@click.option("--choice", default="", help="One of the choices that the task gives.")
@click.option(
    "--evidence",
    "answers",
    multiple=True,
    metavar="FIELD=ANSWER",
    help="An answer of the form that the task asks for; once for each field.",
)
@click.option("--file", "file_", type=click.Path(path_type=Path), help="A file as evidence; a copy is kept.")
@click.option("--not-applicable", is_flag=True, help="There was nothing to do.")
@click.option("--could-not", is_flag=True, help="It could not be done; say why with --note.")
@click.option(
    "--strike",
    "struck",
    type=click.IntRange(1),
    multiple=True,
    metavar="N",
    help="Leave row N out of an approval, as `task show` numbers them; may be given several times.",
)
@person_option
@json_option
@site_options
@click.pass_obj
def tick(
    session: Session,
    *,
    task_id: int,
    note: str,
    number: float | None,
    choice: str,
    answers: tuple[str, ...],
    file_: Path | None,
    not_applicable: bool,
    could_not: bool,
    struck: tuple[int, ...],
) -> int:
    """Mark TASK: done, unless another mark is given. It is saved at once, and can be undone for 30 s."""
    from opsrunner.cli.lookup import acting_person
    from opsrunner.model.task import Evidence

    status, form = _mark(not_applicable=not_applicable, could_not=could_not), _form(answers)
    with session.opened() as app:
        actor = acting_person(session, app)
        task = app.books.tasks.get(task_id)
        kept = app.ticks.attach(file_, task) if file_ is not None else ""
        ticked = app.ticks.tick(
            task_id,
            actor=actor,
            status=status,
            evidence=Evidence(note=note, number=number, choice=choice, file=kept, form=form),
            struck=[position - 1 for position in struck],
            at=app.clock.now(),
        )
        _tell(session, app, ticked, actor=actor)
    return 0


def _form(answers: tuple[str, ...]) -> dict[str, float | str]:
    """Return `knowledge=4` and the like by field."""
    form: dict[str, float | str] = {}
    for answer in answers:
        name, equals, value = answer.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--evidence {answer[:60]!r}: write FIELD=ANSWER, such as knowledge=4")
        if name.strip() in form:
            raise UsageError(f"--evidence {name.strip()[:40]} is given twice")
        form[name.strip()] = value
    return form


def _mark(*, not_applicable: bool, could_not: bool) -> TaskStatus:
    from opsrunner.model.task import TaskStatus

    if not_applicable and could_not:
        raise UsageError("--not-applicable and --could-not do not go together")
    if not_applicable:
        return TaskStatus.NOT_APPLICABLE
    return TaskStatus.COULD_NOT if could_not else TaskStatus.DONE


def _tell(session: Session, app: OpenSite, task: Task, *, actor: Person) -> None:
    from opsrunner.cli.views import task_view
    from opsrunner.engine.status_words import status_word, tone_of

    now = app.clock.now()
    if session.as_json:
        session.print_json(task_view(task, now=now, person=task.person))
        return
    word = status_word(task.status.value)
    session.screen.line(f"Saved: {task.title}: {word}, by {actor.name}.", tone=tone_of(task.status.value), sign=True)
    session.screen.line(what_next(app, task))


def what_next(app: OpenSite, task: Task) -> str:
    """Say what a tick leads to, and how long it can be taken back."""
    from opsrunner.engine.moment_words import clock_words

    if task.settles_at is None or task.settles_at <= app.clock.now():
        return "It is settled."
    until = clock_words(task.settles_at, zone=ZoneInfo(app.site.timezone))
    undo = f"until then, opsrunner task undo {task.id} takes it back"
    if task.run is None or not task.holds_run:
        return f"Settled at {until}; {undo}."
    if any(other.is_open and other.holds_run for other in app.books.tasks.of_run(task.run)) and not task.wait:
        return f"Settled at {until}; {undo}. Its run still waits for other tasks."
    daemon = "" if app.daemon_lives() else ", once opsrunner serve works"
    return f"Its run goes on at {until}{daemon}; {undo}."
