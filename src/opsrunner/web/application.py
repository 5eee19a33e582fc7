"""The Starlette application: doors, errors, static files."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from opsrunner.app import App
from opsrunner.errors import NotFound, OpsrunnerError, Refused, StateError, UsageError
from opsrunner.templates.own_pages import OwnPages, markdown
from opsrunner.web import words
from opsrunner.web.checkups import Checkups
from opsrunner.web.doors import DOORS, Door
from opsrunner.web.guard import Guard, Needs, Place, may_enter, session_token
from opsrunner.web.kept import Circumstances, KeptPages
from opsrunner.web.live import Changes, follow
from opsrunner.web.patience import Patience
from opsrunner.web.sign_in import TooOften
from opsrunner.web.visit import Around, Forged, Guest, Visit

LOGGER = logging.getLogger("opsrunner")
HERE = Path(__file__).parent
WRITERS, LOOKERS = 4, 2
NO_LEDGER = "Nothing can be read or recorded now; the log says why."
OUR_FAULT = "opsrunner itself is at fault here; the log says more."
WHOSE: dict[Needs, str] = {
    "nobody": "",
    "anyone": "people of this site",
    "staff": "staff",
    "inside": "people of this site",
    "team": "staff",
    "owner": "owners",
}
_STATUS_OF: tuple[tuple[type[OpsrunnerError], int], ...] = (
    (NotFound, 404),
    (TooOften, 429),
    (Forged, 403),
    (Refused, 409),
    (UsageError, 400),
    (StateError, 503),
)


class _Link(StringConvertor):
    """A token as `secrets.token_urlsafe` writes it."""

    regex = "[A-Za-z0-9_-]{20,100}"


class _Leave(StringConvertor):
    """The word of a link by which a recipient leaves."""

    regex = "[A-Za-z0-9_-]{30,1200}"


class _Name(StringConvertor):
    """The id of a routine, or the name of a host."""

    regex = "[a-z0-9][a-z0-9-]{0,99}"


class _Number(IntegerConvertor):
    """A number of the ledger: no sign, no leading zero, within 63 bits."""

    regex = "[1-9][0-9]{0,17}"


register_url_convertor("name", _Name())
register_url_convertor("token", _Link())
register_url_convertor("leave", _Leave())
register_url_convertor("int", _Number())


class Web:
    """Builds the application of one opened site."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.changes = Changes(app.books.ledger)
        self._around = Around(
            app=app,
            pages=OwnPages(HERE / "pages", filters={"markdown": markdown}, names=words.NAMES),
            patience=Patience(),
            changes=self.changes,
            writers=ThreadPoolExecutor(WRITERS, thread_name_prefix="web"),
            lookers=ThreadPoolExecutor(LOOKERS, thread_name_prefix="web-look"),
            checkups=Checkups(app),
        )
        self._kept = KeptPages()

    def place(self) -> Place:
        """Under which names the page is reached now."""
        return Place(settings=self._app.site.web)

    def application(self) -> Starlette:
        """Return what a server serves."""
        return Starlette(
            routes=[
                *(Route(door.path, self._endpoint(door), methods=[door.method]) for door in DOORS),
                Route("/live", self._safely(self._live), methods=["GET"]),
                Mount("/static", StaticFiles(directory=HERE / "static")),
            ],
            middleware=[Middleware(Guard, place=self.place), Middleware(GZipMiddleware, minimum_size=1000)],
            exception_handlers={HTTPException: self._no_page},
        )

    def _endpoint(self, door: Door) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            visit = await self._visit(request)
            if not may_enter(door.needs, visit.person_or_none):
                return self._refuse(visit, door)
            try:
                return await self._answer(visit, door)
            except OpsrunnerError as exc:
                return self._say(visit, exc)

        return self._safely(endpoint)

    async def _answer(self, visit: Visit, door: Door) -> Response:
        """Answer with the page that was made a moment ago where it still is true, else with a new one."""
        if not door.keeps:
            return await door.page(visit)
        here = Circumstances(version=self._app.books.ledger.version(), site=self._app.site, now=visit.now)
        key = (visit.person.id, f"{visit.request.url.path}?{visit.request.url.query}")
        kept = self._kept.get(key, here)
        if kept is not None:
            return visit.answer(kept)
        response = await door.page(visit)
        if visit.made is not None:
            self._kept.keep(key, visit.made, here)
        return response

    def _safely(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Answer also where nobody can be told apart, or a page is at fault: with a sentence, and nothing else."""

        async def safe(request: Request) -> Response:
            try:
                return await endpoint(request)
            except HTTPException:
                raise
            except StateError as exc:
                _log_refused(request, exc)
                return PlainTextResponse(NO_LEDGER, status_code=503)
            except Exception:
                LOGGER.exception("page %s failed", _door_of(request), extra={"action": "fault"})
                return PlainTextResponse(OUR_FAULT, status_code=500)
            finally:
                await request.close()  # files that were sent

        return safe

    async def _live(self, request: Request) -> Response:
        visit = await self._visit(request)
        if visit.person_or_none is None:
            return Response(status_code=401)
        try:
            return follow(self.changes, request, session=visit.guest.session, is_still_in=lambda: visit.is_still_in)
        except OpsrunnerError as exc:
            return self._say(visit, exc)

    async def _visit(self, request: Request) -> Visit:
        place, sign_in = self.place(), self._app.sign_in
        token = session_token(request.headers, name=place.cookie)
        found = None if token is None else sign_in.who(token, at=self._app.clock.now())
        guest = None if token is None or found is None else Guest(person=found[0], session=found[1], token=token)
        visit = Visit(request, around=self._around, place=place, guest=guest)
        if guest is not None and sign_in.is_use_to_note(guest.session, at=visit.now):
            await visit.write(lambda: sign_in.note_use(guest.session, at=visit.now))
        return visit

    def _refuse(self, visit: Visit, door: Door) -> Response:
        """Send a stranger to the door; tell somebody who is in whose it is."""
        if visit.person_or_none is not None:
            return self._say(visit, Refused(f"this is for {WHOSE[door.needs]}"), status=403)
        if visit.request.method != "GET":
            return PlainTextResponse("Sign in first.", status_code=401)
        return RedirectResponse("/sign-in", status_code=303)

    def _say(self, visit: Visit, error: OpsrunnerError, *, status: int | None = None) -> Response:
        code = status or next((code for kind, code in _STATUS_OF if isinstance(error, kind)), 500)
        said = visit.app.vault.mask(error.message)
        if code >= 500:
            _log_refused(visit.request, error)
            said = said if visit.person_or_none is not None else NO_LEDGER  # strangers learn no path
        return visit.page("said.html", status=code, title="That was not done", said=said)

    async def _no_page(self, request: Request, error: Exception) -> Response:
        code = error.status_code if isinstance(error, HTTPException) else 500
        said = {404: "There is no such page.", 405: "That cannot be done here."}.get(code)
        detail = error.detail if isinstance(error, HTTPException) else ""

        async def answer(request: Request) -> Response:
            return (await self._visit(request)).page(
                "said.html", status=code, title="Nothing here", said=said or detail
            )

        return await self._safely(answer)(request)


def _log_refused(request: Request, error: OpsrunnerError) -> None:
    LOGGER.error("page %s: %s", _door_of(request), error, extra={"action": "page_failed"})


def _door_of(request: Request) -> str:
    """Return which page was asked for, as a log may name it: the address itself may hold a link that is good."""
    path: str = getattr(request.scope.get("route"), "path", "")
    return path or "that is not there"
