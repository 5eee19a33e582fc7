"""Which address the next page of an answer has; never one that asks the same again, nor another server."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from opsrunner.errors import StepFailed
from opsrunner.exchange import Reply
from opsrunner.model.site import Pages
from opsrunner.sources.json_paths import find_in

_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[^,;=]+(?:=(?:\"[^\"]*\"|[^,;\"]*))?)*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;\"]+))", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


class PageTurner:
    """Goes from page to page of one source."""

    def __init__(self, pages: Pages, *, url: str, source: str) -> None:
        self._pages = pages
        self._url = url
        self._source = source
        self._count = 0
        self._items = 0
        self._seen: set[str] = set()
        self._bodies: set[bytes] = set()

    def first(self) -> str:
        """Return the address of the first page."""
        counted = self._pages.page or self._pages.offset
        return self._noted(_with(self._url, counted, self._pages.first) if counted else self._url)

    def after(self, reply: Reply, answer: Any, items: list[Any]) -> str | None:
        """Return the address of the page after this one; None if this was the last. Raises StepFailed."""
        self._count += 1
        self._items += len(items)
        following = self._following(reply, answer, items)
        if following is None:
            return None
        if self._count >= self._pages.most:
            raise StepFailed(
                f"{self._source}: goes on after {self._pages.most} pages; ask for larger pages, or raise most",
                permanent=True,
            )
        self._require_same_server(following)
        return self._noted(following)

    def _following(self, reply: Reply, answer: Any, items: list[Any]) -> str | None:
        pages = self._pages
        if pages.link_header:
            link = _next_link(reply.headers.get("link", ""))
            return None if link is None else urljoin(self._url, link)
        if pages.page or pages.offset:
            if not items:
                return None
            self._require_other_items(items)
            at = pages.first + (self._count if pages.page else self._items)
            return _with(self._url, pages.page or pages.offset, at)
        found = find_in(answer, pages.next, source=self._source)
        if found is None or found is False or found == "":
            return None
        if isinstance(found, bool) or not isinstance(found, (str, int)):
            raise StepFailed(f"{self._source}: '{pages.next}' of page {self._count} is no address and no cursor")
        return _with(self._url, pages.parameter, found) if pages.parameter else urljoin(self._url, str(found))

    def _require_other_items(self, items: list[Any]) -> None:
        """Refuse a page that was there before: a server that does not know the parameter gives its first for ever."""
        digest = hashlib.sha256(json.dumps(items, sort_keys=True).encode(errors="replace")).digest()
        if digest in self._bodies:
            name = self._pages.page or self._pages.offset
            raise StepFailed(
                f"{self._source}: page {self._count} is one that was there before; is '{name}' its parameter?",
                permanent=True,
            )
        self._bodies.add(digest)

    def _require_same_server(self, url: str) -> None:
        """Refuse to go elsewhere: headers may hold secrets."""
        if _origin(url) != _origin(self._url):
            host = urlsplit(url).hostname or "nowhere"
            raise StepFailed(
                f"{self._source}: its next page lies at another server ({host[:80]}); not followed", permanent=True
            )

    def _noted(self, url: str) -> str:
        if url in self._seen:
            raise StepFailed(f"{self._source}: its pages go round in a circle, after {self._count} of them")
        self._seen.add(url)
        return url


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", "", None


def _with(url: str, name: str, value: str | int) -> str:
    """Return an address with a parameter set, whatever it was before."""
    parts = urlsplit(url)
    query = [(key, old) for key, old in parse_qsl(parts.query, keep_blank_values=True) if key != name]
    return urlunsplit(parts._replace(query=urlencode([*query, (name, str(value))]), fragment=""))


def _next_link(header: str) -> str | None:
    """Return the address with the relation `next` (RFC 8288)."""
    for target, parameters in _LINK.findall(header):
        match = _REL.search(parameters)
        if match and "next" in (match[1] or match[2]).lower().split():
            return str(target)
    return None
