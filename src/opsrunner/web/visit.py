"""One request of one person: who, where, when, what was sent, and how the answer is made."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.datastructures import FormData, QueryParams, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from opsrunner.app import App
from opsrunner.engine.desk import RoutineNames
from opsrunner.errors import OpsrunnerError, Refused, StateError, UsageError
from opsrunner.model.person import Person
from opsrunner.model.session import Session
from opsrunner.records import dataclass
from opsrunner.schedules.zones import FIRST_YEAR, LAST_YEAR
from opsrunner.templates.own_pages import OwnPages
from opsrunner.web.checkups import Checkups
from opsrunner.web.guard import Place
from opsrunner.web.kept import SHOWN_HERE, TOKEN_HERE, Made
from opsrunner.web.live import Changes
from opsrunner.web.patience import Patience

HASH_HEADER = "X-Shown"
"""Where a page that looks again tells which `main` it shows: the same one is not sent twice."""
MOST_FIELDS, MOST_FILES, FIELD_BYTES = 500, 1, 1_000_000
NONCE_BYTES = 8
_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
TOKEN_FIELD = "token"  # noqa: S105 (its name)


class Forged(Refused):
    """This was not sent by a form of this page."""


class Fields(BaseModel):
    """What a form or an address may carry; whatever else comes is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


class Nothing(Fields):
    """A form that carries no more than its token."""


Sent = TypeVar("Sent", bound=Fields)
Answer = TypeVar("Answer")


@dataclass(kw_only=True)
class Guest:
    """Who asks: a person who is signed in, with the token of the session."""

    person: Person
    session: Session
    token: str

    @cached_property
    def form_token(self) -> str:
        """What every form of this session carries: only who knows the session's token can make it.

        It is another one in each page, so that how well a page is compressed tells nothing of it (BREACH).
        """
        return form_token(self.token, secrets.token_hex(NONCE_BYTES))

    def made(self, told: str) -> bool:
        """Tell whether a form is of this session, by the token that came with it."""
        own = form_token(self.token, told[: 2 * NONCE_BYTES])
        return hmac.compare_digest(told.encode(errors="replace"), own.encode(errors="replace"))


def form_token(session_token: str, nonce: str) -> str:
    """Return a token for the forms of a session, which begins with its nonce."""
    said = f"opsrunner form {nonce}".encode(errors="replace")
    return nonce + hmac.new(session_token.encode(), said, hashlib.sha256).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Around:
    """What is the same for all requests."""

    app: App
    pages: OwnPages
    patience: Patience
    changes: Changes
    """What tells whether the ledger has changed, and that the page ends."""
    writers: Executor
    """Threads that write. They stay, and with them their connections to the ledger."""
    lookers: Executor
    """Threads for what takes longer to look up, so that nobody's tick waits for it."""
    checkups: Checkups


class Visit:
    """A request in the words of this program."""

    def __init__(self, request: Request, *, around: Around, place: Place, guest: Guest | None) -> None:
        self.request, self.app, self.place, self.patience = request, around.app, place, around.patience
        self.changes, self.checkups = around.changes, around.checkups
        self._pages, self._writers, self._lookers, self._guest = around.pages, around.writers, around.lookers, guest
        self.now: datetime = around.app.clock.now()
        self.made: Made | None = None
        """The page that was made, where one was, and nothing was refused."""

    @property
    def guest(self) -> Guest:
        """Who is signed in; doors that let strangers in must not ask."""
        if self._guest is None:
            raise Refused("sign in first")
        return self._guest

    @property
    def person(self) -> Person:
        """Who asks."""
        return self.guest.person

    @property
    def person_or_none(self) -> Person | None:
        """Who asks; None for a stranger."""
        return None if self._guest is None else self._guest.person

    @property
    def session_or_none(self) -> Session | None:
        """With which session; None for a stranger."""
        return None if self._guest is None else self._guest.session

    @property
    def is_still_in(self) -> bool:
        """Tell whether who asks is signed in also now: for an answer that goes on for long."""
        try:
            return self.app.sign_in.who(self.guest.token, at=self.app.clock.now()) is not None
        except StateError:
            return False

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone in which this site speaks of time."""
        return ZoneInfo(self.app.site.timezone)

    @cached_property
    def names(self) -> RoutineNames:
        """How routines are called."""
        return RoutineNames(self.app.desk)

    @property
    def address(self) -> str:
        """The address that the request came from, for the audit."""
        client = self.request.client
        return f"web {client.host}" if client else "web"

    def number(self, name: str) -> int:
        """Return a number of the path, which its route has checked."""
        return int(self.request.path_params[name])

    def query(self, model: type[Sent]) -> Sent:
        """Return what stands in the address. Raises UsageError for what `model` does not know."""
        return _checked(model, _single(self.request.query_params))

    async def form(self, model: type[Sent]) -> Sent:
        """Return what was sent. Raises UsageError for what `model` does not know, Refused for a forged form."""
        sent = await self.request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=FIELD_BYTES)
        found = dict(_single(sent))
        told = found.pop(TOKEN_FIELD, "")
        if self._guest is not None and not self._guest.made(str(told)):
            raise Forged("this form is too old, or was not made by this page: load it again")
        return _checked(model, found)

    async def write(self, act: Callable[[], Answer]) -> Answer:
        """Do what writes in a thread, so that waiting for the disk keeps nobody else waiting."""
        return await asyncio.get_running_loop().run_in_executor(self._writers, act)

    async def look_up(self, act: Callable[[], Answer]) -> Answer:
        """Do what only reads, and may take a moment, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._lookers, act)

    def page(self, template: str, *, status: int = 200, **context: Any) -> Response:
        """Return a page; nothing where who asks shows the very same already."""
        names = {
            "visit": self,
            "guest": self._guest,
            "person": self.person_or_none,
            "here": self.request.url.path,
            "site": self.app.site,
            "TOKEN_HERE": TOKEN_HERE,
            "SHOWN_HERE": SHOWN_HERE,
            **context,
        }
        made = Made.of(self._pages.render(template, names))
        if status == 200:
            self.made = made
        return self.answer(made, status=status)

    def answer(self, made: Made, *, status: int = 200) -> Response:
        """Return a page that was made, with the token of this session in its forms."""
        headers = self.request.headers
        if status == 200 and headers.get(HASH_HEADER) == made.shown:
            return Response(status_code=204)
        session, packs = (
            0 if self._guest is None else self._guest.session.id,
            "gzip" in headers.get("accept-encoding", ""),
        )
        body, packed = made.body(session, lambda: self.guest.form_token, packs=packs)
        about = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": "gzip"} if packed else {})
        return HTMLResponse(body, status_code=status, headers=about)

    def back(self, to: str) -> Response:
        """Send the browser to a page of ours, with GET."""
        return RedirectResponse(local_path(to), status_code=303)


def local_path(text: str) -> str:
    """Return a path of this site as it is, and `/` for everything that might lead elsewhere."""
    parts = urlsplit(text)
    is_local = (
        text.startswith("/")
        and not text.startswith("//")
        and "\\" not in text
        and "%5c" not in text.lower()
        and not parts.scheme
        and not parts.netloc
        and text.isprintable()
        and not text.lower().startswith(("/%2f", "/%5c"))
    )
    return text if is_local else "/"


def local_moment(text: str, zone: ZoneInfo) -> datetime:
    """Return what a field for date and time says, on the site's clock. Raises UsageError."""
    try:
        named = datetime.fromisoformat(text)
        moment = (named.replace(tzinfo=zone) if named.tzinfo is None else named).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise UsageError(f"'{text[:40]}' is no date and time") from exc
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise UsageError(f"the year {moment.year} is out of reach")
    return moment


def local_day(text: str) -> date:
    """Return what a field for a day says. Raises UsageError."""
    try:
        day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        day = None
    if day is None:
        raise UsageError(f"'{text[:40]}' is no day: write it as 2026-11-22")
    return day


def status_of(refusal: OpsrunnerError | None, usual: int) -> int:
    """Return the status of a page that keeps what was refused; a disk that is full is not the sender's fault."""
    if refusal is None:
        return 200
    return 503 if isinstance(refusal, StateError) else usual


def _single(sent: QueryParams | FormData) -> Mapping[str, str | list[Any] | UploadFile]:
    """Return each name with its value; one that came several times with all of them."""
    found: dict[str, list[Any]] = {}
    for name, value in sent.multi_items():
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _checked(model: type[Sent], found: Mapping[str, Any]) -> Sent:
    try:
        return model.model_validate(found)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "the form"
        what = "is not known here" if first["type"] == "extra_forbidden" else first["msg"].lower()
        raise UsageError(f"{name[:80]}: {what}") from exc
