"""What stands before every page: the host asked for, the origin of what changes something, headers, who comes in."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.utils import formatdate
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opsrunner.model.person import Person
from opsrunner.model.site import WebSettings
from opsrunner.records import dataclass

Needs = Literal["nobody", "anyone", "staff", "inside", "team", "owner"]
"""Who may come in: strangers too; every person; who works on tasks; those without partners; or an owner."""
SAFE_METHODS = ("GET", "HEAD")
OPEN_TO_ALL = "/leave/"
"""Mail providers post here for their readers (RFC 8058): the link itself says who may, and no session has a part."""
BODY_BYTES = 21_000_000
"""A file of 20 MB with the form around it."""
TOO_MUCH = "That is too much: a file may have 20 MB."
LETTER_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; base-uri 'none'; "
        "form-action 'none'; sandbox allow-popups allow-popups-to-escape-sandbox"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
"""Of a mail that is shown in a frame: it keeps its looks, runs nothing, and has no part in who is signed in."""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=()",
}
_LOCAL_NAME = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")


def may_enter(needs: Needs, person: Person | None) -> bool:
    """Tell whether a door opens for somebody."""
    if needs == "nobody":
        return True
    if person is None:
        return False
    is_inside = not person.is_partner
    return {
        "anyone": True,
        "staff": person.is_staff,
        "inside": is_inside,
        "team": is_inside and person.is_staff,
        "owner": person.is_owner,
    }[needs]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Under which names the page is reached."""

    settings: WebSettings

    @property
    def address(self) -> str:
        """The address that people open."""
        return self.settings.address

    @property
    def is_secure(self) -> bool:
        """Tell whether people come by HTTPS."""
        return urlsplit(self.address).scheme == "https"

    @property
    def cookie(self) -> str:
        """The name of the session's cookie; the prefix has the browser refuse it over plain HTTP, or for a path."""
        return "__Host-opsrunner" if self.is_secure else "opsrunner"

    def knows_host(self, host: str) -> bool:
        """Tell whether a Host header names this page: a foreign name that leads here (DNS rebinding) does not."""
        return host.lower() == urlsplit(self.address).netloc.lower() or self.is_local_name(host)

    def is_local_name(self, host: str) -> bool:
        """Tell whether a Host header is a name that this machine has for itself."""
        return host.lower() == self.settings.listen.lower() or _LOCAL_NAME.fullmatch(host.lower()) is not None

    def is_own_origin(self, origin: str, *, host: str) -> bool:
        """Tell whether an Origin header is this page."""
        own = urlsplit(self.address)
        return origin.lower() in {f"{own.scheme}://{own.netloc}".lower(), f"http://{host}".lower()}


def session_token(headers: Headers, *, name: str) -> str | None:
    """Return the session's token of a request's cookies; what neighbours at the same name wrote into theirs, is theirs.

    It is read as browsers write it (RFC 6265, 5.4): `http.cookies` takes none where one of them is no cookie to it.
    """
    told = (pair.partition("=") for line in headers.getlist("cookie") for pair in line.split(";"))
    return next((value.strip() for key, _, value in told if key.strip() == name), None)


class Guard:
    """Refuses what comes from elsewhere, bounds what is sent, and sets the headers of every answer."""

    def __init__(self, app: ASGIApp, *, place: Callable[[], Place]) -> None:
        self._app, self._place = app, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        if refusal is not None:
            await refusal(scope, receive, _with_headers(send))
            return
        await self._app(scope, _bounded(receive), _with_headers(send))

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        place, host = self._place(), headers.get("host", "")
        if not place.knows_host(host):
            said = f"This page is at {place.address}. To reach it by another name, set web.url in opsrunner.yaml."
            return PlainTextResponse(said, status_code=421)
        is_guarded = method not in SAFE_METHODS and not path.startswith(OPEN_TO_ALL)
        if is_guarded and not _is_of_this_page(headers, place, host=host):
            return PlainTextResponse("This came from another page, and was not done.", status_code=403)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES:
            return PlainTextResponse(TOO_MUCH, status_code=413)
        return None


def _is_of_this_page(headers: Headers, place: Place, *, host: str) -> bool:
    """Tell by what the browser itself says whether a form was sent from this page.

    With the referrer policy that we set, browsers send the origin of a plain form as `null`: then, and where there is
    none, Sec-Fetch-Site has to say that it is ours.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None and site != "same-origin":
        return False
    if origin is not None and origin != "null":
        return place.is_own_origin(origin, host=host)
    return site == "same-origin"


def _bounded(receive: Receive) -> Receive:
    left = BODY_BYTES

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, TOO_MUCH)
        return message

    return bounded


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
            headers["Date"] = formatdate(usegmt=True)
        await send(message)

    return sending
