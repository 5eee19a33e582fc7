"""One question to a registry: what do you know of this domain (RFC 9082)?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import quote, urljoin, urlsplit

from opsrunner.clock import Clock
from opsrunner.errors import NoAnswer
from opsrunner.exchange import Ask, Exchange, Reply, is_public, rest_asked_for
from opsrunner.expiries.bootstrap import is_this_machine, is_trusted
from opsrunner.expiries.rdap_answer import RdapAnswer, Unusable, read_answer
from opsrunner.model.fleet import Stopping
from opsrunner.records import dataclass

MOST_BYTES = 500_000
MOST_REDIRECTS = 4
ONE_SECONDS = 20.0
"""How long one name is asked for, with all redirects."""
NO_SUCH_DOMAIN = "the registry knows no such domain"
LONGEST_REST = timedelta(days=1)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})
_HEADERS = {"Accept": "application/rdap+json"}
_USUAL_REST = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one question came to: an answer, or a failure and whether the server is at fault."""

    answer: RdapAnswer | None = None
    by: str = ""
    failure: str = ""
    is_fault: bool = False
    """The server did not do its work: it may be the same with the next name."""
    rest: timedelta | None = None
    """The server asks to be left alone that long."""
    was_stopped: bool = False


@dataclass(frozen=True, kw_only=True)
class RdapClient:
    """Asks servers, one name at a time."""

    clock: Clock
    stopping: Stopping
    one_seconds: float = ONE_SECONDS

    def ask(self, name: str, base: str) -> Said:
        """Ask the server at `base` for a domain in its ASCII form. Never raises for what servers do.

        From a server of the Internet no redirect leads into a network of our own.
        """
        url = f"{base.rstrip('/')}/domain/{quote(name)}"
        ends_at = self.clock.monotonic() + self.one_seconds
        seen: set[str] = set()
        public_only = False
        while url not in seen and len(seen) <= MOST_REDIRECTS:
            seen.add(url)
            host = urlsplit(url).hostname or ""
            try:
                reply = self._get(url, seconds=ends_at - self.clock.monotonic(), public_only=public_only)
            except NoAnswer as exc:
                return _not_answered(exc, host, seconds=self.one_seconds)
            if reply.status not in _REDIRECTS or not reply.location:
                return _read(reply, name, host, now=self.clock.now())
            to = _target(url, reply.location)
            if to is None:
                return Said(by=host, failure=f"{host} sends elsewhere, where no TLS is", is_fault=True)
            url, public_only = to, public_only or (bool(reply.peer) and is_public(reply.peer))
        host = urlsplit(base).hostname or ""
        return Said(by=host, failure=f"{host} sends from one address to the next without an end", is_fault=True)

    def fetch(self, url: str, *, most_bytes: int) -> str:
        """Return the text at an address, which redirects may not leave TLS from. Raises NoAnswer."""
        ends_at = self.clock.monotonic() + self.one_seconds
        for _ in range(MOST_REDIRECTS + 1):
            ask = Ask(url=url, headers={"Accept": "application/json"}, most_bytes=most_bytes)
            left = max(0.1, ends_at - self.clock.monotonic())
            reply = Exchange(ask, clock=self.clock).run(timeout_seconds=left, stopping=self.stopping)
            if reply.status == 200 and not reply.truncated:
                return reply.body.decode("utf-8", errors="replace")
            to = _target(url, reply.location) if reply.status in _REDIRECTS and reply.location else None
            if to is None:
                raise NoAnswer("the answer is too long" if reply.truncated else f"it answered {reply.status}")
            url = to
        raise NoAnswer("it sends from one address to the next")

    def _get(self, url: str, *, seconds: float, public_only: bool) -> Reply:
        ask = Ask(url=url, headers=_HEADERS, most_bytes=MOST_BYTES, public_only=public_only)
        return Exchange(ask, clock=self.clock).run(timeout_seconds=max(0.1, seconds), stopping=self.stopping)


Asker = Callable[[str, str], Said]
"""`RdapClient.ask`."""


def _read(reply: Reply, name: str, host: str, *, now: datetime) -> Said:
    """Return what an answer that sends nowhere else comes to."""
    if reply.status == 404:
        return Said(answer=RdapAnswer(ends_at=None, wrong=NO_SUCH_DOMAIN), by=host)
    if reply.status in _BUSY:
        asked = rest_asked_for(reply, now=now)
        rest = _USUAL_REST if asked is None else min(asked, LONGEST_REST)
        return Said(by=host, failure=f"{host} wants to be left alone ({reply.status})", is_fault=True, rest=rest)
    if reply.status != 200:
        is_fault = reply.status >= 500 or reply.status in (401, 403)
        return Said(by=host, failure=f"{host} answered {reply.status}", is_fault=is_fault)
    if reply.truncated:
        return Said(by=host, failure=f"{host} answered more than {MOST_BYTES:,} bytes")
    try:
        return Said(answer=read_answer(reply.body, name), by=host)
    except Unusable as exc:
        return Said(by=host, failure=f"{host}: {exc}")


def _not_answered(failure: NoAnswer, host: str, *, seconds: float) -> Said:
    if failure.kind == "stopped":
        return Said(by=host, failure="stopped", was_stopped=True)
    words = f"no answer in {seconds:g} s" if failure.kind == "timed_out" else failure.message
    return Said(by=host, failure=f"{host}: {words}", is_fault=failure.kind != "unsendable")


def _target(url: str, location: str) -> str | None:
    """Return where a redirect leads, None where nobody should follow: away from TLS, or into this machine."""
    try:
        to = urljoin(url, location)
        here, there = urlsplit(url).hostname or "", urlsplit(to).hostname or ""
    except ValueError:
        return None
    if not is_trusted(to) or (is_this_machine(there) and not is_this_machine(here)):
        return None
    return to
