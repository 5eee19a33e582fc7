"""The ledger's file: made once, never made anew, one transaction over everything."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from opsrunner.errors import LedgerConflict, LedgerDamaged, LedgerNewer, StateError
from opsrunner.ledger.books import Books
from opsrunner.ledger.database import Ledger
from opsrunner.ledger.migrations import MIGRATIONS


def test_it_keeps_its_name_and_its_rows_over_a_restart(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger.db")
    first.insert("INSERT INTO notes(at, author, text) VALUES ('2026', 'boss', 'x')")
    name = first.id
    first.close()
    again = Ledger(tmp_path / "ledger.db")
    assert again.id == name
    assert len(again.all("SELECT * FROM notes")) == 1
    again.close()


def test_two_that_open_a_new_one_together_both_find_every_table(tmp_path: Path) -> None:
    """B44, the race half: migrations are done once."""
    found: list[str] = []

    def open_it() -> None:
        ledger = Ledger(tmp_path / "ledger.db")
        found.append(ledger.id)
        ledger.close()

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_its_journal_is_truncated_and_synced_in_full(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db")
    answers = [ledger.one(f"PRAGMA {name}")[0] for name in ("journal_mode", "synchronous", "foreign_keys")]  # type: ignore[index]
    assert answers == ["persist", 2, 1]
    ledger.close()


GARBAGE = [
    pytest.param(b"this is not a ledger, it is a poem", id="text"),
    pytest.param(b"SQLite format 3\x00" + b"\xff" * 4096, id="a header and nonsense"),
]


@pytest.mark.parametrize("content", GARBAGE)
def test_a_damaged_one_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises((LedgerDamaged, StateError)):
        Ledger(path)
    assert path.read_bytes() == content


def test_a_newer_one_is_refused(tmp_path: Path) -> None:
    """B44."""
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(LedgerNewer, match="upgrade the program"):
        Ledger(path)


def test_a_folder_in_its_place_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").mkdir()
    with pytest.raises(StateError):
        Ledger(tmp_path / "ledger.db")


def test_what_fails_in_a_transaction_leaves_nothing(tmp_path: Path) -> None:
    books = Books.open(tmp_path / "ledger.db")

    def fail() -> None:
        with books.transaction():
            books.service.remember("a", "1")
            with books.transaction():
                books.service.remember("b", "2")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (books.service.recall("a"), books.service.recall("b")) == (None, None)
    books.ledger.close()


@pytest.mark.parametrize("error", [OSError(2, "No such file"), OverflowError("too large"), KeyError("row")])
def test_what_a_transaction_s_own_block_raises_leaves_as_it_is(tmp_path: Path, error: Exception) -> None:
    books = Books.open(tmp_path / "ledger.db")

    def fail() -> None:
        with books.transaction():
            raise error

    with pytest.raises(type(error)) as raised:
        fail()
    assert raised.value is error
    books.ledger.close()


def test_a_row_that_contradicts_another_is_refused_and_the_transaction_goes_on(tmp_path: Path) -> None:
    books = Books.open(tmp_path / "ledger.db")
    with books.transaction():
        books.service.remember("a", "1")
        with pytest.raises(LedgerConflict, match="nothing was written"):
            books.ledger.insert("INSERT INTO meta(name, value) VALUES ('a', '2')")
    assert books.service.recall("a") == "1"
    books.ledger.close()


def test_another_writer_is_waited_for(tmp_path: Path) -> None:
    books = Books.open(tmp_path / "ledger.db")
    foreign = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None, check_same_thread=False)
    foreign.execute("BEGIN EXCLUSIVE")
    threading.Timer(0.3, lambda: foreign.execute("COMMIT")).start()
    books.service.remember("a", "1")
    assert books.service.recall("a") == "1"
    foreign.close()
    books.ledger.close()


def test_many_threads_write_without_losing_a_row(tmp_path: Path) -> None:
    books = Books.open(tmp_path / "ledger.db")

    def write(author: int) -> None:
        for number in range(20):
            books.ledger.insert("INSERT INTO notes(at, author, text) VALUES ('2026', ?, ?)", (author, number))

    threads = [threading.Thread(target=write, args=(author,)) for author in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(books.ledger.all("SELECT * FROM notes")) == 160
    books.ledger.close()


def test_its_version_tells_that_somebody_else_has_written(tmp_path: Path) -> None:
    ours, theirs = Ledger(tmp_path / "ledger.db"), Ledger(tmp_path / "ledger.db")
    before = ours.version()
    assert ours.version() == before
    theirs.insert("INSERT INTO notes(at, author, text) VALUES ('2026', 'a', 'b')")
    assert ours.version() != before
    ours.close()
    theirs.close()


def test_nobody_s_connection_is_closed_under_their_hands(tmp_path: Path) -> None:
    """SQLite ends the whole process by a signal where one thread closes what another one reads from."""
    ledger = Ledger(tmp_path / "ledger.db")
    reads, is_closed, told = threading.Event(), threading.Event(), []

    def read() -> None:
        ledger.one("SELECT 1")
        reads.set()
        is_closed.wait(10)
        told.append(ledger.one("SELECT 2"))

    reader = threading.Thread(target=read)
    reader.start()
    assert reads.wait(10)
    ledger.close()
    is_closed.set()
    reader.join(10)
    assert [tuple(row) for row in told if row] == [(2,)]
