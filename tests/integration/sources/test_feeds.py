"""Feeds from a real server: asked side by side, politely, and with no trust at all."""

from __future__ import annotations

import gzip
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from opsrunner import exchange
from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row, SourceRows
from opsrunner.model.site import Source
from opsrunner.secrets import SecretRef, Vault
from opsrunner.sources import feed_fetching
from opsrunner.sources import feeds as feeds_module
from opsrunner.sources.feed_entries import Feed, read_feed
from opsrunner.sources.feed_memory import digest_of
from opsrunner.sources.feeds import Place, lanes
from opsrunner.sources.reading import read_source
from opsrunner.sources.request import Around
from opsrunner.sources.shapes import ENTRIES

from ...patience import raised, within
from .conftest import NOW

Page = tuple[int, dict[str, str], bytes]
Read = Callable[..., tuple[Row, ...]]


def rss(*names: str) -> bytes:
    items = "".join(
        f"<item><title>{name}</title><guid isPermaLink='false'>{name}</guid><link>/t/{name}</link></item>"
        for name in names
    )
    return f"<rss version='2.0'><channel><title>Talk</title>{items}</channel></rss>".encode()


class FeedServer(ThreadingHTTPServer):
    """Answers by path; counts how many of its feeds are asked for at once."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), Handler)
        self.pages: dict[str, Page | Callable[[Any], None]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.wait_seconds = 0.0
        self.waits_for = 0
        self.at_once, self.most_at_once = Counter[str](), Counter[str]()
        self.lock = threading.Lock()
        self.over = threading.Event()

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_address[1]}{path}"

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that turn away."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FeedServer

    def do_GET(self) -> None:
        server, host = self.server, self.headers["Host"]
        with server.lock:
            server.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            server.at_once[host] += 1
            server.most_at_once[host] = max(server.most_at_once[host], server.at_once[host])
        try:
            until = time.monotonic() + 10
            while server.most_at_once[host] < server.waits_for and time.monotonic() < until:
                server.over.wait(0.01)
            server.over.wait(server.wait_seconds)
        finally:
            with server.lock:  # before the answer: who has it may ask again at once
                server.at_once[host] -= 1
        self.answer(server.pages.get(self.path, (404, {}, b"nothing here")))

    def answer(self, page: Page | Callable[[Any], None]) -> None:
        if callable(page):
            page(self)
            return
        status, headers, body = page
        if headers.get("ETag") and self.headers.get("If-None-Match") == headers["ETag"]:
            status, body = 304, b""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.over.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def feeds(tmp_path: Path) -> Read:
    """Read feeds: `feeds(url, url, limit=1000)`; what they said is remembered in `memory/`."""

    def do(
        *urls: str | SecretRef, stopping: Any = None, query: dict[str, Any] | None = None, **where: Any
    ) -> tuple[Row, ...]:
        source = Source(name="talk", kind="feeds", where={"urls": urls, **where}, columns=ENTRIES, timezone="UTC")
        around = Around(memory=tmp_path / "memory")
        options = {"timeout_seconds": 20, "stopping": stopping, **(query or {})}
        return read_source(source, options, vault=Vault(tmp_path), site_root=tmp_path, now=NOW, around=around)

    return do


def problems_of(rows: tuple[Row, ...]) -> tuple[str, ...]:
    return rows.problems if isinstance(rows, SourceRows) else ()


def test_every_feed_gives_its_rows(server: FeedServer, feeds: Read) -> None:
    server.pages = {"/a": (200, {}, rss("one", "two")), "/b": (200, {}, rss("three"))}

    rows = feeds(server.url("/a"), server.url("/b"))

    assert [(row["title"], row["place"]) for row in rows] == [("one", "Talk"), ("two", "Talk"), ("three", "Talk")]
    assert rows[0]["feed"] == server.url("/a")
    assert rows[0]["entry"] == f"{server.url('/a')}#one"
    assert rows[0]["link"] == server.url("/t/one")
    assert rows[0]["published_at"] is None


def test_a_file_is_a_feed_too(feeds: Read, tmp_path: Path) -> None:
    (tmp_path / "forum.rss").write_bytes(rss("one"))

    assert [row["title"] for row in feeds("forum.rss")] == ["one"]


def test_a_server_is_asked_only_for_what_is_new(server: FeedServer, feeds: Read) -> None:
    server.pages = {"/a": (200, {"ETag": '"1"', "Last-Modified": "Fri, 20 Nov 2026 10:00:00 GMT"}, rss("one", "two"))}

    first = feeds(server.url("/a"))
    again = feeds(server.url("/a"))
    server.pages = {"/a": (200, {"ETag": '"2"'}, rss("three"))}
    newest = feeds(server.url("/a"))

    assert first == again
    assert [row["title"] for row in newest] == ["three"]
    (_, plain), (_, conditional), _ = server.asked
    assert "if-none-match" not in plain
    assert conditional["if-none-match"] == '"1"'
    assert conditional["if-modified-since"] == "Fri, 20 Nov 2026 10:00:00 GMT"


def test_what_is_remembered_may_be_lost_or_broken(server: FeedServer, feeds: Read, tmp_path: Path) -> None:
    server.pages = {"/a": (200, {"ETag": '"1"'}, rss("one"))}
    feeds(server.url("/a"))
    (kept,) = (tmp_path / "memory").glob("*.json")
    assert kept.stat().st_mode & 0o077 == 0
    for broken in ("", "{", '{"form": 1}', '{"form": 9}', "[" * 100_000):
        kept.write_text(broken)
        assert [row["title"] for row in feeds(server.url("/a"))] == ["one"]
    kept.unlink()
    assert [row["title"] for row in feeds(server.url("/a"))] == ["one"]


def test_a_feed_that_the_source_no_longer_has_is_forgotten(server: FeedServer, feeds: Read, tmp_path: Path) -> None:
    server.pages = {path: (200, {"ETag": '"1"'}, rss("one")) for path in ("/a", "/b")}
    feeds(server.url("/a"), server.url("/b"))
    feeds(server.url("/b"))

    assert len(list((tmp_path / "memory").glob("*.json"))) == 1


def test_one_bad_feed_hides_no_other_and_is_named(server: FeedServer, feeds: Read) -> None:
    server.pages = {
        "/good": (200, {}, rss("one")),
        "/bad": (500, {}, b""),
        "/page": (200, {}, b"<html><p>hi</p></html>"),
    }

    rows = feeds(server.url("/bad"), server.url("/good"), server.url("/page"), server.url("/gone"))

    assert [row["title"] for row in rows] == ["one"]
    assert problems_of(rows) == (
        f"{server.url('/bad')}: answered 500 Internal Server Error",
        f"{server.url('/page')}: is a web page and no feed; give the address that its RSS or Atom link names",
        f"{server.url('/gone')}: answered 404 Not Found",
    )


def test_a_feed_that_trips_its_reader_up_hides_no_other(
    server: FeedServer, feeds: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = read_feed

    def tripped(data: bytes, **options: Any) -> Feed:
        if b"trip" in data:
            raise ValueError
        return plain(data, **options)

    monkeypatch.setattr(feeds_module, "read_feed", tripped)
    server.pages = {"/good": (200, {}, rss("one")), "/bad": (200, {}, rss("trip"))}

    rows = feeds(server.url("/bad"), server.url("/good"))

    assert [row["title"] for row in rows] == ["one"]
    assert problems_of(rows) == (f"{server.url('/bad')}: cannot be read (ValueError)",)


def test_a_number_that_no_sign_has_is_no_end_of_a_feed(server: FeedServer, feeds: Read) -> None:
    summary = "<description>&amp;#" + "1" * 5_000 + "; well</description><link>"
    server.pages = {"/a": (200, {}, rss("one").replace(b"<link>", summary.encode()))}
    assert [row["summary"] for row in feeds(server.url("/a"))] == ["\ufffd well"]


def test_conditions_of_a_query_do_not_hide_what_could_not_be_read(server: FeedServer, feeds: Read) -> None:
    server.pages = {"/good": (200, {}, rss("one"))}

    rows = feeds(server.url("/bad"), server.url("/good"), query={"where": {"title": "none"}, "limit": 1})

    assert len(rows) == 0
    assert len(problems_of(rows)) == 1


def test_where_none_can_be_read_the_source_fails(server: FeedServer, feeds: Read) -> None:
    with pytest.raises(
        StepFailed, match=r"^talk: no feed could be read: .*/a: answered 404 Not Found; .*/b: answered 404"
    ):
        feeds(server.url("/a"), server.url("/b"))


def test_nobody_at_the_address_is_one_line(feeds: Read) -> None:
    with pytest.raises(
        StepFailed, match=r"^talk: no feed could be read: http://127\.0\.0\.1:1/: no answer: connection refused$"
    ):
        feeds("http://127.0.0.1:1/")


def test_a_host_is_asked_for_no_more_than_two_at_a_time(server: FeedServer, feeds: Read) -> None:
    server.pages = {f"/{number}": (200, {}, rss(str(number))) for number in range(10)}
    server.wait_seconds, server.waits_for = 0.05, 2

    urls = [
        server.url(f"/{number}", host=host) for number in range(10) for host in ("127.0.0.1", "127.0.0.2", "localhost")
    ]
    rows = feeds(*urls, timeout=30)

    assert len(rows) == 30
    assert set(server.most_at_once.values()) == {2}


def test_lanes_hold_all_feeds_and_the_longest_goes_first() -> None:
    places = [
        Place(address=f"http://{host}/{number}", name="")
        for host, count in (("a", 1), ("b", 5))
        for number in range(count)
    ]

    found = lanes(places, per_host=2, pace={})

    assert [len(lane) for lane in found] == [3, 2, 1]
    assert sorted(place.address for lane in found for place in lane) == sorted(place.address for place in places)


def test_a_feed_that_was_slow_is_asked_first(server: FeedServer, feeds: Read, tmp_path: Path) -> None:
    server.pages = {path: (200, {}, rss(path[1:])) for path in ("/a", "/b", "/slow")}

    def slow(handler: Any) -> None:
        time.sleep(0.3)
        handler.answer((200, {}, rss("slow")))

    server.pages["/slow"] = slow
    urls = [server.url(path) for path in ("/a", "/b", "/slow")]

    feeds(*urls, per_host=1)
    pace, slow_one = tmp_path / "memory/pace", digest_of(urls[2])
    known = json.loads(pace.read_bytes())
    assert known[slow_one] >= 0.3
    pace.write_text(json.dumps({**dict.fromkeys(known, 0.01), slow_one: 0.3}))  # whatever held the others up
    feeds(*urls, per_host=1)

    assert [path for path, _ in server.asked][:4] == ["/a", "/b", "/slow", "/slow"]


def test_a_compressed_feed_is_read_and_a_bomb_is_not(server: FeedServer, feeds: Read) -> None:
    bomb = gzip.compress(b" " * 60_000_000)
    server.pages = {
        "/good": (200, {"Content-Encoding": "gzip"}, gzip.compress(rss("one"))),
        "/bomb": (200, {"Content-Encoding": "gzip"}, bomb),
    }

    rows = feeds(server.url("/good"), server.url("/bomb"))

    assert [row["title"] for row in rows] == ["one"]
    assert problems_of(rows) == (f"{server.url('/bomb')}: is longer than 2,000,000 bytes",)


def test_a_feed_of_50_megabytes_is_given_up(server: FeedServer, feeds: Read) -> None:
    def flood(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "50000000")
        handler.end_headers()
        with suppress(OSError):
            for _ in range(50):
                handler.wfile.write(b" " * 1_000_000)

    server.pages = {"/flood": flood, "/good": (200, {}, rss("one"))}

    assert problems_of(feeds(server.url("/flood"), server.url("/good"))) == (
        f"{server.url('/flood')}: is longer than 2,000,000 bytes",
    )


def test_a_feed_that_drips_is_given_up_in_time(server: FeedServer, feeds: Read) -> None:
    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.end_headers()
        with suppress(OSError):
            while not handler.server.over.wait(0.05):
                handler.wfile.write(b" ")

    server.pages = {"/drip": drip}

    failed = within(3, lambda: raised(StepFailed, lambda: feeds(server.url("/drip"), timeout=0.5)))

    assert failed.message.endswith("/drip: did not answer within 0.5 s")


def test_redirects_are_followed_and_links_are_of_the_last_place(server: FeedServer, feeds: Read) -> None:
    server.pages = {"/old": (301, {"Location": "/new/feed"}, b""), "/new/feed": (200, {}, rss("one"))}

    (row,) = feeds(server.url("/old"))

    assert (row["feed"], row["entry"]) == (server.url("/old"), f"{server.url('/old')}#one")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "sends to 'file:///etc/passwd', which is no web address"),
        ("ftp://x.example/", "sends to 'ftp://x.example/', which is no web address"),
        ("javascript:alert(1)", "sends to 'javascript:alert(1)', which is no web address"),
        ("/loop", "sends elsewhere more than 5 times"),
        ("http://[", "sends to an address that is none"),
    ],
)
def test_a_redirect_leads_nowhere_else(location: str, reason: str, server: FeedServer, feeds: Read) -> None:
    server.pages = {"/loop": (302, {"Location": location}, b""), "/good": (200, {}, rss("one"))}

    assert problems_of(feeds(server.url("/loop"), server.url("/good"))) == (f"{server.url('/loop')}: {reason}",)


def test_a_server_of_the_internet_does_not_send_us_into_a_network_of_our_own(
    server: FeedServer, feeds: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """127.0.0.2 plays a server of the Internet: what a test may reach is loopback alone."""
    for module in (feed_fetching, exchange):
        monkeypatch.setattr(module, "is_public", lambda peer: peer == "127.0.0.2")
    server.pages = {
        "/out": (302, {"Location": server.url("/secret")}, b""),
        "/within": (302, {"Location": server.url("/good", host="127.0.0.2")}, b""),
        "/secret": (200, {}, rss("secret")),
        "/good": (200, {}, rss("one")),
    }
    out, within = (server.url(path, host="127.0.0.2") for path in ("/out", "/within"))

    rows = feeds(out, within)

    assert [row["title"] for row in rows] == ["one"]
    assert problems_of(rows) == (f"{out}: no answer: it leads into a network of our own, to 127.0.0.1",)
    assert "/secret" not in [path for path, _ in server.asked]
    assert [row["title"] for row in feeds(server.url("/secret"))] == ["secret"]  # what the site itself names is meant


def test_an_address_that_is_a_secret_is_never_said(server: FeedServer, feeds: Read, tmp_path: Path) -> None:
    (tmp_path / "feed").write_text(server.url("/private?token=canary-4711"))
    (tmp_path / "feed").chmod(0o600)
    server.pages = {"/good": (200, {}, rss("one"))}

    rows = feeds(SecretRef(file="feed"), server.url("/good"))

    assert problems_of(rows) == ("talk feed 1: answered 404 Not Found",)
    server.pages["/private?token=canary-4711"] = (200, {"ETag": "1"}, rss("hush"))
    rows = feeds(SecretRef(file="feed"), server.url("/good"))
    assert "canary" not in str(rows)
    assert "canary" not in "".join(path.read_text() for path in (tmp_path / "memory").iterdir())


def test_a_sign_in_of_an_address_is_not_shown(server: FeedServer, feeds: Read) -> None:
    server.pages = {"/a": (200, {}, rss("one"))}

    (row,) = feeds(server.url("/a").replace("//", "//me:canary@"))

    assert "canary" not in str(row)


def test_being_told_to_stop_ends_it_at_once(server: FeedServer, feeds: Read) -> None:
    server.wait_seconds = 20

    def stop_it() -> StepFailed:
        stopping = threading.Event()
        threading.Timer(0.3, stopping.set).start()
        urls = [server.url(f"/{number}") for number in range(20)]
        return raised(StepFailed, lambda: feeds(*urls, stopping=stopping))

    assert within(3, stop_it).status == "interrupted"


def test_the_time_of_the_step_holds_for_all_feeds(server: FeedServer, feeds: Read) -> None:
    server.wait_seconds = 20
    urls = [server.url(f"/{number}") for number in range(20)]

    failed = within(4, lambda: raised(StepFailed, lambda: feeds(*urls, query={"timeout_seconds": 1})))

    assert re.search(r"did not answer within|was not asked: the time was over", failed.message)


def test_dates_are_compared_as_dates(server: FeedServer, feeds: Read) -> None:
    recent, old = NOW - timedelta(hours=2), NOW - timedelta(days=9)
    body = "".join(
        f"<item><guid isPermaLink='false'>{name}</guid><pubDate>{at:%a, %d %b %Y %H:%M:%S} GMT</pubDate></item>"
        for name, at in (("recent", recent), ("old", old))
    )
    server.pages = {"/a": (200, {}, f"<rss version='2.0'><channel>{body}</channel></rss>".encode())}

    (row,) = feeds(server.url("/a"), query={"where": {"published_at": {"after": "-1d"}}})

    assert row["published_at"] == recent
    assert row["title"] == "(no title)"
