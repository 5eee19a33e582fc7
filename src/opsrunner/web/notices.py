"""What customers will be told, with each mail as it would go; and the door by which they leave."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import Field
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from opsrunner.engine.foretold import NoticeForecast
from opsrunner.engine.leaving import Leaver
from opsrunner.engine.notice_forecast import foresee_notices
from opsrunner.errors import NotFound
from opsrunner.model.digest import Tone
from opsrunner.model.mail import NewMail
from opsrunner.model.notice import Suppression, Told, ToldStatus
from opsrunner.notices.foresight import Foreseen
from opsrunner.records import dataclass
from opsrunner.web.guard import LETTER_HEADERS
from opsrunner.web.sign_in import require_patience_with_link
from opsrunner.web.visit import Fields, Nothing, Visit

AHEAD = timedelta(days=30)
BEHIND = timedelta(days=7)
MOST_SHOWN = 100
_LINKS_OPEN_ELSEWHERE = '<base target="_blank">'
_STANDING_TONES: dict[str, Tone] = {"live": "fine", "not live": "nothing", "waits for approval": "look"}
_STATUS_TONES: dict[ToldStatus, Tone] = {
    ToldStatus.SENT: "fine",
    ToldStatus.WATCHED: "fine",
    ToldStatus.FAILED: "failed",
    ToldStatus.MISSED: "look",
}


@dataclass(frozen=True, kw_only=True)
class NoticeLine:
    """One notice on the page."""

    forecast: NoticeForecast
    tone: Tone
    shown: tuple[Foreseen, ...]
    told: tuple[Told, ...]
    """What was settled of it of late, the newest first."""


@dataclass(frozen=True, kw_only=True)
class _Page:
    lines: tuple[NoticeLine, ...]
    suppressed: tuple[Suppression, ...]


class _Mail(Fields):
    """Which mail to show."""

    notice: str = Field(max_length=300)
    key: str = Field(max_length=300)
    to: str = Field(max_length=300)
    rung: str = Field(max_length=100)


class _Left(Fields):
    """What a mail provider sends for its reader (RFC 8058), or our own button: nothing."""

    one_click: str = Field(default="", alias="List-Unsubscribe", max_length=100)


async def all_of_them(visit: Visit) -> Response:
    """Show every notice, what it sends in the next 30 days, and what it sent of late."""
    visit.query(Nothing)
    page = await visit.look_up(lambda: _looked_up(visit))
    return visit.page(
        "notices.html",
        title="Notices",
        lines=page.lines,
        suppressed=page.suppressed,
        tone_of_told=lambda told: _STATUS_TONES.get(told.status, "nothing"),
    )


async def show(visit: Visit) -> Response:
    """Show one mail that is to come: its head, its HTML in a frame, its text."""
    asked = visit.query(_Mail)
    one, mail = await visit.look_up(lambda: _mail(visit, asked))
    return visit.page("notice.html", title=mail.subject, one=one, mail=mail, asked=asked)


async def letter(visit: Visit) -> Response:
    """Hand out the HTML part of a mail that is to come, for the frame that shows it."""
    asked = visit.query(_Mail)
    _, mail = await visit.look_up(lambda: _mail(visit, asked))
    if not mail.html:
        raise NotFound("that mail has no HTML part")
    return HTMLResponse(_LINKS_OPEN_ELSEWHERE + mail.html, headers=LETTER_HEADERS)


async def show_leave(visit: Visit) -> Response:
    """Ask a recipient whether to leave: looking changes nothing, so that no mail scanner unsubscribes anybody."""
    leaver = _leaver(visit)
    return visit.page("leave.html", title="Leave", address=leaver.address, is_done=False)


async def leave(visit: Visit) -> Response:
    """Let a recipient leave; for the page's button, and for the one click of a mail provider."""
    leaver = _leaver(visit)
    sent = await visit.form(_Left)
    await visit.write(lambda: visit.app.leave.leave(leaver, at=visit.now, address=visit.address))
    if sent.one_click:
        return PlainTextResponse("done")
    return visit.page("leave.html", title="Left", address=leaver.address, is_done=True)


def _leaver(visit: Visit) -> Leaver:
    try:
        return visit.app.leave.read(visit.request.path_params["word"])
    except NotFound:
        require_patience_with_link(visit)
        raise


def _looked_up(visit: Visit) -> _Page:
    app = visit.app
    found = foresee_notices(app.notices, until=visit.now + AHEAD, vault=app.vault)
    since: datetime = visit.now - BEHIND
    return _Page(
        lines=tuple(_line(visit, one, since) for one in found),
        suppressed=tuple(app.books.suppressions.listed(at=visit.now)[:MOST_SHOWN]),
    )


def _line(visit: Visit, one: NoticeForecast, since: datetime) -> NoticeLine:
    told: Sequence[Told] = visit.app.books.notices.newest(since=since, notice=one.notice, most=MOST_SHOWN)
    if one.occasion:
        mine = [each for each in told if each.key.partition(".")[0] == one.known_as]
        told = [each._replace(key=one.occasion) for each in mine]
    tone: Tone = "look" if one.problem or one.unknown else _STANDING_TONES.get(one.standing, "nothing")
    return NoticeLine(forecast=one, tone=tone, shown=one.coming[:MOST_SHOWN], told=tuple(told))


def _mail(visit: Visit, asked: _Mail) -> tuple[Foreseen, NewMail]:
    """Return a mail that is to come. Raises NotFound, ExpressionError."""
    app = visit.app
    for one in foresee_notices(app.notices, until=visit.now + AHEAD, vault=app.vault, name=asked.notice):
        for each in one.coming:
            message = each.message
            said = (message.occasion.key, message.recipient.address, message.rung)
            if one.compose is not None and said == (asked.key, asked.to, asked.rung):
                return each, one.compose(each)
    raise NotFound("that mail is not to come any more")
