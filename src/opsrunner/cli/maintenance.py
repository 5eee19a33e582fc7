"""`maintenance`: what windows come, and what staff do about them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import group_of_verbs, json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import UsageError

if TYPE_CHECKING:
    from opsrunner.engine.downtime_acts import By
    from opsrunner.engine.downtimes import Stand
    from opsrunner.model.downtime import Downtime
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner maintenance list
opsrunner maintenance move kernel --to "2026-12-03 02:00" --reason "a storm is forecast"
"""
LIST_EXAMPLE = """
opsrunner maintenance list
opsrunner maintenance list --until +90d --json
"""
SHOW_EXAMPLE = "opsrunner maintenance show kernel"
START_EXAMPLE = "opsrunner maintenance start kernel"
POST_EXAMPLE = 'opsrunner maintenance post kernel "Two of three servers are done."'
END_EXAMPLE = "opsrunner maintenance end kernel"
CANCEL_EXAMPLE = 'opsrunner maintenance cancel kernel --reason "The vendor has withdrawn the update."'
MOVE_EXAMPLE = """
opsrunner maintenance move kernel --to "2026-12-03 02:00" --reason "a storm is forecast"
opsrunner maintenance move kernel --until +1h
"""
_NAME = click.argument("name", metavar="WINDOW")
_ON = click.option(
    "--on", metavar="DAY", help="The time that begins on this day; by default what is on, or comes next."
)
_REASON = click.option("--reason", default="", help="Why; it stands in the mails, too.")


@group_of_verbs(EXAMPLE, name="maintenance")
def maintenance() -> None:
    """Show the windows of maintenance.yaml; start, end, move them, and say how it stands.

    Nothing here edits the file: single times are moved or called off in the ledger. Customers who had heard are told.
    """


@verb(LIST_EXAMPLE, name="list", of=maintenance)
@click.option("--until", default="+35d", show_default=True, metavar="WHEN", help="How far to look ahead.")
@json_option
@site_options
@click.pass_obj
def list_windows(session: Session, until: str) -> int:
    """Show what is on and what comes, incidents too, and whether customers have heard.

    The exit code is 1 where something should have ended, or an incident is open.
    """
    from opsrunner.cli.downtime_views import print_stands, stand_view, told_of
    from opsrunner.cli.moments import parse_moment
    from opsrunner.engine.downtimes import downtimes_between

    with session.opened() as app:
        now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
        end = parse_moment(until, now=now, zone=zone, edge="end")
        if end <= now:
            raise UsageError("--until must be ahead: +35d, 2026-12-31")
        found = downtimes_between(app.desk, from_=now, until=end, now=now)
        if session.as_json:
            session.print_json([stand_view(one, told=told_of(app, one.row)) for one in found])
        elif found:
            print_stands(session, app, found, now=now)
        else:
            session.screen.line("No maintenance is planned in that time.")
    return 1 if any(_is_trouble(one) for one in found) else 0


@verb(SHOW_EXAMPLE, name="show", of=maintenance)
@_NAME
@_ON
@json_option
@site_options
@click.pass_obj
def show(session: Session, name: str, on: str | None) -> int:
    """Show one time of WINDOW: its hosts, who has heard, and what was said."""
    from opsrunner.cli.downtime_views import print_stand, stand_view, told_of

    with session.opened() as app:
        now = app.clock.now()
        one = _named(app, name, on, now=now)
        posts = app.books.downtimes.posts([one.row.id]).get(one.row.id, []) if one.row else []
        if session.as_json:
            people = one.row.people if one.row else ()
            session.print_json({**stand_view(one, told=told_of(app, one.row)), "people": people, "posts": posts})
        else:
            print_stand(session, app, one, posts, now=now)
    return 0


@verb(START_EXAMPLE, name="start", of=maintenance)
@_NAME
@_ON
@person_option
@json_option
@site_options
@click.pass_obj
def start(session: Session, name: str, on: str | None) -> int:
    """Say that WINDOW has begun; at its time it begins by itself."""
    return _act(session, name, on, lambda app, one, by: app.downtime_acts.start(one, by=by), "It has begun.")


@verb(POST_EXAMPLE, name="post", of=maintenance)
@_NAME
@click.argument("text")
@_ON
@person_option
@json_option
@site_options
@click.pass_obj
def post(session: Session, name: str, text: str, on: str | None) -> int:
    """Say how it stands with WINDOW; where its ladder says `every … via: mail`, customers get TEXT by mail."""
    return _act(session, name, on, lambda app, one, by: app.downtime_acts.post(one, text, by=by), "Said.")


@verb(END_EXAMPLE, name="end", of=maintenance)
@_NAME
@_ON
@person_option
@json_option
@site_options
@click.pass_obj
def end(session: Session, name: str, on: str | None) -> int:
    """Say that WINDOW is over; those who had heard are told."""
    return _act(session, name, on, lambda app, one, by: app.downtime_acts.end(one, by=by), "It is over.")


@verb(CANCEL_EXAMPLE, name="cancel", of=maintenance)
@_NAME
@_ON
@_REASON
@person_option
@json_option
@site_options
@click.pass_obj
def cancel(session: Session, name: str, on: str | None, reason: str) -> int:
    """Call one time of WINDOW off; routines that go by it leave it out, and those who had heard are told."""
    return _act(
        session,
        name,
        on,
        lambda app, one, by: app.downtime_acts.cancel(one, reason=reason, by=by),
        "It is called off.",
    )


@verb(MOVE_EXAMPLE, name="move", of=maintenance)
@_NAME
@click.option("--to", metavar="WHEN", help="When it begins instead; it lasts as long as before.")
@click.option("--until", metavar="WHEN", help="When it ends instead.")
@_ON
@_REASON
@person_option
@json_option
@site_options
@click.pass_obj
def move(session: Session, *, name: str, to: str | None, until: str | None, on: str | None, reason: str) -> int:
    """Give one time of WINDOW another begin or end; routines that go by it move with it.

    One that has been started can only end later or earlier.
    """
    from opsrunner.cli.moments import parse_moment

    def act(app: OpenSite, one: Stand, by: By) -> Downtime:
        zone = ZoneInfo(app.site.timezone)
        return app.downtime_acts.move(
            one,
            begins_at=None if to is None else parse_moment(to, now=by.at, zone=zone),
            ends_at=None if until is None else parse_moment(until, now=by.at, zone=zone),
            reason=reason,
            by=by,
        )

    return _act(session, name, on, act, "It is moved.")


def _act(
    session: Session,
    name: str,
    on: str | None,
    act: Callable[[OpenSite, Stand, By], Downtime],
    said: str,
) -> int:
    from opsrunner.cli.lookup import acting_person
    from opsrunner.engine.downtime_acts import By

    with session.opened() as app:
        now = app.clock.now()
        by = By(actor=acting_person(session, app), at=now)
        row = act(app, _named(app, name, on, now=now), by)
        tell_done(session, app, row, said, now=now)
    return 0


def tell_done(session: Session, app: OpenSite, row: Downtime, said: str, *, now: datetime) -> None:
    """Print what became of an act, and when customers hear of it."""
    from opsrunner.cli.downtime_views import stand_view, told_of
    from opsrunner.engine.downtime_words import span_short
    from opsrunner.engine.downtimes import stand_of

    told = told_of(app, row)
    if session.as_json:
        session.print_json(stand_view(stand_of(app.site, row, now=now), told=told))
        return
    when = span_short(row.begins_at, row.ended_at or row.ends_at, now=now, zone=ZoneInfo(app.site.timezone))
    session.screen.line(f"{row.title}, {when}: {said}", tone="fine")
    if told and not app.daemon_lives():
        who = "Who had heard is told" if told == 1 else f"The {told} who had heard are told"
        session.screen.line(f"{who} once opsrunner serve works.", tone="look")


def _named(app: OpenSite, name: str, on: str | None, *, now: datetime) -> Stand:
    from opsrunner.cli.moments import parse_day
    from opsrunner.engine.downtimes import time_of_window

    today = now.astimezone(ZoneInfo(app.site.timezone)).date()
    day = None if on is None else parse_day(on, today=today)
    return time_of_window(app.desk, name, at=now, on=day)


def _is_trouble(one: Stand) -> bool:
    is_open_incident = one.row is not None and one.row.is_incident and not one.row.is_over
    return is_open_incident or one.status.value == "overrun"
