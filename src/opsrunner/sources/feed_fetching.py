"""Fetches one feed: asks only for what is new, follows redirects no further than is safe, never takes much."""

from __future__ import annotations

import ssl
from urllib.parse import urljoin, urlsplit

from opsrunner.clock import Clock
from opsrunner.errors import NoAnswer
from opsrunner.exchange import Ask, Exchange, Reply, Stopping, is_public
from opsrunner.records import dataclass
from opsrunner.sources.feed_xml import BadFeed

MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_MODIFIED = 304
_LONGEST_VALIDATOR = 1_000
_ACCEPTED = "application/atom+xml, application/rss+xml, application/rdf+xml;q=0.9, application/xml;q=0.8, */*;q=0.1"


@dataclass(frozen=True, kw_only=True)
class Validators:
    """What a server said of the version that is known: it answers 304 as long as that is the newest one."""

    etag: str = ""
    modified: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a conditional request (RFC 9110, 13.1)."""
        given = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """What came back; `body` None: nothing new."""

    body: bytes | None
    validators: Validators
    charset: str
    address: str
    """Where it lay in the end, after redirects."""


@dataclass(frozen=True, kw_only=True)
class FeedFetcher:
    """Fetches feeds; one for all of a source."""

    clock: Clock
    tls: ssl.SSLContext
    most_bytes: int
    timeout_seconds: float
    stopping: Stopping | None = None

    def fetch(self, address: str, known: Validators, *, ends_at: float) -> Fetched:
        """Return the feed at `address`, or that it is the one `known`. Raises BadFeed.

        From a server of the Internet no redirect leads into a network of our own, and from TLS none to plain HTTP.
        """
        ends_at = min(ends_at, self.clock.monotonic() + self.timeout_seconds)
        public_only, place = False, address
        for _ in range(MOST_REDIRECTS + 1):
            reply = self._ask(place, known, public_only=public_only, ends_at=ends_at)
            if reply.status not in _REDIRECTS:
                return self._fetched(reply, place, known)
            public_only = public_only or _is_public(reply.peer)
            place = _next_place(place, reply)
        raise BadFeed(f"sends elsewhere more than {MOST_REDIRECTS} times")

    def _ask(self, place: str, known: Validators, *, public_only: bool, ends_at: float) -> Reply:
        seconds = ends_at - self.clock.monotonic()
        if seconds <= 0:
            raise BadFeed("was not asked: the time was over")
        ask = Ask(
            url=place,
            headers={"Accept": _ACCEPTED, "Accept-Encoding": "gzip", **known.headers},
            most_bytes=self.most_bytes,
            public_only=public_only,
        )
        try:
            return Exchange(ask, clock=self.clock, tls=self.tls).run(timeout_seconds=seconds, stopping=self.stopping)
        except NoAnswer as exc:
            if exc.kind == "timed_out":
                raise BadFeed(f"did not answer within {self.timeout_seconds:g} s") from exc
            raise BadFeed(f"no answer: {exc.message}") from exc

    def _fetched(self, reply: Reply, place: str, known: Validators) -> Fetched:
        if reply.status == _NOT_MODIFIED and known.headers:
            return Fetched(body=None, validators=known, charset="", address=place)
        if not 200 <= reply.status < 300:
            raise BadFeed(f"answered {reply.status} {reply.phrase}".rstrip())
        if reply.truncated:
            raise BadFeed(f"is longer than {self.most_bytes:,} bytes")
        if not reply.body.strip():
            raise BadFeed("answered with nothing")
        validators = Validators(
            etag=_kept(reply.headers.get("etag", "")), modified=_kept(reply.headers.get("last-modified", ""))
        )
        charset = reply.charset if "charset" in reply.headers.get("content-type", "").lower() else ""
        return Fetched(body=reply.body, validators=validators, charset=charset, address=place)


def _next_place(place: str, reply: Reply) -> str:
    try:
        target = urljoin(place, reply.location)
        scheme = urlsplit(target).scheme
    except ValueError as exc:
        raise BadFeed("sends to an address that is none") from exc
    if not reply.location or scheme not in ("http", "https"):
        raise BadFeed(f"sends to '{reply.location[:60]}', which is no web address")
    if scheme == "http" and urlsplit(place).scheme == "https":
        raise BadFeed("sends from https to plain http")
    return target


def _is_public(peer: str) -> bool:
    return bool(peer) and is_public(peer)


def _kept(validator: str) -> str:
    """Return a validator that can be sent back as it came, else nothing."""
    is_plain = validator.isascii() and validator.isprintable() and len(validator) <= _LONGEST_VALIDATOR
    return validator if is_plain else ""
