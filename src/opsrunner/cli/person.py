"""`person`: who holds what, and who is away."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import group_of_verbs, json_option, person_option, site_options, verb
from opsrunner.cli.session import Session

if TYPE_CHECKING:
    from opsrunner.model.person import Absence
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner person list
opsrunner person leave ops1 --from 2026-12-20 --until 2026-12-27
"""
LIST_EXAMPLE = "opsrunner person list --json"
LEAVE_EXAMPLE = """
opsrunner person leave ops1 --from 2026-12-20 --until 2026-12-27 --reason "winter leave"
opsrunner person leave ops1 --until today --reason ill
"""
SWAP_EXAMPLE = "opsrunner person swap ops1 ops2 --roster on-call --from 2026-12-07 --until 2026-12-13"
COVER_EXAMPLE = "opsrunner person cover ops1 boss --from fri --until fri"
INVITE_EXAMPLE = "opsrunner person invite ops1"
LINK_EXAMPLE = "opsrunner person link ops1"
BACK_EXAMPLE = "opsrunner person back 3"


@group_of_verbs(EXAMPLE, name="person")
def person() -> None:
    """Show who holds what; enter leave, swaps and cover; let people in to the page."""


@verb(LIST_EXAMPLE, name="list", of=person)
@json_option
@site_options
@click.pass_obj
def list_people(session: Session) -> int:
    """Show everybody with roles, who holds each roster now, and who is away."""
    from opsrunner.cli.people_lists import people_as_json, print_people

    with session.opened() as app:
        if session.as_json:
            session.print_json(people_as_json(app))
        else:
            print_people(session.screen, app)
    return 0


@verb(LEAVE_EXAMPLE, name="leave", of=person)
@click.argument("who", metavar="PERSON")
@click.option("--from", "from_", default="now", metavar="WHEN", help="First day; by default from now on.")
@click.option("--until", required=True, metavar="WHEN", help="Last day, included, or a moment.")
@click.option("--reason", default="", help="For the history; nobody has to say why.")
@person_option
@json_option
@site_options
@click.pass_obj
def leave(session: Session, who: str, from_: str, until: str, reason: str) -> int:
    """Enter that PERSON is away; rosters and roles pass to whoever comes next."""
    return _enter(session, "leave", who, other=None, roster=None, span=(from_, until), reason=reason)


@verb(SWAP_EXAMPLE, name="swap", of=person)
@click.argument("who", metavar="PERSON")
@click.argument("other")
@click.option("--roster", required=True, metavar="ROSTER", help="Whose duty it is about.")
@click.option("--from", "from_", required=True, metavar="WHEN", help="First day.")
@click.option("--until", required=True, metavar="WHEN", help="Last day, included, or a moment.")
@click.option("--reason", default="", help="For the history.")
@person_option
@json_option
@site_options
@click.pass_obj
def swap(session: Session, *, who: str, other: str, roster: str, from_: str, until: str, reason: str) -> int:
    """Enter that OTHER takes PERSON's duty of one roster. For the way back, enter the other half too."""
    return _enter(session, "swap", who, other=other, roster=roster, span=(from_, until), reason=reason)


@verb(COVER_EXAMPLE, name="cover", of=person)
@click.argument("who", metavar="PERSON")
@click.argument("other")
@click.option("--roster", metavar="ROSTER", help="Only this roster; by default all that PERSON answers for.")
@click.option("--from", "from_", default="now", metavar="WHEN", help="First day; by default from now on.")
@click.option("--until", required=True, metavar="WHEN", help="Last day, included, or a moment.")
@click.option("--reason", default="", help="For the history.")
@person_option
@json_option
@site_options
@click.pass_obj
def cover(session: Session, *, who: str, other: str, roster: str | None, from_: str, until: str, reason: str) -> int:
    """Enter that OTHER stands in for PERSON."""
    return _enter(session, "cover", who, other=other, roster=roster, span=(from_, until), reason=reason)


@verb(BACK_EXAMPLE, name="back", of=person)
@click.argument("absence_id", metavar="NUMBER", type=click.IntRange(1))
@person_option
@json_option
@site_options
@click.pass_obj
def back(session: Session, absence_id: int) -> int:
    """Take a leave, swap or cover back; `opsrunner person list` shows its NUMBER."""
    from opsrunner.cli.lookup import acting_person

    with session.opened() as app:
        app.absences.take_back(absence_id, actor=acting_person(session, app), at=app.clock.now())
        if session.as_json:
            session.print_json({"id": absence_id, "taken_back": True})
        else:
            session.screen.line("Taken back; it counts no more from now on.", tone="fine")
    return 0


def _enter(
    session: Session,
    kind: Literal["leave", "swap", "cover"],
    who: str,
    *,
    other: str | None,
    roster: str | None,
    span: tuple[str, str],
    reason: str,
) -> int:
    from opsrunner.cli.lookup import acting_person
    from opsrunner.cli.moments import parse_moment
    from opsrunner.model.person import Absence

    with session.opened() as app:
        now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
        absence = Absence(
            id=0,
            kind=kind,
            person=who,
            other=other,
            roster=roster,
            from_=parse_moment(span[0], now=now, zone=zone),
            until=parse_moment(span[1], now=now, zone=zone, edge="end"),
            reason=reason,
        )
        entered = app.absences.enter(absence, actor=acting_person(session, app), at=now)
        _tell(session, app, entered, now=now)
    return 0


def _tell(session: Session, app: OpenSite, entered: Absence, *, now: datetime) -> None:
    from opsrunner.engine.absences import absence_words

    if session.as_json:
        session.print_json(entered)
        return
    session.screen.line(f"Entered: {absence_words(app.site, entered, now=now)}.", tone="fine")
    session.screen.line(f"To take it back: opsrunner person back {entered.id}", dim=True)


@verb(INVITE_EXAMPLE, name="invite", of=person)
@click.argument("who", metavar="PERSON")
@person_option
@site_options
@click.pass_obj
def invite(session: Session, who: str) -> int:
    """Mail PERSON a link that signs in to the page, once, within 15 minutes."""
    from opsrunner.cli.lookup import actor_name

    with session.opened() as app:
        found = app.people.named(who)
        actor, now = actor_name(session, app), app.clock.now()
        app.sign_in.mail_link(found, made_by=actor, at=now)
        session.screen.line(f"A link for {found.name} is on its way to {found.email}.", tone="fine", sign=True)
        if not app.daemon_lives():
            session.screen.line("It goes out, and the page is there, once opsrunner serve works.", tone="look")
    return 0


@verb(LINK_EXAMPLE, name="link", of=person)
@click.argument("who", metavar="PERSON")
@person_option
@json_option
@site_options
@click.pass_obj
def link(session: Session, who: str) -> int:
    """Print a link that signs PERSON in to the page, once, within 15 minutes: for the day on which mail is down."""
    from opsrunner.cli.lookup import actor_name
    from opsrunner.engine.sign_in import sign_in_address

    with session.opened() as app:
        found = app.people.named(who)
        token = app.sign_in.link(found, made_by=actor_name(session, app), at=app.clock.now())
        address = sign_in_address(app.site.web.address, token)
        if session.as_json:
            session.print_json({"person": found.id, "link": address})
        else:
            print(address)
    return 0
