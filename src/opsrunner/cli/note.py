"""`note`: what one shift tells the next."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session

if TYPE_CHECKING:
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner note "web5 was slow until 03:40, gone by itself; one customer asked"
opsrunner note
"""


@verb(EXAMPLE)
@click.argument("text", nargs=-1)
@click.option("--days", type=click.IntRange(1, 400), default=3, show_default=True, help="How far back to show notes.")
@person_option
@json_option
@site_options
@click.pass_obj
def note(session: Session, text: tuple[str, ...], days: int) -> int:
    """Leave a note for the next shift; without TEXT, show the last ones."""
    with session.opened() as app:
        words = " ".join(text).strip()
        if words:
            _leave(session, app, words)
        else:
            _show(session, app, days)
    return 0


def _leave(session: Session, app: OpenSite, words: str) -> None:
    from opsrunner.cli.lookup import acting_person
    from opsrunner.engine.notes import leave_note

    person = acting_person(session, app)
    note_id = leave_note(app.desk, words, person=person, at=app.clock.now())
    if session.as_json:
        session.print_json({"id": note_id, "author": person.id, "text": words})
        return
    session.screen.line("Noted. It stands in the next digest and for the next shift.", tone="fine")


def _show(session: Session, app: OpenSite, days: int) -> None:
    from opsrunner.cli.lookup import person_name
    from opsrunner.cli.screen import Cell, Column
    from opsrunner.engine.moment_words import when_words

    now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
    notes = app.books.notes.since(now - timedelta(days=days))
    if session.as_json:
        session.print_json(notes)
    elif not notes:
        session.screen.line(f"No notes in the last {days} days.")
    else:
        rows = [
            (
                Cell(text=when_words(one.at, now=now, zone=zone), dim=True),
                Cell(text=person_name(app, one.author), dim=True),
                one.text,
            )
            for one in notes
        ]
        session.screen.table([Column(), Column(), Column(grows=True)], rows)
