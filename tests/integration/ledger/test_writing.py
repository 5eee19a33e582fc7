"""Transactions of several threads that share a commit."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from opsrunner.errors import StateError
from opsrunner.ledger import writing
from opsrunner.ledger.books import Books


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits joins, however late the machine lets it: else the first commits alone after 20 ms."""
    monkeypatch.setattr(writing, "LONGEST_GROUP_SECONDS", 60)
    monkeypatch.setattr(writing, "LOOK_SECONDS", 30)


class Group:
    """A first transaction that is held open, and others that wait to join it."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.pool = ThreadPoolExecutor(8)
        self.may_end = threading.Event()
        self.is_open = threading.Event()
        self.first = self.pool.submit(self._hold)
        assert self.is_open.wait(5)

    def _hold(self) -> None:
        with self.books.transaction():
            self.books.service.remember("first", "1")
            self.is_open.set()
            assert self.may_end.wait(10)

    def join(self, act: Callable[[], object]) -> Future[None]:
        """Let another thread write, once it may."""

        def write() -> None:
            with self.books.transaction():
                act()

        joined = self.pool.submit(write)
        while self.books.ledger._writer._joiners == 0:
            threading.Event().wait(0.005)
        return joined

    def end(self) -> None:
        self.may_end.set()
        self.pool.shutdown(wait=True)


def seen_by_others(books: Books) -> set[str]:
    """Return what another process would find."""
    with sqlite3.connect(books.ledger.path) as other:
        found = {row[0] for row in other.execute("SELECT name FROM meta")}
    other.close()
    return found & {"first", "second", "third"}


def commits(books: Books) -> list[str]:
    """Note every COMMIT from here on."""
    noted: list[str] = []
    books.ledger._writer.connection.set_trace_callback(lambda sql: noted.append(sql) if sql == "COMMIT" else None)
    return noted


def test_who_waits_to_write_joins_the_commit_of_who_writes(books: Books) -> None:
    group = Group(books)
    noted = commits(books)
    group.join(lambda: books.service.remember("second", "2"))
    group.end()
    assert seen_by_others(books) == {"first", "second"}
    assert len(noted) == 1


def test_nobody_goes_on_before_the_commit_that_has_his_part(books: Books) -> None:
    group = Group(books)
    seen: list[object] = []

    def while_the_second_writes() -> None:
        seen.extend((group.first.done(), seen_by_others(books)))
        books.service.remember("second", "2")

    group.join(while_the_second_writes)
    group.end()
    assert seen == [False, set()]
    assert group.first.done()
    assert seen_by_others(books) == {"first", "second"}


def test_one_that_fails_takes_back_its_own_part_alone(books: Books) -> None:
    group = Group(books)

    def fail() -> None:
        books.service.remember("second", "2")
        raise ValueError("mine")

    failing = group.join(fail)
    group.end()
    with pytest.raises(ValueError, match="mine"):
        failing.result()
    assert group.first.result() is None
    assert seen_by_others(books) == {"first"}


def test_when_the_disk_is_full_at_the_commit_nobody_is_told_that_it_was_kept(books: Books) -> None:
    group = Group(books)

    def fill() -> None:
        books.service.remember("second", "2")
        books.ledger._writer.connection.execute("COMMIT")  # what follows meets no transaction, as after a lost one

    filling = group.join(fill)
    group.end()
    for future in (group.first, filling):
        with pytest.raises(StateError):
            future.result()


def test_one_that_uses_up_the_room_does_not_take_others_for_kept_that_are_not(tmp_path: Path) -> None:
    books = Books.open(tmp_path / "ledger.db")
    group = Group(books)

    def fill() -> None:
        books.ledger._writer.connection.execute("PRAGMA max_page_count = 1")
        books.service.remember("second", "x" * 10_000_000)

    filling = group.join(fill)
    group.end()
    with pytest.raises(StateError, match="full"):
        filling.result()
    was_kept = group.first.exception() is None
    assert seen_by_others(books) == ({"first"} if was_kept else set())
    books.ledger.close()


def test_what_may_take_long_shares_its_commit_with_nobody(books: Books) -> None:
    group = Group(books)
    seen: list[set[str]] = []

    def long() -> None:
        with books.transaction(alone=True):
            seen.append(seen_by_others(books))
            books.service.remember("third", "3")

    waiting = group.pool.submit(long)
    group.join(lambda: books.service.remember("second", "2"))
    group.end()
    assert waiting.result() is None
    assert len(seen) == 1
    assert "first" in seen[0]
    assert seen_by_others(books) == {"first", "second", "third"}


def test_a_reader_sees_nothing_of_an_open_transaction_and_the_writer_all_of_its_own(books: Books) -> None:
    found: list[str | None] = []
    with books.transaction():
        books.service.remember("first", "1")
        reader = threading.Thread(target=lambda: found.append(books.service.recall("first")))
        reader.start()
        reader.join()
        found.append(books.service.recall("first"))
    assert found == [None, "1"]
