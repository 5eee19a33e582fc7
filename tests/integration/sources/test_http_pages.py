"""Answers that go on page by page, from a real server."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Row
from opsrunner.model.site import Pages, Source

from ...patience import raised, within
from ...web_answers import answering

Read = Callable[..., tuple[Row, ...]]
Answer = tuple[Any, dict[str, str]]


@dataclass
class Book:
    """A server's address, how it answers each query, and what it was asked."""

    url: str
    answer: Callable[[dict[str, str]], Answer] = lambda _asked: ([], {})
    busy: list[tuple[int, str]] = field(default_factory=list)
    """Status and Retry-After of answers that come before the next one."""
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)


@pytest.fixture
def book() -> Iterator[Book]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            found.tokens.append(self.headers.get("Authorization", ""))
            if found.busy and len(found.asked) > 1:
                status, retry_after = found.busy.pop(0)
                self.send_response(status)
                if retry_after:
                    self.send_header("Retry-After", retry_after)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            body, headers = found.answer(query)
            data = json.dumps(body).encode()
            self.send_response(200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    with answering(Handler) as address:
        found = Book(url=f"{address}/orders?per_page=2")
        yield found


def orders(book: Book, items: str = "", **pages: Any) -> Source:
    where = {"url": book.url, "items": items, "headers": {"Authorization": "Bearer canary"}, "pages": Pages(**pages)}
    return Source(name="orders", kind="http_json", where=where)


def numbered(first: int, count: int) -> list[dict[str, int]]:
    return [{"n": number} for number in range(first, first + count)]


def numbers(rows: tuple[Row, ...]) -> list[int]:
    return [row["n"] for row in rows]


def test_pages_are_counted_until_one_is_empty(book: Book, read: Read) -> None:
    book.answer = lambda asked: (numbered(int(asked["page"]) * 2, 2) if int(asked["page"]) < 4 else [], {})

    assert numbers(read(orders(book, page="page", first=1))) == [2, 3, 4, 5, 6, 7]
    assert book.asked == [f"/orders?per_page=2&page={page}" for page in (1, 2, 3, 4)]
    assert set(book.tokens) == {"Bearer canary"}


def test_items_are_counted_until_a_page_is_empty(book: Book, read: Read) -> None:
    book.answer = lambda asked: (numbered(int(asked["start"]), min(2, 5 - int(asked["start"]))), {})

    assert numbers(read(orders(book, offset="start"))) == [0, 1, 2, 3, 4]
    assert [path.rpartition("=")[2] for path in book.asked] == ["0", "2", "4", "5"]


def test_a_cursor_goes_into_its_parameter(book: Book, read: Read) -> None:
    following = {"": "a b&c", "a b&c": "last", "last": None}
    book.answer = lambda asked: (
        {"data": numbered(len(asked.get("after", "")), 1), "meta": {"next": following[asked.get("after", "")]}},
        {},
    )

    assert numbers(read(orders(book, "data", next="meta.next", parameter="after"))) == [0, 5, 4]


@pytest.mark.parametrize("is_whole", [True, False], ids=["whole", "relative"])
def test_the_answer_names_the_next_address(book: Book, read: Read, is_whole: bool) -> None:
    base = book.url.partition("?")[0] if is_whole else "orders"
    book.answer = lambda asked: (
        {"rows": numbered(int(asked.get("p", 1)), 1), "next": f"{base}?p=2" if "p" not in asked else ""},
        {},
    )

    assert numbers(read(orders(book, "rows", next="next"))) == [1, 2]


def test_the_header_names_the_next_address(book: Book, read: Read) -> None:
    link = '<http://127.0.0.1/first>; rel="first", </orders?p={}>; title="a, b"; rel="prefetch next"'
    book.answer = lambda asked: (
        numbered(int(asked.get("p", 1)), 1),
        {"Link": link.format(int(asked.get("p", 1)) + 1)} if int(asked.get("p", 1)) < 3 else {},
    )

    assert numbers(read(orders(book, link_header=True))) == [1, 2, 3]


def test_items_may_be_jmespath(book: Book, read: Read) -> None:
    book.answer = lambda _asked: ({"data": {"orders": [{"id": 7, "s": "x"}, {"id": 8, "s": "y"}]}}, {})
    source = Source(
        name="orders", kind="http_json", where={"url": book.url, "items": "data.orders[?s=='y'].{n: id, state: s}"}
    )

    assert read(source) == ({"n": 8, "state": "y"},)


@pytest.mark.parametrize(
    ("pages", "answer", "message"),
    [
        ({"page": "page"}, [{"n": 1}], "orders: page 2 is one that was there before; is 'page' its parameter?"),
        ({"next": "next"}, {"rows": [], "next": "/orders?per_page=2"}, "orders: its pages go round in a circle"),
        ({"next": "next"}, {"rows": [], "next": "http://localhost/x"}, "orders: its next page lies at another server"),
        ({"next": "next"}, {"rows": [], "next": "//evil.example/x"}, "orders: its next page lies at another server"),
        ({"next": "next"}, {"rows": [], "next": "file:///etc/passwd"}, "orders: its next page lies at another server"),
        ({"next": "next"}, {"rows": [], "next": "http://127.0.0.1:x/"}, "orders: its next page lies at another server"),
        ({"next": "next"}, {"rows": [], "next": ["a"]}, "orders: 'next' of page 1 is no address and no cursor"),
        ({"next": "next"}, {"rows": [], "next": True}, "orders: 'next' of page 1 is no address and no cursor"),
        ({"next": "length(next)"}, {"rows": [], "next": 7}, "orders: 'length(next)' does not suit the answer"),
        ({"offset": "start", "most": 3}, "count", "orders: goes on after 3 pages; ask for larger pages, or raise most"),
    ],
)
def test_pages_that_lead_astray_are_an_error(
    book: Book, read: Read, pages: dict[str, Any], answer: Any, message: str
) -> None:
    is_counted = answer == "count"
    book.answer = lambda asked: (numbered(int(asked["start"]), 1) if is_counted else answer, {})

    with pytest.raises(StepFailed) as failed:
        read(orders(book, "rows" if "next" in pages else "", **pages))

    assert failed.value.message.startswith(message)
    assert len(book.asked) < 5


def test_a_link_to_another_server_is_not_followed(book: Book, read: Read) -> None:
    book.answer = lambda _asked: ([{"n": 1}], {"Link": '<http://localhost:1/x>; rel="next"'})

    with pytest.raises(StepFailed, match="its next page lies at another server"):
        read(orders(book, link_header=True))


def counted(asked: dict[str, str]) -> Answer:
    return (numbered(int(asked["page"]) * 2, 2) if int(asked["page"]) < 4 else [], {})


def test_a_server_that_asks_to_be_left_alone_is_and_all_pages_come(book: Book, read: Read) -> None:
    book.answer, book.busy = counted, [(429, "1"), (503, "0")]
    began = time.monotonic()

    assert numbers(read(orders(book, page="page", first=1))) == [2, 3, 4, 5, 6, 7]
    assert time.monotonic() - began >= 1.2
    assert [path.rpartition("=")[2] for path in book.asked] == ["1", "2", "2", "2", "3", "4"]


@pytest.mark.parametrize("busy", [(429, "3600"), (429, "Fri, 01 Jan 2100 00:00:00 GMT"), (503, "99999999")])
def test_a_rest_for_which_there_is_no_time_is_told_at_once(book: Book, read: Read, busy: tuple[int, str]) -> None:
    def ask_it() -> StepFailed:
        book.answer, book.busy = counted, [busy]
        return raised(StepFailed, lambda: read(orders(book, page="page", first=1)))

    failed = within(1, ask_it)

    assert re.match(rf"orders: answered {busy[0]} and wants to be left alone for [0-9,]+ s, longer", failed.message)
    assert not failed.permanent


@pytest.mark.parametrize("header", ["", "soon", "-5", "Fri, 01 Jan 2100 00:00:00"])
def test_busy_without_a_rest_is_a_failure_that_may_pass(book: Book, read: Read, header: str) -> None:
    book.answer, book.busy = counted, [(429, header)]

    with pytest.raises(StepFailed, match=r"^orders: answered 429 Too Many Requests$") as failed:
        read(orders(book, page="page", first=1))
    assert not failed.value.permanent


def test_a_rest_ends_with_the_word_to_stop(book: Book, read: Read) -> None:
    stopping = threading.Event()
    book.answer, book.busy = counted, [(429, "30")]
    threading.Timer(0.3, stopping.set).start()

    with pytest.raises(StepFailed, match="stopped before its end") as failed:
        read(orders(book, page="page", first=1), stopping=stopping)
    assert failed.value.status == "interrupted"
