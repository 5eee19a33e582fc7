"""`notices`: who would get what, when; and the addresses that get none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from opsrunner.cli.options import group_of_verbs, json_option, person_option, site_options, verb
from opsrunner.cli.session import Session
from opsrunner.errors import MailFailed, NotFound, Refused, UsageError

if TYPE_CHECKING:
    from opsrunner.cli.screen import CellLike
    from opsrunner.engine.foretold import NoticeForecast
    from opsrunner.model.person import Person
    from opsrunner.notices.foresight import Foreseen
    from opsrunner.open_site import OpenSite

EXAMPLE = """
opsrunner notices --until +30d
opsrunner notices domain-renewals --show 3
opsrunner notices suppress kari@example.com --reason "asked us by telephone"
"""
LIST_EXAMPLE = """
opsrunner notices list --until +30d
opsrunner notices list maintenance.kernel --json
"""
SUPPRESS_EXAMPLE = 'opsrunner notices suppress kari@example.com --reason "asked us by telephone"'
UNSUPPRESS_EXAMPLE = "opsrunner notices unsuppress kari@example.com"
SUPPRESSED_EXAMPLE = "opsrunner notices suppressed"
MOST_SHOWN = 400
NOTHING = "No routine of this site has a notice, and no window or incident has somebody to tell in that time."
LONGEST_DAYS = 400


class _ShowsByDefault(click.Group):
    """A group that lists where no verb of it is named: `notices --until +30d`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self.spelled_out(args))

    def spelled_out(self, args: list[str]) -> list[str]:
        """Return the words with the verb that they leave out."""
        is_whole = bool(args) and (args[0] in self.commands or args[0] in ("-h", "--help"))
        return args if is_whole else ["list", *args]


@group_of_verbs(EXAMPLE, name="notices", shape=_ShowsByDefault)
def notices() -> None:
    """Show what customers will be told, to whom and when; and who is told nothing.

    Without a verb it is `list`: all that notices, maintenance windows and open incidents send until a moment, by the
    sources as they are now.
    """


@verb(LIST_EXAMPLE, name="list", of=notices)
@click.argument("name", required=False, default="", metavar="[NAME]")
@click.option("--until", default="+30d", show_default=True, metavar="WHEN", help="How far to look ahead.")
@click.option("--show", type=click.IntRange(min=1), metavar="N", help="Show the N-th mail as it would go.")
@json_option
@site_options
@click.pass_obj
def list_notices(session: Session, name: str, *, until: str, show: int | None) -> int:
    """Show who would get what, when; NAME is a routine, `ROUTINE.STEP`, `maintenance.WINDOW` or `incident`.

    The exit code is 1 where rows say nobody or no date, or where a notice cannot look ahead.
    """
    from opsrunner.cli.moments import parse_moment
    from opsrunner.engine.notice_forecast import foresee_notices

    with session.at_work() as app:
        now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
        end = parse_moment(until, now=now, zone=zone, edge="end")
        if not 0 < (end - now).total_seconds() <= LONGEST_DAYS * 86400:
            raise UsageError(f"--until must be ahead, by {LONGEST_DAYS} days at most")
        found = foresee_notices(app.notices, until=end, vault=app.vault, name=name)
        if show is not None:
            return _show_one(session, found, show)
        if session.as_json:
            session.print_json([_view(one) for one in found])
        else:
            _tell(session, found, name=name, zone=zone)
    return 1 if any(one.unknown or one.problem for one in found) else 0


@verb(SUPPRESS_EXAMPLE, name="suppress", of=notices)
@click.argument("address", metavar="ADDRESS")
@click.option("--reason", default="", help="Why; the list of suppressed addresses says it.")
@person_option
@json_option
@site_options
@click.pass_obj
def suppress(session: Session, address: str, *, reason: str) -> int:
    """Send no notice to ADDRESS any more, contractual ones included, until `unsuppress`."""
    from opsrunner.engine.digest_words import plural
    from opsrunner.mail.headers import clean_line
    from opsrunner.model.notice import Suppression

    why = clean_line(reason)
    if not why:
        raise UsageError("say why: --reason TEXT")
    with session.opened() as app:
        person, now = _staff(session, app), app.clock.now()
        bare = _address(address)
        with app.books.transaction():
            gone = Suppression(address=bare, why=why, by=person.id, at=now)
            if not app.books.suppressions.add([gone]):
                raise Refused(f"{bare} is suppressed already")
            back = app.books.notices.take_back(gone, contractual=True)
            app.books.audit.add("suppress", f"address {bare}", actor=person.id, at=now, detail=why)
        waiting = (
            f" {plural(back, 'mail')} that had not left {'is' if back == 1 else 'are'} taken back." if back else ""
        )
        view = {"address": bare, "suppressed": True, "taken_back": back}
        _say(session, f"{bare} gets no notices any more.{waiting}", view)
    return 0


@verb(UNSUPPRESS_EXAMPLE, name="unsuppress", of=notices)
@click.argument("address", metavar="ADDRESS")
@person_option
@json_option
@site_options
@click.pass_obj
def unsuppress(session: Session, address: str) -> int:
    """Let ADDRESS get notices again, whoever suppressed it."""
    with session.opened() as app:
        person, now = _staff(session, app), app.clock.now()
        bare = _address(address)
        with app.books.transaction():
            if not app.books.suppressions.lift(bare, at=now):
                raise NotFound(f"{bare} is not suppressed")
            app.books.audit.add("unsuppress", f"address {bare}", actor=person.id, at=now)
        _say(session, f"{bare} gets notices again.", {"address": bare, "suppressed": False})
    return 0


@verb(SUPPRESSED_EXAMPLE, name="suppressed", of=notices)
@json_option
@site_options
@click.pass_obj
def suppressed(session: Session) -> int:
    """Show the addresses that get no notices, none of one, or none about one thing."""
    from opsrunner.cli.screen import Column
    from opsrunner.schedules.day_names import moment_words

    with session.opened() as app:
        zone, found = ZoneInfo(app.site.timezone), app.books.suppressions.listed(at=app.clock.now())
        if session.as_json:
            session.print_json([vars(one) for one in found])
            return 0
        if not found:
            session.screen.line("No address is suppressed.")
            return 0
        columns = [Column(title=title) for title in ("address", "of", "since", "until", "by")]
        rows = [
            (
                one.address,
                f"{one.notice}: {one.key}" if one.key else one.notice or "all notices",
                moment_words(one.at, zone=zone),
                moment_words(one.until, zone=zone) if one.until else "",
                one.by,
                one.why,
            )
            for one in found
        ]
        session.screen.table([*columns, Column(title="why", grows=True)], rows)
    return 0


def _staff(session: Session, app: OpenSite) -> Person:
    from opsrunner.cli.lookup import acting_person

    person = acting_person(session, app)
    if not person.is_staff or person.is_partner:
        raise Refused(f"{person.name} may not say who gets notices")
    return person


def _address(text: str) -> str:
    from opsrunner.mail.headers import parse_address

    try:
        return parse_address(text).address.lower()
    except MailFailed as exc:
        raise UsageError(exc.message) from exc


def _say(session: Session, line: str, view: dict[str, Any]) -> None:
    if session.as_json:
        session.print_json(view)
    else:
        session.screen.line(line, tone="fine")


def _show_one(session: Session, found: Sequence[NoticeForecast], number: int) -> int:
    coming = list(_numbered(found))
    if number > len(coming):
        raise NotFound(f"there is no mail {number}; {len(coming)} are to come")
    forecast, one = coming[number - 1]
    if forecast.compose is None:
        raise Refused("another system sends that one: there is no text to show")
    mail = forecast.compose(one)
    if session.as_json:
        session.print_json({**_one_view(one), "subject": mail.subject, "text": mail.text, "html": mail.html})
    else:
        session.screen.line(f"To: {mail.to}")
        session.screen.line(f"Subject: {mail.subject}")
        session.screen.line("")
        for line in mail.text.splitlines():
            session.screen.line(line)
    return 0


def _numbered(found: Sequence[NoticeForecast]) -> Iterator[tuple[NoticeForecast, Foreseen]]:
    """Yield every mail to come, in the order in which `list` numbers them: when they go."""
    pairs = [(forecast, one) for forecast in found for one in forecast.coming]
    yield from sorted(pairs, key=lambda pair: (pair[1].goes_at, pair[0].notice))


def _tell(session: Session, found: Sequence[NoticeForecast], *, name: str, zone: ZoneInfo) -> None:
    from opsrunner.cli.screen import Column

    if not found:
        session.screen.line(f"{name}: nothing to tell in that time." if name else NOTHING)
        return
    pairs = list(_numbered(found))
    columns = [Column(title=title) for title in ("no.", "goes", "to", "about", "rung")]
    rows = [_line(number, forecast, one, zone=zone) for number, (forecast, one) in enumerate(pairs[:MOST_SHOWN], 1)]
    if rows:
        session.screen.table([*columns, Column(title="notice"), Column(title="", grows=True)], rows)
    if len(pairs) > MOST_SHOWN:
        session.screen.line(f"and {len(pairs) - MOST_SHOWN:,} more: --json has them all.")
    for one in found:
        _tell_notice(session, one)


def _line(number: int, forecast: NoticeForecast, one: Foreseen, *, zone: ZoneInfo) -> list[CellLike]:
    from opsrunner.schedules.day_names import moment_words

    said = one.why if one.state == "suppressed" else "" if one.state == "goes" else one.state
    return [
        str(number),
        moment_words(one.goes_at, zone=zone),
        one.message.recipient.address,
        one.message.occasion.key,
        one.message.rung,
        forecast.notice,
        f"suppressed: {said}" if one.state == "suppressed" else said,
    ]


def _tell_notice(session: Session, one: NoticeForecast) -> None:
    if one.problem:
        session.screen.line(f"{one.label} cannot look ahead: {one.problem}", tone="look")
    elif not one.coming and not one.notes:
        session.screen.line(f"{one.label}: nothing to tell in that time.")
    if one.standing != "live" and not one.problem:
        session.screen.line(f"{one.label}: {one.standing}, so that nothing of it goes.", tone="look")
    for note in one.notes:
        session.screen.line(f"{one.label}: {note}")
    if one.unknown:
        session.screen.line(
            f"{one.label}: nobody can be told of {one.unknown} rows; first: {one.first_problem}", tone="look"
        )


def _view(one: NoticeForecast) -> dict[str, Any]:
    return {
        "notice": one.notice,
        "occasion": one.occasion,
        "routine": one.routine,
        "name": one.name,
        "mode": one.mode,
        "standing": one.standing,
        "notes": list(one.notes),
        "task": one.task,
        "unknown": one.unknown,
        "problem": one.problem,
        "coming": [_one_view(each) for each in one.coming],
    }


def _one_view(one: Foreseen) -> dict[str, Any]:
    return {
        "goes_at": one.goes_at,
        "due_at": one.message.due_at,
        "to": one.message.recipient.address,
        "name": one.message.recipient.name,
        "about": one.message.occasion.key,
        "at": one.message.occasion.at,
        "rung": one.message.rung,
        "state": one.state,
        "why": one.why,
    }
