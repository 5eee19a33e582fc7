"""The team: who holds what now and in the weeks ahead, who is away, and who is signed in where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Literal

from starlette.responses import Response

from opsrunner.engine.absences import REASON_LENGTH, whole_days
from opsrunner.engine.team import held_words, team_of
from opsrunner.errors import NotFound, OpsrunnerError, Refused, StateError, UsageError
from opsrunner.model.person import Absence, Person
from opsrunner.model.session import Session
from opsrunner.records import dataclass
from opsrunner.web.cards import staff_of
from opsrunner.web.sign_in import require_patience
from opsrunner.web.visit import Fields, Nothing, Visit, local_day, status_of

HERE = "/team"
Kind = Literal["leave", "swap", "cover"]


class _Shown(Fields):
    enter: Kind | Literal[""] = ""
    """Which of the forms is open."""


class _Absence(Fields):
    kind: Kind
    person: str = ""
    other: str = ""
    roster: str = ""
    first: str = ""
    last: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """Somebody of the team as the reader may see them."""

    person: Person
    away: str
    sessions: tuple[Session, ...]
    """Those that the reader may see."""
    link: str
    """What an owner sees of a link that can let them in."""


async def show(visit: Visit) -> Response:
    """Show the team."""
    return _page(visit, enter=visit.query(_Shown).enter)


async def enter(visit: Visit) -> Response:
    """Enter a leave, a swap or a cover. What is refused stays in its fields."""
    sent = await visit.form(_Absence)
    try:
        absence = _absence(visit, sent)
        await visit.write(
            lambda: visit.app.absences.enter(absence, actor=visit.person, at=visit.now, address=visit.address)
        )
    except (NotFound, Refused, StateError, UsageError) as exc:
        return _page(visit, enter=sent.kind, sent=sent, refusal=exc)
    return visit.back(f"{HERE}#changes")


async def take_back(visit: Visit) -> Response:
    """End a leave, a swap or a cover now."""
    await visit.form(Nothing)
    number = visit.number("absence")
    await visit.write(
        lambda: visit.app.absences.take_back(number, actor=visit.person, at=visit.now, address=visit.address)
    )
    return visit.back(f"{HERE}#changes")


async def end_session(visit: Visit) -> Response:
    """End a session: one's own, or as an owner anybody's."""
    await visit.form(Nothing)
    number = visit.number("session")
    await visit.write(lambda: visit.app.sign_in.end(number, actor=visit.person, at=visit.now, address=visit.address))
    return visit.back(HERE)


async def end_sessions(visit: Visit) -> Response:
    """Sign a person out everywhere: oneself, or as an owner anybody."""
    await visit.form(Nothing)
    person = _person(visit)
    await visit.write(
        lambda: visit.app.sign_in.end_all(person, actor=visit.person, at=visit.now, address=visit.address)
    )
    return visit.back(HERE)


async def invite(visit: Visit) -> Response:
    """Mail a person a link; as often as they themselves might ask for one."""
    await visit.form(Nothing)
    person = _person(visit)
    require_patience(visit, visit.patience.allows_mail(person.email.casefold(), at=visit.now))
    await visit.write(
        lambda: visit.app.sign_in.mail_link(person, made_by=visit.person.id, at=visit.now, address=visit.address)
    )
    return visit.back(f"{HERE}#person-{person.id}")


def _page(
    visit: Visit, *, enter: str = "", sent: _Absence | None = None, refusal: OpsrunnerError | None = None
) -> Response:
    """Return the page; with what was sent and why it was refused, where it was."""
    site, person = visit.app.site, visit.person
    team = team_of(visit.app.desk, now=visit.now)
    sessions = _sessions(visit)
    links = _links(visit)
    rows = [
        Row(
            person=one,
            away=team.away.get(one.id, ""),
            sessions=tuple(sessions[one.id]),
            link=links(one.id),
        )
        for one in site.people.values()
    ]
    return visit.page(
        "team.html",
        status=status_of(refusal, 400),
        title="Team",
        team=team,
        held=held_words(team, person, now=visit.now, zone=visit.zone),
        rows=rows,
        own=tuple(sessions[person.id]),
        this=visit.guest.session.id,
        staff=staff_of(visit),
        rosters=list(site.rosters),
        today=visit.now.astimezone(visit.zone).date().isoformat(),
        longest=REASON_LENGTH,
        enter=enter,
        sent=sent,
        said=refusal.message if refusal else "",
    )


def _absence(visit: Visit, sent: _Absence) -> Absence:
    """Return what was sent; names are looked up where it is entered. Raises UsageError."""
    if not (sent.first and sent.last):
        raise UsageError("say from which day to which")
    begin, end = whole_days(local_day(sent.first), local_day(sent.last), visit.zone)
    is_leave = sent.kind == "leave"
    return Absence(
        id=0,
        kind=sent.kind,
        person=sent.person,
        other=None if is_leave else sent.other or None,
        roster=None if is_leave else sent.roster or None,
        from_=begin,
        until=end,
        reason=sent.reason,
    )


def _sessions(visit: Visit) -> dict[str, list[Session]]:
    """Return the sessions that the reader may see, by person."""
    found: dict[str, list[Session]] = defaultdict(list)
    for session in visit.app.sign_in.sessions(visit.person, at=visit.now):
        found[session.person].append(session)
    return found


def _links(visit: Visit) -> Callable[[str], str]:
    """Return what says to an owner that a link to let somebody in is out; others see nothing of it."""
    out = visit.app.sign_in.links_out(at=visit.now) if visit.person.is_owner else {}

    def words(person: str) -> str:
        until = out.get(person)
        if until is None:
            return "A link is on its way." if person in out else ""
        return f"A link is good until {until.astimezone(visit.zone):%H:%M}."

    return words


def _person(visit: Visit) -> Person:
    name = visit.request.path_params["person"]
    found = visit.app.site.people.get(name)
    if found is None:
        raise NotFound(f"there is no person '{name}'")
    return found
