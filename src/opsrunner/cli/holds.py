"""`pause`, `resume` and `skip`: leaving a routine out, with a reason and an end."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import Refused, UsageError

if TYPE_CHECKING:
    from opsrunner.model.routine import Routine
    from opsrunner.model.schedule import Occurrence
    from opsrunner.open_site import OpenSite

PAUSE_EXAMPLE = """
opsrunner pause nightly-backups --until 2026-12-03 --reason "the store is being moved"
opsrunner pause nightly-backups --until "fri 10:00" --reason "new disks"
"""
RESUME_EXAMPLE = "opsrunner resume nightly-backups"
SKIP_EXAMPLE = """
opsrunner skip nightly-backups next --reason "done by hand"
opsrunner skip weekly-review 2026-12-25 --reason "nobody is here"
"""


@verb(PAUSE_EXAMPLE)
@click.argument("routine")
@click.option("--until", required=True, metavar="WHEN", help="Last day that is left out, or a moment.")
@click.option("--reason", required=True, help="Why; the digest says it while the pause lasts.")
@person_option
@json_option
@site_options
@click.pass_obj
def pause(session: Session, routine: str, until: str, reason: str) -> int:
    """Leave ROUTINE out until a day is over; it resumes by itself.

    What falls due meanwhile is recorded as skipped, and is not caught up.
    """
    from opsrunner.cli.lookup import actor_name, routine_named
    from opsrunner.cli.moments import parse_moment

    with session.opened() as app:
        found = routine_named(app, routine)
        now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
        end = parse_moment(until, now=now, zone=zone, edge="end")
        if end <= now:
            raise UsageError(f"--until {until} is over already")
        app.routine_acts.pause(found, until=end, reason=_said(reason), actor=actor_name(session, app), at=now)
        _tell_pause(session, found, end, now=now, zone=zone)
    return 0


def _tell_pause(session: Session, routine: Routine, end: datetime, *, now: datetime, zone: ZoneInfo) -> None:
    from opsrunner.engine.moment_words import when_words

    if session.as_json:
        session.print_json({"routine": routine.id, "paused_until": end})
        return
    session.screen.line(
        f"{routine.name} is paused until {when_words(end, now=now, zone=zone)}, then it resumes by itself.",
        tone="fine",
    )
    session.screen.line(f"Sooner: opsrunner resume {routine.id}", dim=True)


@verb(RESUME_EXAMPLE)
@click.argument("routine")
@person_option
@json_option
@site_options
@click.pass_obj
def resume(session: Session, routine: str) -> int:
    """End the pause of ROUTINE now. What was left out is not run."""
    from opsrunner.cli.lookup import actor_name, routine_named

    with session.opened() as app:
        found = routine_named(app, routine)
        now = app.clock.now()
        app.routine_acts.resume(found, actor=actor_name(session, app), at=now)
        if session.as_json:
            session.print_json({"routine": routine, "resumed_at": now})
            return 0
        session.screen.line(f"{found.name} is on again.{_next_words(app, found, now)}", tone="fine")
    return 0


def _next_words(app: OpenSite, routine: Routine, now: datetime) -> str:
    from opsrunner.engine.moment_words import when_words
    from opsrunner.schedules.due import next_to_run

    coming = next_to_run(routine.schedule, after=now, almanac=app.almanac)
    if coming is None:
        return ""
    return f" Next: {when_words(coming.planned_at, now=now, zone=ZoneInfo(app.site.timezone))}."


@verb(SKIP_EXAMPLE)
@click.argument("routine")
@click.argument("which", metavar="next|DATE")
@click.option("--reason", required=True, help="Why; it stands in the history and the digest.")
@person_option
@json_option
@site_options
@click.pass_obj
def skip(session: Session, routine: str, which: str, reason: str) -> int:
    """Leave out the next due time of ROUTINE, or those of a day.

    They are recorded as skipped, as asked.
    """
    from opsrunner.cli.lookup import actor_name, routine_named

    with session.opened() as app:
        found = routine_named(app, routine)
        now, actor = app.clock.now(), actor_name(session, app)
        chosen = _chosen(app, found, which, now=now)
        app.routine_acts.skip(found, chosen, reason=_said(reason), actor=actor, at=now)
        _tell_skip(session, app, found, chosen, now=now)
    return 0


def _chosen(app: OpenSite, routine: Routine, which: str, *, now: datetime) -> list[Occurrence]:
    """Return the occurrences to leave out: the next one that is not left out already, or those of a day."""
    from opsrunner.cli.moments import parse_day

    zone = ZoneInfo(app.site.timezone)
    coming = app.routine_acts.to_skip(routine, at=now)
    if which == "next":
        return coming[:1]
    day = parse_day(which, today=now.astimezone(zone).date())
    chosen = [
        at for at in coming if day in (at.planned_at.astimezone(zone).date(), at.nominal_at.astimezone(zone).date())
    ]
    if not chosen:
        raise Refused(f"{routine.id} is not due on {day}, or it is left out already; see: opsrunner next {routine.id}")
    return chosen


def _tell_skip(session: Session, app: OpenSite, routine: Routine, chosen: list[Occurrence], *, now: datetime) -> None:
    from opsrunner.engine.moment_words import when_words

    if session.as_json:
        session.print_json({"routine": routine.id, "skipped": [occurrence.nominal_at for occurrence in chosen]})
        return
    zone = ZoneInfo(app.site.timezone)
    for occurrence in chosen:
        when = when_words(occurrence.planned_at, now=now, zone=zone)
        session.screen.line(f"{routine.name} is left out {when}, as asked.", tone="fine")


def _said(reason: str) -> str:
    from opsrunner.cli.escapes import printable

    words = printable(reason)
    if not words:
        raise UsageError("--reason needs a word or two: it stands in the history")
    return words
