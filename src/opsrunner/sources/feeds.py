"""The source `feeds`: what is new in forums and on sites that offer RSS or Atom, a row an entry.

Feeds are asked side by side, no host for more than a few at a time. One that cannot be read is a problem of the
table, and the others are there all the same.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from opsrunner.clock import Clock, SystemClock
from opsrunner.errors import OpsrunnerError, StepFailed
from opsrunner.model.site import Source
from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef, Vault
from opsrunner.sources.feed_entries import MOST_ENTRIES, Entry, Feed, read_feed
from opsrunner.sources.feed_fetching import FeedFetcher, Validators
from opsrunner.sources.feed_memory import FeedMemory, Remembered, digest_of
from opsrunner.sources.feed_xml import BadFeed
from opsrunner.sources.request import RawRow, RawTable, Request
from opsrunner.sources.shapes import ENTRIES, names_of
from opsrunner.sources.site_files import find_file
from opsrunner.tls import client_context

PER_HOST = 2
PARALLEL = 100
"""How many feeds are asked at once, of all hosts: nearly all of them wait."""
UNKNOWN_SECONDS = 1.0
"""What a feed takes of which nobody knows."""
TIMEOUT_SECONDS = 10.0
LIMIT_BYTES = 2_000_000
MOST_HELD_BYTES = 50_000_000
"""Of feeds that wait to be parsed until all have been asked."""
MOST_NAMED = 5
LOGGER = logging.getLogger("opsrunner")
_WEB = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One feed: `address` is where it lies, `name` what people may read of that."""

    address: str
    name: str

    @property
    def host(self) -> str:
        """Who is asked; '' for a file."""
        return (urlsplit(self.address).hostname or "") if _WEB.match(self.address) else ""


@contextmanager
def open_feeds(source: Source, request: Request) -> Iterator[RawTable]:
    """Read the feeds at `urls`, web addresses and files. Raises StepFailed where not one of them can be read."""
    places = _places(source, request.vault)
    reader = _Reader(source, request)
    reader.memory.forget_all_but([place.address for place in places])
    found = reader.read_all(places)
    problems = [f"{place.name}: {end}" for place, end in zip(places, found, strict=True) if isinstance(end, str)]
    if len(problems) == len(places):
        named = "; ".join(problems[:MOST_NAMED])
        more = f" and {len(problems) - MOST_NAMED} more" if len(problems) > MOST_NAMED else ""
        raise StepFailed(f"{source.name}: no feed could be read: {named}{more}")
    good = [(place, end) for place, end in zip(places, found, strict=True) if not isinstance(end, str)]
    cut = [f"{place.name}: has more than {MOST_ENTRIES:,} entries" for place, feed in good if feed.left_out]
    yield RawTable(
        name=source.name,
        columns=names_of(ENTRIES),
        rows=_rows(good),
        problems=(*problems, *cut),
        parts={"feed": tuple(place.name for place, _ in good)},
    )


def _places(source: Source, vault: Vault) -> list[Place]:
    places: dict[str, Place] = {}
    for number, written in enumerate(source.where["urls"], start=1):
        is_secret = isinstance(written, SecretRef)
        address = (vault.resolve(written) if isinstance(written, SecretRef) else str(written)).strip()
        name = f"{source.name} feed {number}" if is_secret else _without_sign_in(address)
        places.setdefault(address, Place(address=address, name=name))
    return list(places.values())


def _without_sign_in(address: str) -> str:
    begin, at, rest = address.partition("@")
    scheme, slashes, _ = begin.partition("//")
    return f"{scheme}//{rest}" if at and slashes and "/" not in begin.partition("//")[2] else address


@dataclass(frozen=True, kw_only=True)
class _Unread:
    """A feed as it came."""

    body: bytes
    address: str = ""
    charset: str = ""
    validators: Validators = Validators()


_Arrival: TypeAlias = _Unread | Feed | str
"""What came of asking for a feed: itself, the one that is known still, or why there is none."""


class _Reader:
    """Reads many feeds."""

    def __init__(self, source: Source, request: Request) -> None:
        where: Mapping[str, Any] = source.where
        self._source, self._request = source, request
        self._clock: Clock = SystemClock()
        self._per_host = int(where.get("per_host") or PER_HOST)
        self._limit_bytes = int(where.get("limit") or LIMIT_BYTES)
        self._ends_at = self._clock.monotonic() + request.timeout_seconds
        self._fetcher = FeedFetcher(
            clock=self._clock,
            tls=client_context(verify=True),
            most_bytes=self._limit_bytes,
            timeout_seconds=float(where.get("timeout") or TIMEOUT_SECONDS),
            stopping=request.stopping,
        )
        self.memory = FeedMemory(request.around.memory)
        self._lock = threading.Lock()
        self._left_to_ask = 0
        self._pace: dict[str, float] = {}

    def read_all(self, places: Sequence[Place]) -> list[Feed | str]:
        """Return each feed, or in one line why it could not be read; in the order of `places`.

        They are fetched side by side and parsed one by one in this thread, as soon as all have been asked: parsing
        takes ten times the work of fetching, and while it goes on nobody is asked.
        """
        self._left_to_ask = len(places)
        arrived: SimpleQueue[tuple[Place, _Arrival]] = SimpleQueue()
        with ThreadPoolExecutor(max_workers=PARALLEL, thread_name_prefix="feeds") as pool:
            for lane in lanes(places, per_host=self._per_host, pace=self.memory.pace()):
                pool.submit(self._walk, lane, arrived)
            ends = self._taken(arrived, count=len(places))
        if self._is_stopping():
            raise StepFailed("stopped before its end", status="interrupted", permanent=True)
        self.memory.keep_pace(self._pace)
        return [ends[place.address] for place in places]

    def _walk(self, lane: Sequence[Place], arrived: SimpleQueue[tuple[Place, _Arrival]]) -> None:
        for place in lane:
            with self._lock:
                self._left_to_ask -= 1
            started = self._clock.monotonic()
            arrived.put((place, "" if self._is_stopping() else self._arrival_of(place)))
            self._pace[digest_of(place.address)] = self._clock.monotonic() - started

    def _taken(self, arrived: SimpleQueue[tuple[Place, _Arrival]], *, count: int) -> dict[str, Feed | str]:
        ends: dict[str, Feed | str] = {}
        held: list[tuple[Place, _Unread]] = []
        for _ in range(count):
            place, arrival = arrived.get()
            if isinstance(arrival, _Unread):
                held.append((place, arrival))
            else:
                ends[place.address] = arrival
            if self._left_to_ask == 0 or sum(len(unread.body) for _, unread in held) > MOST_HELD_BYTES:
                ends.update((of.address, self._parsed(of, unread)) for of, unread in held)
                held.clear()
        ends.update((of.address, self._parsed(of, unread)) for of, unread in held)
        return ends

    def _is_stopping(self) -> bool:
        return self._request.stopping is not None and self._request.stopping.is_set()

    def _arrival_of(self, place: Place) -> _Arrival:
        """Return what came of asking for a feed; never raises, since nobody would hear it."""
        try:
            return self._fetched(place) if place.host else self._read_file(place)
        except OpsrunnerError as exc:
            return self._request.vault.mask(exc.message.removeprefix(f"{place.address}: "))
        except Exception as exc:
            LOGGER.exception("%s: a feed cannot be read", place.name, extra={"action": "read_source"})
            return f"cannot be read ({type(exc).__name__})"

    def _fetched(self, place: Place) -> _Arrival:
        known = self.memory.recall(place.address)
        validators = known.validators if known else Validators()
        fetched = self._fetcher.fetch(place.address, validators, ends_at=self._ends_at)
        if fetched.body is None:
            return known.feed if known else "answered that nothing is new, to nobody who knows it"
        address = _without_sign_in(fetched.address)
        return _Unread(body=fetched.body, address=address, charset=fetched.charset, validators=fetched.validators)

    def _read_file(self, place: Place) -> _Unread:
        path = find_file(place.address, site_root=self._request.site_root, limit_bytes=self._limit_bytes)
        try:
            return _Unread(body=path.read_bytes())
        except OSError as exc:
            raise BadFeed((exc.strerror or "cannot be read").lower()) from exc

    def _parsed(self, place: Place, unread: _Unread) -> Feed | str:
        now, charset = self._request.now, unread.charset
        try:
            feed = read_feed(unread.body, name=place.name, address=unread.address, now=now, charset=charset)
        except BadFeed as exc:
            return self._request.vault.mask(exc.message)
        except Exception as exc:
            LOGGER.exception("%s: a feed cannot be read", place.name, extra={"action": "read_source"})
            return f"cannot be read ({type(exc).__name__})"
        self.memory.keep(place.address, Remembered(feed=feed, validators=unread.validators))
        return feed


def lanes(places: Sequence[Place], *, per_host: int, pace: Mapping[str, float]) -> list[list[Place]]:
    """Return the feeds in lanes, each walked one by one: at most `per_host` of a host, and first what takes longest.

    Who waits for a slow one meanwhile reads all the others; who asks it last waits for it alone.
    """

    def seconds(place: Place) -> float:
        return pace.get(digest_of(place.address), UNKNOWN_SECONDS)

    of_host: dict[str, list[Place]] = defaultdict(list)
    for place in sorted(places, key=seconds, reverse=True):
        of_host[place.host].append(place)
    made = [one[start::per_host] for one in of_host.values() for start in range(min(per_host, len(one)))]
    return sorted(made, key=lambda lane: sum(map(seconds, lane)), reverse=True)


def _rows(found: Sequence[tuple[Place, Feed]]) -> Iterator[RawRow]:
    for place, feed in found:
        for number, entry in enumerate(feed.entries, start=1):
            yield RawRow(place=f"{place.name} entry {number}", values=_values(place, feed, entry))


def _values(place: Place, feed: Feed, entry: Entry) -> dict[str, Any]:
    return {
        "entry": entry.entry,
        "feed": place.name,
        "place": feed.title or place.name,
        "title": entry.title,
        "link": entry.link,
        "author": entry.author,
        "published_at": entry.published_at,
        "updated_at": entry.updated_at,
        "summary": entry.summary,
        "replies": entry.replies,
    }
