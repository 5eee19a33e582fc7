"""Maintenance windows and incidents: what comes, what is on, and what staff do about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Literal

from starlette.responses import Response

from opsrunner.engine.affected import affected, require_known
from opsrunner.engine.downtime_acts import EARLIEST_START, TEXT_LENGTH, TITLE_LENGTH, By
from opsrunner.engine.downtime_words import people_words, span_short
from opsrunner.engine.downtimes import (
    Stand,
    downtimes_between,
    expand_hosts,
    incidents_since,
    open_incident,
    time_of_window,
)
from opsrunner.errors import NotFound, OpsrunnerError, Refused, StateError, StepFailed, UsageError
from opsrunner.model.downtime import Downtime, Post
from opsrunner.model.notice import Told
from opsrunner.model.outcome import Row
from opsrunner.records import dataclass
from opsrunner.web.visit import Fields, Visit, local_day, local_moment, status_of

HERE = "/maintenance"
AHEAD = timedelta(days=60)
LOOK_BACK = timedelta(days=90)
MOST_PEOPLE = 200


class _Shown(Fields):
    open: Literal["", "incident"] = ""


class _WindowAct(Fields):
    act: Literal["start", "post", "end", "cancel", "move"]
    on: str = ""
    text: str = ""
    reason: str = ""
    to: str = ""
    until: str = ""


class _IncidentAct(Fields):
    act: Literal["post", "end"]
    text: str = ""


class _NewIncident(Fields):
    hosts: str = ""
    title: str = ""
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One time of a window, or an incident, as the page shows it."""

    stand: Stand
    when: str
    day: str
    posts: tuple[Post, ...]
    told: int
    affected: str
    may_start: bool
    """Its time is near enough; one that comes later is moved first."""

    @property
    def key(self) -> str:
        """What its place on the page is called."""
        row = self.stand.row
        return f"incident-{row.id}" if row is not None and row.is_incident else f"{self.stand.plan.window}-{self.day}"

    @property
    def people(self) -> tuple[dict[str, object], ...]:
        """Some of those whom it affects."""
        row = self.stand.row
        return tuple(dict(person) for person in row.people[:MOST_PEOPLE]) if row is not None else ()


async def show(visit: Visit) -> Response:
    """Show what is on, what comes, and the incidents of the last weeks."""
    return await _page(visit, opens=visit.query(_Shown).open)


async def act_on_window(visit: Visit) -> Response:
    """Start, end, cancel or move one time of a window, or say how it stands."""
    sent = await visit.form(_WindowAct)
    name = visit.request.path_params["window"]
    try:
        await visit.write(lambda: _do(visit, name, sent))
    except (NotFound, Refused, StateError, UsageError) as exc:
        return await _page(visit, refusal=exc)
    return visit.back(HERE)


async def act_on_incident(visit: Visit) -> Response:
    """End an incident, or say how it stands."""
    sent = await visit.form(_IncidentAct)
    number, acts = visit.number("incident"), visit.app.downtime_acts

    def act() -> Downtime:
        row = open_incident(visit.app.desk, number)
        if sent.act == "end":
            return acts.end(row, by=_by(visit))
        return acts.post(row, sent.text, by=_by(visit))

    try:
        await visit.write(act)
    except (NotFound, Refused, StateError, UsageError) as exc:
        return await _page(visit, refusal=exc)
    return visit.back(HERE)


async def open_one(visit: Visit) -> Response:
    """Open an incident. What is refused stays in its fields."""
    sent = await visit.form(_NewIncident)
    hosts = tuple(word for word in sent.hosts.replace(",", " ").split() if word)
    try:
        people = await visit.look_up(lambda: _affected(visit, hosts))
        await visit.write(
            lambda: visit.app.downtime_acts.open_incident(
                hosts, title=sent.title, about=sent.about, people=people, by=_by(visit)
            )
        )
    except (NotFound, Refused, StateError, UsageError) as exc:
        return await _page(visit, opens="incident", sent=sent, refusal=exc)
    return visit.back(HERE)


def _by(visit: Visit) -> By:
    return By(actor=visit.person, at=visit.now, address=visit.address)


def _do(visit: Visit, name: str, sent: _WindowAct) -> Downtime:
    acts, zone = visit.app.downtime_acts, visit.zone
    day = local_day(sent.on) if sent.on else None
    one = time_of_window(visit.app.desk, name, at=visit.now, on=day)
    by = _by(visit)
    does: dict[str, Callable[[], Downtime]] = {
        "start": lambda: acts.start(one, by=by),
        "end": lambda: acts.end(one, by=by),
        "post": lambda: acts.post(one, sent.text, by=by),
        "cancel": lambda: acts.cancel(one, reason=sent.reason, by=by),
        "move": lambda: acts.move(
            one,
            begins_at=local_moment(sent.to, zone) if sent.to else None,
            ends_at=local_moment(sent.until, zone) if sent.until else None,
            reason=sent.reason,
            by=by,
        ),
    }
    return does[sent.act]()


def _affected(visit: Visit, hosts: tuple[str, ...]) -> tuple[Row, ...]:
    """Return whom an incident on these hosts affects. Raises UsageError for a host that nothing knows of."""
    app = visit.app
    try:
        found = affected(
            app.site.maintenance.incidents.audience,
            expand_hosts(hosts, app.site),
            site=app.site,
            read=app.sources.read,
        )
    except StepFailed:
        return ()  # it is opened all the same; a task says that nobody knows whom it affects
    require_known(hosts, found, app.site)
    return found.people


async def _page(
    visit: Visit, *, opens: str = "", sent: _NewIncident | None = None, refusal: OpsrunnerError | None = None
) -> Response:
    found = await visit.look_up(lambda: _lines(visit))
    live = [line for line in found if line.stand.is_live]
    coming = [line for line in found if not line.stand.is_live]
    past = await visit.look_up(lambda: _past(visit))
    return visit.page(
        "maintenance.html",
        status=status_of(refusal, 400),
        title="Maintenance",
        live=live,
        coming=coming,
        past=past,
        opens=opens,
        sent=sent,
        said=refusal.message if refusal else "",
        longest_title=TITLE_LENGTH,
        longest_text=TEXT_LENGTH,
        has_file=bool(visit.app.site.maintenance.windows),
    )


def _lines(visit: Visit) -> list[Line]:
    desk, now = visit.app.desk, visit.now
    return _shown(visit, downtimes_between(desk, from_=now, until=now + AHEAD, now=now))


def _past(visit: Visit) -> list[Line]:
    desk, now = visit.app.desk, visit.now
    found = incidents_since(desk, since=now - LOOK_BACK, now=now)
    return _shown(visit, [one for one in found if not one.is_live])


def _shown(visit: Visit, found: list[Stand]) -> list[Line]:
    books = visit.app.books
    rows = [one.row for one in found if one.row is not None]
    posts = books.downtimes.posts([row.id for row in rows])
    told: dict[int, list[Told]] = {}
    for row in rows:
        told[row.id] = books.notices.told(row.notice, [str(row.id)]).get(str(row.id), [])
    return [
        Line(
            stand=one,
            when=span_short(one.begins_at, one.ends_at, now=visit.now, zone=visit.zone),
            day=one.begins_at.astimezone(visit.zone).date().isoformat(),
            posts=tuple(posts.get(one.row.id, ())) if one.row else (),
            told=len({each.recipient for each in told[one.row.id] if each.status.reached}) if one.row else 0,
            affected=_affected_words(one.row),
            may_start=one.begins_at - visit.now <= EARLIEST_START,
        )
        for one in found
    ]


def _affected_words(row: Downtime | None) -> str:
    if row is None:
        return ""
    return people_words(len(row.people), sum(len(person["services"]) for person in row.people))
