"""A feed's entries out of its bytes: RSS 0.9 to 2.0, RDF and Atom, as feedparser reads them."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from time import struct_time
from typing import Any
from urllib.parse import urljoin

from opsrunner.mail.headers import clean_line
from opsrunner.records import dataclass
from opsrunner.sources.feed_xml import BadFeed, checked_xml
from opsrunner.sources.plain_text import text_of_html

MOST_ENTRIES = 1_000
"""Of one feed."""
TITLE_LENGTH = 200
SUMMARY_LENGTH = 300
AUTHOR_LENGTH = 100
LINK_LENGTH = 2_000
ID_LENGTH = 200
_FIRST_YEAR = 1990
_EARLY = timedelta(days=1)
"""How far ahead of ours the clock of who writes a feed may be."""
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}:\S")
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml", "html", "xhtml"})
_UNTITLED = "(no title)"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thread or article of a feed; texts are plain."""

    entry: str
    """What it is called for good, whatever its date, its place in the feed or its title becomes."""
    title: str
    link: str | None
    author: str | None
    published_at: datetime | None
    updated_at: datetime | None
    summary: str
    replies: int | None


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What a feed says. `left_out` counts the entries past MOST_ENTRIES."""

    title: str
    entries: tuple[Entry, ...]
    left_out: int = 0


def read_feed(data: bytes, *, name: str, address: str, now: datetime, charset: str = "") -> Feed:
    """Return a feed out of its bytes. Raises BadFeed.

    `address` is where it lies, for links that are relative; `name` what it is called for good, for ids that are
    unique in their feed only.

    A date before 1990 or from the future is none: who writes it would stand in front for ever.
    """
    found = _parsed(checked_xml(data, charset=charset), address)
    about = _mapping(found.get("feed"))
    entries: dict[str, Entry] = {}
    raw = [one for one in found.get("entries") or () if isinstance(one, Mapping)]
    for one in raw[:MOST_ENTRIES]:
        entry = _entry(one, name=name, address=address, now=now)
        entries.setdefault(entry.entry, entry)
    left_out = max(0, len(raw) - MOST_ENTRIES)
    return Feed(title=_line(about, "title", TITLE_LENGTH), entries=tuple(entries.values()), left_out=left_out)


def _parsed(body: bytes, address: str) -> Mapping[str, Any]:
    import feedparser  # noqa: PLC0415  it costs 100 ms, and few processes read feeds

    try:
        found: Mapping[str, Any] = feedparser.parse(
            io.BytesIO(body),  # never a text: feedparser would open a file or an address of that name
            response_headers={"content-location": address, "content-type": "application/xml; charset=utf-8"},
            sanitize_html=False,
            resolve_relative_uris=False,
        )
    except Exception as exc:  # feedparser does not say what it raises, and a feed is anybody's
        raise BadFeed(f"cannot be read as a feed ({type(exc).__name__})") from exc
    return found


def _entry(raw: Mapping[str, Any], *, name: str, address: str, now: datetime) -> Entry:
    title = _line(raw, "title", TITLE_LENGTH)
    link = _link(_text(raw, "link"), address)
    summary = _summary(raw)
    return Entry(
        entry=_identity(_text(raw, "id").strip(), link, f"{title}\n{summary}", feed=name),
        title=title or _UNTITLED,
        link=link,
        author=clean_line(_text(raw, "author"), length=AUTHOR_LENGTH) or None,
        published_at=_moment(_own(raw, "published_parsed"), now),
        updated_at=_moment(_own(raw, "updated_parsed"), now),
        summary=summary,
        replies=_replies(raw),
    )


def _identity(given: str, link: str | None, said: str, *, feed: str) -> str:
    """Return the entry's own id, else its link, else what it says; an id that is a mere number counts in its feed."""
    name = (given if _ABSOLUTE.match(given) else f"{feed}#{given}") if given else link
    if name is None:
        return _hashed(f"{feed}\n{said}")
    return name if len(name) <= ID_LENGTH and name == clean_line(name, length=ID_LENGTH) else _hashed(name)


def _hashed(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:40]}"


def _link(written: str, address: str) -> str | None:
    """Return a web address, or None: a link of somebody else's may be a script or a file."""
    try:
        link = urljoin(address, written.strip()) if written.strip() else ""
    except ValueError:
        return None
    fits = link.lower().startswith(("https://", "http://")) and link == clean_line(link, length=LINK_LENGTH)
    return link if fits else None


def _summary(raw: Mapping[str, Any]) -> str:
    text, type_ = _text(raw, "summary"), _type_of(raw, "summary")
    contents = _own(raw, "content")
    if not text and isinstance(contents, list) and contents:
        first = _mapping(contents[0])
        text, type_ = _text(first, "value"), _text(first, "type")
    plain = text_of_html(text) if type_ in _HTML_TYPES or not type_ else text
    return clean_line(plain, length=SUMMARY_LENGTH)


def _line(raw: Mapping[str, Any], name: str, length: int) -> str:
    text = _text(raw, name)
    return clean_line(text_of_html(text) if _type_of(raw, name) in _HTML_TYPES else text, length=length)


def _type_of(raw: Mapping[str, Any], name: str) -> str:
    return _text(_mapping(_own(raw, f"{name}_detail")), "type")


def _replies(raw: Mapping[str, Any]) -> int | None:
    """Return how many answers the feed tells of: slash:comments, thr:total, or thr:count of the link to them."""
    told = [_text(raw, "slash_comments"), _text(raw, "thr_total"), *_thread_counts(raw)]
    return next((int(count) for count in told if count.isascii() and count.isdigit() and len(count) < 8), None)


def _thread_counts(raw: Mapping[str, Any]) -> Iterator[str]:
    links = _own(raw, "links")
    for link in map(_mapping, links if isinstance(links, list) else ()):
        if _text(link, "rel") == "replies":
            yield _text(link, "thr:count") or _text(link, "count")


def _moment(value: Any, now: datetime) -> datetime | None:
    if not isinstance(value, struct_time):
        return None
    try:
        moment = datetime(*value[:6], tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= _FIRST_YEAR and moment <= now + _EARLY else None


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = _own(raw, name)
    return value if isinstance(value, str) else ""


def _own(raw: Mapping[str, Any], name: str) -> Any:
    """Return what stands under a name; feedparser's own mapping gives another's value where there is none."""
    return dict.get(raw, name) if isinstance(raw, dict) else raw.get(name)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
