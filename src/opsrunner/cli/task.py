"""`task`: one task: add, show, claim, hand over, undo."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import group_of_verbs, json_option, person_option, site_options, verb
from opsrunner.cli.session import Session

if TYPE_CHECKING:
    from opsrunner.model.routine import Due
    from opsrunner.model.task import Task
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner task add "Call the data centre about rack 4" --for ops1 --due "tomorrow 10:00"
opsrunner task show 12
opsrunner task undo 12
"""
ADD_EXAMPLE = """
opsrunner task add "Call the data centre about rack 4" --for ops1 --due "tomorrow 10:00"
opsrunner task add "Order two disks" --for sysadmin --due "+4h business" --link https://shop.example.com
"""
SHOW_EXAMPLE = "opsrunner task show 12"
CLAIM_EXAMPLE = "opsrunner task claim 12"
HAND_OVER_EXAMPLE = """
opsrunner task hand-over 12 ops2
opsrunner task hand-over 12 --back
"""
UNDO_EXAMPLE = "opsrunner task undo 12"
TASK = click.argument("task_id", metavar="TASK", type=click.IntRange(1))


@group_of_verbs(EXAMPLE, name="task")
def task() -> None:
    """Add a task, show it, claim it, hand it over, undo its tick."""


@verb(ADD_EXAMPLE, name="add", of=task)
@click.argument("title")
@click.option("--for", "for_", metavar="ROLE|PERSON", help="Whose it is: a role, roster or person; by default yours.")
@click.option("--due", metavar="WHEN", help="16:00, 'tomorrow 10:00', fri, 2026-12-03, +4h, '+4h business'.")
@click.option("--how", default="", help="What helps to do it, as Markdown.")
@click.option("--link", default="", help="Address of where it is done.")
@person_option
@json_option
@site_options
@click.pass_obj
def add(session: Session, *, title: str, for_: str | None, due: str | None, how: str, link: str) -> int:
    """Add a task that no routine opened."""
    from opsrunner.cli.lookup import acting_person

    with session.opened() as app:
        now = app.clock.now()
        is_person = for_ in app.site.people
        added = app.ticks.add(
            title,
            actor=acting_person(session, app),
            at=now,
            role="" if is_person else for_ or "",
            person=for_ if is_person else None,
            due=None if due is None else _due(due, now=now, zone=ZoneInfo(app.site.timezone)),
            how=how,
            link=link,
        )
        _tell(session, app, added, f"Added as task {added.id}: {added.title}")
    return 0


@verb(SHOW_EXAMPLE, name="show", of=task)
@TASK
@person_option
@json_option
@site_options
@click.pass_obj
def show(session: Session, task_id: int) -> int:
    """Show TASK: how to do it, what its tick must carry, its rows, and what has happened to it."""
    from opsrunner.cli.one_task import print_task, task_as_json

    with session.opened() as app:
        found = app.books.tasks.get(task_id)
        if session.as_json:
            session.print_json(task_as_json(app, found))
        else:
            print_task(session.screen, app, found)
    return 0


@verb(CLAIM_EXAMPLE, name="claim", of=task)
@TASK
@person_option
@json_option
@site_options
@click.pass_obj
def claim(session: Session, task_id: int) -> int:
    """Make TASK yours; the first to claim it has it."""
    from opsrunner.cli.lookup import acting_person

    with session.opened() as app:
        claimed = app.ticks.claim(task_id, actor=acting_person(session, app), at=app.clock.now())
        _tell(session, app, claimed, f"Yours: {claimed.title}")
    return 0


@verb(HAND_OVER_EXAMPLE, name="hand-over", of=task)
@TASK
@click.argument("to", metavar="PERSON", required=False)
@click.option("--back", is_flag=True, help="Give it back to its role instead.")
@person_option
@json_option
@site_options
@click.pass_obj
def hand_over(session: Session, task_id: int, to: str | None, back: bool) -> int:
    """Give TASK to PERSON, or back to its role."""
    from opsrunner.cli.lookup import acting_person, person_name
    from opsrunner.errors import UsageError

    if (to is None) != back:
        raise UsageError("name a PERSON, or give --back")
    with session.opened() as app:
        given = app.ticks.hand_over(task_id, to, actor=acting_person(session, app), at=app.clock.now())
        whose = person_name(app, given.person) or given.role
        _tell(session, app, given, f"With {whose} now: {given.title}")
    return 0


@verb(UNDO_EXAMPLE, name="undo", of=task)
@TASK
@person_option
@json_option
@site_options
@click.pass_obj
def undo(session: Session, task_id: int) -> int:
    """Take the tick of TASK back, within 30 s, while nothing has built on it."""
    from opsrunner.cli.lookup import acting_person

    with session.opened() as app:
        opened = app.ticks.undo(task_id, actor=acting_person(session, app), at=app.clock.now())
        _tell(session, app, opened, f"Open again: {opened.title}")
    return 0


def _due(text: str, *, now: datetime, zone: ZoneInfo) -> Due | datetime:
    """Return when a task is due: a span in working hours stays a span, all else is a moment."""
    from opsrunner.cli.moments import parse_moment
    from opsrunner.errors import UsageError

    if not text.strip().endswith("business"):
        return parse_moment(text, now=now, zone=zone, edge="end")
    from opsrunner.steps.task import parse_due

    try:
        return parse_due(text.strip())
    except ValueError as exc:
        raise UsageError(f"--due '{text}': {exc}") from exc


def _tell(session: Session, app: OpenSite, changed: Task, sentence: str) -> None:
    from opsrunner.cli.views import task_view
    from opsrunner.engine.moment_words import due_words

    now = app.clock.now()
    if session.as_json:
        person = app.people.of_task(changed, at=now)
        session.print_json(task_view(changed, now=now, person=person.id if person else None))
        return
    due = due_words(changed.due_at, now=now, zone=ZoneInfo(app.site.timezone))
    session.screen.line(f"{sentence}{f', {due}' if due else ''}.", tone="fine", sign=True)
