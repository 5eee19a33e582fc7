"""`run` and `cancel`: runs by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import UsageError

if TYPE_CHECKING:
    from opsrunner.app import App
    from opsrunner.model.run import Run

EXAMPLE = """
opsrunner run nightly-backups
opsrunner run nightly-backups --dry-run
opsrunner run nightly-backups --again 42
opsrunner run new-orders --row 20260131-7
"""
CANCEL_EXAMPLE = "opsrunner cancel 42"
NOT_ENDED_WELL = frozenset({"failed", "interrupted", "cancelled", "missed", "skipped"})


@verb(EXAMPLE)
@click.argument("routine")
@click.option("--dry-run", is_flag=True, help="Only show what would run, secrets masked.")
@click.option("--again", "rerun_of", metavar="RUN", type=click.IntRange(1), help="As another try of that run.")
@click.option("--row", metavar="KEY", help="For the row with that key, in routines with on_rows.")
@person_option
@json_option
@site_options
@click.pass_obj
def run(session: Session, routine: str, dry_run: bool, rerun_of: int | None, row: str | None) -> int:
    """Run ROUTINE by hand now, and follow it: through the daemon where one lives, else here.

    Exit code 1 where it does not end well; a run that waits for people is fine so far.
    """
    if dry_run and rerun_of is not None:
        raise UsageError("--dry-run and --again do not go together")
    if rerun_of is not None and row is not None:
        raise UsageError("--again runs for the row of that run: leave --row out")
    with session.at_work() as app:
        if dry_run:
            return _preview(session, app, routine, row=row)
        return _run(session, app, routine, rerun_of=rerun_of, row=row)


def _run(session: Session, app: App, routine: str, *, rerun_of: int | None, row: str | None) -> int:
    from opsrunner.cli.lookup import actor_name, routine_named
    from opsrunner.cli.one_run import run_as_json
    from opsrunner.cli.progress import Progress

    found = routine_named(app, routine)
    actor = actor_name(session, app)
    if session.as_json:
        ended = app.run_by_hand(routine, actor=actor, rerun_of=rerun_of, row=row)
        session.print_json(run_as_json(app, ended))
    else:
        session.screen.heading(found.name)
        with Progress(session.screen, each_step=True) as progress:
            ended = app.run_by_hand(routine, actor=actor, rerun_of=rerun_of, row=row, on_event=progress)
        _tell_end(session, app, ended)
    return 1 if ended.status.value in NOT_ENDED_WELL else 0


def _tell_end(session: Session, app: App, ended: Run) -> None:
    from opsrunner.engine.moment_words import count_words, duration_words
    from opsrunner.engine.run_facts import seconds_between
    from opsrunner.engine.status_words import reason_words, status_word, tone_of

    screen = session.screen
    if ended.status.value == "waiting":
        still_open = sum(task.is_open and task.holds_run for task in app.books.tasks.of_run(ended.id))
        screen.line(f"Run {ended.id} waits for people: {count_words(still_open, 'open task')}.", tone="live", sign=True)
        screen.line(f"opsrunner show {ended.id} shows them; opsrunner tick TASK lets it go on.", dim=True)
        return
    seconds = seconds_between(ended.started_at, ended.finished_at)
    took = f" after {duration_words(seconds)}" if seconds is not None else ""
    why = f" ({reason_words(ended.reason)})" if ended.reason else ""
    tone = tone_of(ended.status.value)
    screen.line(f"Run {ended.id}: {status_word(ended.status.value)}{took}{why}.", tone=tone, sign=True)
    if tone != "fine":
        screen.line(f"opsrunner logs {ended.id} shows what its steps wrote.", dim=True)


def _preview(session: Session, app: App, routine: str, *, row: str | None) -> int:
    from opsrunner.cli.lookup import routine_named
    from opsrunner.engine.preview import preview_run

    found = routine_named(app, routine)
    occasion = None if row is None else app.by_hand.row_choice.named(found, row)
    steps = preview_run(found, app.site, state=app.state, now=app.clock.now(), occasion=occasion)
    if session.as_json:
        session.print_json({"routine": routine, "name": found.name, "steps": steps})
        return 0
    session.screen.heading(found.name, "would do this; nothing is done now")
    for number, step in enumerate(steps, start=1):
        session.screen.line()
        session.screen.line(f"{number}. {step.id}  ({step.kind})")
        for line in step.lines:
            session.screen.line(f"   {session.mask(line)}", tone="live")
        if step.notes:
            session.screen.line(f"   {session.mask('; '.join(step.notes))}", dim=True)
    return 0


@verb(CANCEL_EXAMPLE)
@click.argument("run_id", metavar="RUN", type=click.IntRange(1))
@person_option
@json_option
@site_options
@click.pass_obj
def cancel(session: Session, run_id: int) -> int:
    """Stop RUN, which goes on or waits. Its open tasks stay open until somebody closes them."""
    from opsrunner.cli.lookup import actor_name, routine_name
    from opsrunner.cli.views import run_view
    from opsrunner.engine.cancelling import cancel_run
    from opsrunner.engine.status_words import status_word, tone_of

    with session.at_work() as app:
        actor = actor_name(session, app)
        ended = cancel_run(run_id, books=app.books, clock=app.clock, lock=app.lock, actor=actor)
        if session.as_json:
            session.print_json(run_view(ended, name=routine_name(app, ended.routine)))
        elif ended.status.is_final:
            tone = tone_of(ended.status.value)
            session.screen.line(f"Run {run_id}: {status_word(ended.status.value)}.", tone=tone, sign=True)
        else:
            session.screen.line(f"Run {run_id} is being stopped; opsrunner show {run_id} tells when.", tone="live")
    return 0
