"""The way in and out: a mailed link, looked at by GET and used by POST, so that no mail scanner uses it up."""

from __future__ import annotations

import asyncio
from time import monotonic

from starlette.responses import RedirectResponse, Response

from opsrunner.engine.sign_in import ADDRESS_LENGTH
from opsrunner.errors import OpsrunnerError, Refused
from opsrunner.model.session import SESSION_LIVES
from opsrunner.web.visit import Fields, Nothing, Visit

ANSWERS_AFTER_SECONDS = 0.3
"""A mail takes a while to queue, and for a stranger there is none: how long the answer takes must not tell."""
SAME_TEXT = "If that is an address of this site's people, a mail is on its way. Its link is good for 15 minutes."


class _Asked(Fields):
    email: str = ""


async def ask(visit: Visit) -> Response:
    """Show the form that asks for a link."""
    if visit.person_or_none is not None:
        return visit.back("/")
    return visit.page("sign_in.html", title="Sign in", said="")


async def send_link(visit: Visit) -> Response:
    """Mail a link, and say the same after the same while whoever asked."""
    began = monotonic()
    email = (await visit.form(_Asked)).email.strip().casefold()
    require_patience(visit, visit.patience.allows_asking(visit.address, email, at=visit.now))
    people = visit.app.site.people.values()
    person = next((one for one in people if email and one.email.casefold() == email), None)
    if person is not None:
        await visit.write(
            lambda: visit.app.sign_in.mail_link(person, made_by=person.id, at=visit.now, address=visit.address)
        )
    await asyncio.sleep(ANSWERS_AFTER_SECONDS - (monotonic() - began))
    return visit.page("sign_in.html", title="Sign in", said=SAME_TEXT)


async def show_link(visit: Visit) -> Response:
    """Show whom a link signs in, with the button that does it. Looking uses nothing up."""
    person = visit.app.sign_in.person_of_link(visit.request.path_params["link"], at=visit.now)
    if person is None:
        require_patience_with_link(
            visit
        )  # a right one opens also where a stranger at the same address (a proxy's) tries many
    return visit.page("sign_in_link.html", title="Sign in", found=person, status=200 if person else 410)


async def use_link(visit: Visit) -> Response:
    """Sign in: the link is used up, and the session is a new one; the one that this browser had is over."""
    await visit.form(Nothing)
    link, agent = visit.request.path_params["link"], visit.request.headers.get("user-agent", "")
    if visit.app.sign_in.person_of_link(link, at=visit.now) is None:
        require_patience_with_link(visit)
    address, before = visit.address[:ADDRESS_LENGTH], visit.session_or_none
    try:
        token = await visit.write(
            lambda: visit.app.sign_in.enter(link, at=visit.now, address=address, agent=agent, instead_of=before)
        )
    except OpsrunnerError as exc:
        return visit.page("sign_in.html", title="Sign in", said=exc.message, status=410)
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(
        visit.place.cookie,
        token,
        max_age=int(SESSION_LIVES.total_seconds()),
        secure=visit.place.is_secure,
        httponly=True,
        samesite="lax",
    )
    return answer


async def sign_out(visit: Visit) -> Response:
    """End this session, on the server."""
    await visit.form(Nothing)
    me, session = visit.person, visit.guest.session
    await visit.write(lambda: visit.app.sign_in.leave(session, person=me, at=visit.now, address=visit.address))
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(visit.place.cookie, secure=visit.place.is_secure, httponly=True, samesite="lax")
    return answer


def require_patience_with_link(visit: Visit) -> None:
    """Count a wrong link. Raises TooOften where there were too many."""
    require_patience(visit, visit.patience.allows_wrong_link(visit.address, at=visit.now))


def require_patience(visit: Visit, is_within: bool) -> None:
    """Raise TooOften where something was not within the bounds of patience."""
    if not is_within:
        raise TooOften(f"too many tries: come back in {visit.patience.minutes} minutes")


class TooOften(Refused):
    """That was tried too often."""
