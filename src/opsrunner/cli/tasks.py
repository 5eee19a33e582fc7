"""`tasks`: what is to be done, by whom, until when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session

if TYPE_CHECKING:
    from opsrunner.cli.screen import Cell, CellLike
    from opsrunner.model.person import Person
    from opsrunner.model.task import Task
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner tasks --mine
opsrunner tasks --overdue --json
"""
CLOSED_DAYS = 7


@verb(EXAMPLE)
@click.option("--mine", is_flag=True, help="Only what is yours: by roster, role, claim or hand-over.")
@click.option("--overdue", is_flag=True, help="Only what is late.")
@click.option("--all", "closed_too", is_flag=True, help=f"Also what was closed in the last {CLOSED_DAYS} days.")
@person_option
@json_option
@site_options
@click.pass_obj
def tasks(session: Session, mine: bool, overdue: bool, closed_too: bool) -> int:
    """Show the open tasks, the late ones first; with --mine or --as only one person's."""
    from opsrunner.cli.lookup import acting_person
    from opsrunner.cli.views import task_view

    with session.opened() as app:
        now = app.clock.now()
        found = list(app.books.tasks.opened())
        if closed_too:
            found += app.books.tasks.closed(since=now - timedelta(days=CLOSED_DAYS))
        if overdue:
            found = [task for task in found if task.is_late(now)]
        me = acting_person(session, app) if mine or session.acting_as else None
        if me is not None:
            found = [task for task in found if _is_mine(app, task, me, now=now)]
        if session.as_json:
            session.print_json([task_view(task, now=now, person=holder_id(app, task, now=now)) for task in found])
        else:
            _show(session, app, found, me=me, now=now)
    return 0


def holder_id(app: OpenSite, task: Task, *, now: datetime) -> str | None:
    """Return the id of whose task it is now, None where it is anybody's of its role."""
    person = app.people.of_task(task, at=now)
    return person.id if person else None


def _is_mine(app: OpenSite, task: Task, me: Person, *, now: datetime) -> bool:
    if not task.is_open:
        return task.closed_by == me.id
    return app.people.is_for(task, me, at=now)


def _show(session: Session, app: OpenSite, found: Sequence[Task], *, me: Person | None, now: datetime) -> None:
    from opsrunner.cli.screen import Column

    session.screen.heading(_verdict(found, me=me, now=now))
    if not found:
        return
    session.screen.line()
    columns = [
        Column(title="task", right=True),
        Column(title="due"),
        Column(title="what", grows=True),
        Column(title="with", grows=me is not None),
        Column(title="from", wide_only=True),
    ]
    session.screen.table(columns, [_row(app, task, me=me, now=now) for task in found])
    session.screen.line()
    session.screen.line("opsrunner task show TASK tells how; opsrunner tick TASK marks it done.", dim=True)


def _verdict(found: Sequence[Task], *, me: Person | None, now: datetime) -> str:
    """Return the sentence above the list: `Five open tasks, two of them late.`"""
    from opsrunner.engine.moment_words import count_words

    still_open = [task for task in found if task.is_open]
    late = sum(task.is_late(now) for task in still_open)
    if not still_open:
        return "Nothing needs you." if me is not None else "No open task."
    what = count_words(len(still_open), "thing needs you", "things need you")
    if me is None:
        what = count_words(len(still_open), "open task")
    return f"{what}, {late} late." if late else f"{what}, none late."


def _row(app: OpenSite, task: Task, *, me: Person | None, now: datetime) -> Sequence[CellLike]:
    from opsrunner.cli.lookup import person_name, routine_name
    from opsrunner.cli.screen import Cell
    from opsrunner.engine.finding_words import times_came

    person = app.people.of_task(task, at=now)
    whose = person.name if person else f"any {task.role}"
    if me is not None and task.is_open and person is not None:
        whose = app.people.why(task, me, at=now)
    if not task.is_open:
        whose = person_name(app, task.closed_by)
    origin = routine_name(app, task.routine)
    counted = f"{times_came(task)} times" if times_came(task) > 1 else ""
    return (
        str(task.id),
        _due(app, task, now=now),
        " · ".join(part for part in (task.title, counted) if part),
        whose,
        Cell(text=origin or ("maintenance" if task.item == "maintenance" else "by hand"), dim=True),
    )


def _due(app: OpenSite, task: Task, *, now: datetime) -> Cell:
    from opsrunner.cli.screen import Cell
    from opsrunner.cli.statuses import status_cell
    from opsrunner.engine.moment_words import due_words

    if not task.is_open:
        return status_cell(task.status.value)
    words = due_words(task.due_at, now=now, zone=ZoneInfo(app.site.timezone))
    return Cell(text=words, tone="look" if task.is_late(now) else None)
