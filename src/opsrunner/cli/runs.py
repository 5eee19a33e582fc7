"""`runs` and `show`: looking back at what ran."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import json_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.model.run import Run, RunStatus

if TYPE_CHECKING:
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner runs --routine nightly-backups --limit 10
opsrunner runs --status failed --status missed --since yesterday --json
"""
SHOW_EXAMPLE = """
opsrunner show 42
opsrunner show 42 --json
"""
MORE = 1_000_000


@verb(EXAMPLE)
@click.option("--routine", metavar="ROUTINE", help="Only runs of this routine.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in RunStatus]),
    help="Only runs with this status; may be given several times.",
)
@click.option("--since", metavar="WHEN", help="Only runs written since then: yesterday, 2026-12-03, -6h.")
@click.option("--limit", type=click.IntRange(1, MORE), default=20, show_default=True, help="How many at most.")
@json_option
@site_options
@click.pass_obj
def runs(session: Session, routine: str | None, statuses: tuple[str, ...], since: str | None, limit: int) -> int:
    """Show the last runs, the newest first."""
    from opsrunner.cli.lookup import routine_name
    from opsrunner.cli.moments import parse_moment
    from opsrunner.cli.views import run_view

    with session.opened() as app:
        now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
        found = app.books.runs.listed(
            routine=_known_routine(app, routine),
            statuses=[RunStatus(status) for status in statuses],
            since=None if since is None else parse_moment(since, now=now, zone=zone),
            limit=limit,
        )
        if session.as_json:
            session.print_json([run_view(run, name=routine_name(app, run.routine)) for run in found])
        elif found:
            _show_runs(session, app, found, now=now)
        else:
            session.screen.line("No runs like that." if routine or statuses or since else "Nothing has run yet.")
    return 0


@verb(SHOW_EXAMPLE)
@click.argument("run_id", metavar="RUN", type=click.IntRange(1))
@json_option
@site_options
@click.pass_obj
def show(session: Session, run_id: int) -> int:
    """Show one run: its steps with times, hosts, rows and tries, its tasks, and why it ended so.

    RUN is its number, as `opsrunner runs` shows it.
    """
    from opsrunner.cli.one_run import print_run, run_as_json

    with session.opened() as app:
        run = app.books.runs.get(run_id)
        if session.as_json:
            session.print_json(run_as_json(app, run))
        else:
            print_run(session.screen, app, run)
    return 0


def _known_routine(app: OpenSite, routine: str | None) -> str | None:
    """Return the id if the site or the ledger knows it. Raises NotFound."""
    from opsrunner.cli.lookup import near
    from opsrunner.errors import NotFound

    known = {*app.site.routines, *app.books.routines.all()}
    if routine is not None and routine not in known:
        raise NotFound(f"there is no routine '{routine}'{near(routine, known)}")
    return routine


def _show_runs(session: Session, app: OpenSite, found: list[Run], *, now: datetime) -> None:
    from opsrunner.cli.lookup import routine_name
    from opsrunner.cli.screen import Cell, Column
    from opsrunner.cli.statuses import status_cell
    from opsrunner.engine.moment_words import duration_words, when_words
    from opsrunner.engine.run_facts import seconds_between

    zone = ZoneInfo(app.site.timezone)
    columns = [
        Column(title="run", right=True),
        Column(title="routine"),
        Column(title="when"),
        Column(title="status"),
        Column(title="took", right=True),
        Column(title="why", grows=True),
    ]
    rows = []
    keys = app.books.known_rows.keys_of([run.id for run in found])
    for run in found:
        seconds = seconds_between(run.started_at, run.finished_at)
        began = run.nominal_at or run.started_at or run.created_at
        rows.append(
            (
                str(run.id),
                routine_name(app, run.routine),
                when_words(began, now=now, zone=zone),
                status_cell(run.status.value),
                "" if seconds is None else duration_words(seconds),
                Cell(text=" · ".join(part for part in _why(run, keys.get(run.id)) if part), dim=True),
            )
        )
    session.screen.table(columns, rows)


def _why(run: Run, key: str | None) -> tuple[str, ...]:
    """Return what a run is for, what made it, and why it is as it is."""
    from opsrunner.engine.status_words import reason_words

    words = {"catch_up": "caught up", "manual": "by hand", "rerun": f"again for run {run.rerun_of}"}
    return (f"for {key}" if key is not None else "", words.get(run.trigger.value, ""), reason_words(run.reason))
