"""`incident`: something is broken, customers hear of it, and it is not forgotten."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import group_of_verbs, json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import StepFailed, UsageError

if TYPE_CHECKING:
    from opsrunner.engine.affected import Affected
    from opsrunner.model.downtime import Downtime
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner incident open web5 --title "Mail on web5 is slow"
opsrunner incident end
"""
OPEN_EXAMPLE = """
opsrunner incident open web5 --title "Mail on web5 is slow" --dry-run
opsrunner incident open web5 web6 --title "Websites cannot be reached" --since 09:40
"""
LIST_EXAMPLE = "opsrunner incident list --json"
SHOW_EXAMPLE = "opsrunner incident show 12"
POST_EXAMPLE = 'opsrunner incident post 12 "The new disk is in; copying takes an hour more."'
END_EXAMPLE = "opsrunner incident end 12"
LISTED = timedelta(days=90)
_NUMBER = click.argument("number", metavar="[NUMBER]", type=click.IntRange(1), required=False)


@group_of_verbs(EXAMPLE, name="incident")
def incident() -> None:
    """Open an incident, say how it stands, end it: customers are told, staff are asked again and again.

    Its end leaves a review and a list of credits to approve. What holds for incidents stands in maintenance.yaml.
    """


@verb(OPEN_EXAMPLE, name="open", of=incident)
@click.argument("hosts", metavar="HOST…", nargs=-1, required=True)
@click.option("--title", required=True, help="What is wrong, as customers would say it.")
@click.option("--about", default="", help="More of it, for the mail.")
@click.option("--since", metavar="WHEN", help="When it began; by default now.")
@click.option("--dry-run", is_flag=True, help="Only show whom it affects; nobody is told.")
@person_option
@json_option
@site_options
@click.pass_obj
def open_it(
    session: Session, *, hosts: tuple[str, ...], title: str, about: str, since: str | None, dry_run: bool
) -> int:
    """Open an incident on hosts or groups: whoever has services there is told at once.

    A host of which neither the inventory nor the customers' data know is refused.
    """
    from opsrunner.cli.lookup import acting_person
    from opsrunner.cli.maintenance import tell_done
    from opsrunner.engine.downtime_acts import By
    from opsrunner.engine.downtime_words import people_words

    with session.opened() as app:
        now = app.clock.now()
        found = _affected(session, app, hosts)
        who = people_words(len(found.people), found.services)
        if dry_run:
            if session.as_json:
                session.print_json({"people": found.people, "nowhere": found.nowhere})
            else:
                session.screen.line(f"Affected: {who}. Nobody was told.")
            return 0
        person = acting_person(session, app)
        row = app.downtime_acts.open_incident(
            hosts,
            title=title,
            about=about,
            since=_since(since, app, now=now),
            people=found.people,
            by=By(actor=person, at=now),
        )
        tell_done(session, app, row, f"incident {row.id} is open; it affects {who}.", now=now)
        if not session.as_json:
            _tell_next(session, app, row)
    return 0


@verb(LIST_EXAMPLE, name="list", of=incident)
@json_option
@site_options
@click.pass_obj
def list_incidents(session: Session) -> int:
    """Show the open incidents, and those of the last 90 days. The exit code is 1 while one is open."""
    from opsrunner.cli.downtime_views import print_stands, stand_view, told_of
    from opsrunner.engine.downtimes import incidents_since

    with session.opened() as app:
        now = app.clock.now()
        found = incidents_since(app.desk, since=now - LISTED, now=now)
        if session.as_json:
            session.print_json([stand_view(one, told=told_of(app, one.row)) for one in found])
        elif found:
            print_stands(session, app, found, now=now)
        else:
            session.screen.line("No incident in the last 90 days.", tone="fine")
    return 1 if any(one.is_live for one in found) else 0


@verb(SHOW_EXAMPLE, name="show", of=incident)
@_NUMBER
@json_option
@site_options
@click.pass_obj
def show(session: Session, number: int | None) -> int:
    """Show an incident: its hosts, whom it affects, who has heard, and what was said."""
    from opsrunner.cli.downtime_views import print_stand, stand_view, told_of
    from opsrunner.engine.downtimes import incident_numbered, stand_of, the_open_incident

    with session.opened() as app:
        now = app.clock.now()
        row = the_open_incident(app.desk) if number is None else incident_numbered(app.desk, number)
        posts = app.books.downtimes.posts([row.id]).get(row.id, [])
        one = stand_of(app.site, row, now=now)
        if session.as_json:
            session.print_json({**stand_view(one, told=told_of(app, row)), "people": row.people, "posts": posts})
        else:
            print_stand(session, app, one, posts, now=now)
    return 0


@verb(POST_EXAMPLE, name="post", of=incident)
@click.argument("words", metavar="[NUMBER] TEXT", nargs=-1, required=True)
@person_option
@json_option
@site_options
@click.pass_obj
def post(session: Session, words: tuple[str, ...]) -> int:
    """Say how it stands; NUMBER may be left out where one incident is open.

    Where the ladder says `every … via: mail`, whoever has heard of the incident gets TEXT by mail.
    """
    from opsrunner.cli.lookup import acting_person
    from opsrunner.cli.maintenance import tell_done
    from opsrunner.engine.downtime_acts import By

    if len(words) > 2 or (len(words) == 2 and not words[0].isdecimal()):
        raise UsageError('put the text in quotes: opsrunner incident post 12 "It is mended."')
    with session.opened() as app:
        person, now = acting_person(session, app), app.clock.now()
        row = _open(app, int(words[0]) if len(words) == 2 else None)
        row = app.downtime_acts.post(row, words[-1], by=By(actor=person, at=now))
        tell_done(session, app, row, "Said.", now=now)
    return 0


@verb(END_EXAMPLE, name="end", of=incident)
@_NUMBER
@person_option
@json_option
@site_options
@click.pass_obj
def end(session: Session, number: int | None) -> int:
    """Say that it is over: customers are told, and a review and a list of credits are opened."""
    from opsrunner.cli.lookup import acting_person
    from opsrunner.cli.maintenance import tell_done
    from opsrunner.engine.downtime_acts import By

    with session.opened() as app:
        person, now = acting_person(session, app), app.clock.now()
        row = app.downtime_acts.end(_open(app, number), by=By(actor=person, at=now))
        tell_done(session, app, row, "It is over.", now=now)
    return 0


def _open(app: OpenSite, number: int | None) -> Downtime:
    from opsrunner.engine.downtimes import open_incident, the_open_incident

    return the_open_incident(app.desk) if number is None else open_incident(app.desk, number)


def _since(text: str | None, app: OpenSite, *, now: datetime) -> datetime | None:
    """Return when it began; a time of day is the last one that was."""
    from opsrunner.cli.moments import parse_moment

    if text is None:
        return None
    found = parse_moment(text, now=now, zone=ZoneInfo(app.site.timezone))
    is_clock = ":" in text and " " not in text.strip() and len(text.strip()) <= len("00:00")
    return found - timedelta(days=1) if is_clock and found > now else found


def _affected(session: Session, app: OpenSite, hosts: tuple[str, ...]) -> Affected:
    """Return whom it affects. Raises UsageError for a host that nothing knows of."""
    from opsrunner.engine.affected import Affected, affected, require_known
    from opsrunner.engine.downtimes import expand_hosts

    rules = app.site.maintenance.incidents
    if not rules.audience and not session.as_json:
        words = "Nobody will be told: `incidents` in maintenance.yaml names no audience."
        session.screen.line(words, tone="look")
    try:
        found = affected(rules.audience, expand_hosts(hosts, app.site), site=app.site, read=app.sources.read)
    except StepFailed as exc:
        if not session.as_json:
            session.screen.line(f"Whom it affects cannot be read now: {exc}", tone="look")
        return Affected(people=())
    require_known(hosts, found, app.site)
    return found


def _tell_next(session: Session, app: OpenSite, row: Downtime) -> None:
    if row.people and not app.daemon_lives():
        session.screen.line("They are told once opsrunner serve works.", tone="look")
    session.screen.line(
        f'How it stands: opsrunner incident post {row.id} "…"; over: opsrunner incident end {row.id}', dim=True
    )
