"""What lies in the ledger's place: refused with advice where it is no ledger, and never changed or made anew."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from opsrunner.errors import LedgerDamaged, LedgerGone, StateError
from opsrunner.ledger.books import Books
from opsrunner.ledger.database import Ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with some notes, closed."""
    made = tmp_path / "var" / "ledger.db"
    made.parent.mkdir()
    ledger = Ledger(made)
    add_notes(ledger, 50)
    ledger.close()
    return made


def add_notes(ledger: Ledger, count: int) -> None:
    for number in range(count):
        ledger.insert("INSERT INTO notes(at, author, text) VALUES ('2026', 'boss', ?)", (f"{number} " * 200,))


def notes(path: Path) -> int:
    ledger = Ledger(path)
    try:
        return len(ledger.all("SELECT id FROM notes"))
    finally:
        ledger.close()


def crash_in_a_commit(path: Path, *, onto: Path) -> None:
    """Copy a ledger and its journal as a crash in the middle of a commit leaves them."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = TRUNCATE", "cache_size = 1", "cache_spill = 1"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE meta SET value = value || ''")
        connection.execute("UPDATE notes SET text = text || ' half'")
        onto.mkdir()
        for name in (path.name, f"{path.name}-journal"):
            shutil.copy(path.with_name(name), onto / name)
        connection.execute("ROLLBACK")


def cut(length: int) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, length)


def overwrite(at: int, data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(data)

    return write


def replace_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        path.rename(path.with_name("away.db"))
        make(path)

    return replace


def seen(path: Path) -> tuple[bytes, set[str]]:
    """What lies in the ledger's place, and all names beside it."""
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    return content, {entry.name for entry in path.parent.iterdir()}


WRONG = {
    "half of it": (cut(40_000), "never made anew"),
    "its first page": (cut(4_096), "never made anew"),
    "less than its head": (cut(60), "never made anew"),
    "nothing, beside runs": (cut(0), "is empty, but runs lie beside it"),
    "zeros at its head": (overwrite(0, bytes(4_096)), "is not a ledger"),
    "noise in its first page": (overwrite(100, b"\xa5" * 3_000), "never made anew"),
    "a text": (replace_by(lambda path: path.write_text("a poem")), "is not a ledger"),
    "no file, beside runs": (replace_by(lambda path: None), "is missing, but runs lie beside it"),
    "a folder": (replace_by(Path.mkdir), "is no file"),
    "a pipe": (replace_by(os.mkfifo), "is no file"),
    "a link": (replace_by(lambda path: path.symlink_to("away.db")), "is a link"),
    "a link to nothing": (replace_by(lambda path: path.symlink_to("gone.db")), "is a link"),
    "the database of another program": (
        replace_by(lambda path: sqlite3.connect(path).execute("CREATE TABLE a(b)").connection.close()),
        "another program",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_ledger_is_refused_with_advice_and_left_as_it_is(path: Path, case: str) -> None:
    spoil, said = WRONG[case]
    (path.parent / "runs" / "1").mkdir(parents=True)
    spoil(path)
    before = seen(path)
    with pytest.raises(LedgerDamaged) as raised:
        Ledger(path)
    assert str(path) in str(raised.value)
    assert said in str(raised.value)
    after = seen(path)
    assert after[0] == before[0]
    assert after[1] - before[1] <= {"ledger.db-journal"}


def test_what_a_crash_left_half_is_taken_back(path: Path, tmp_path: Path) -> None:
    crash_in_a_commit(path, onto=tmp_path / "crashed")
    assert (tmp_path / "crashed" / "ledger.db-journal").stat().st_size > 4_096
    assert notes(tmp_path / "crashed" / "ledger.db") == 50
    assert b" half" not in (tmp_path / "crashed" / "ledger.db").read_bytes()


def test_the_journal_of_another_ledger_is_never_played_into_this_one(path: Path, tmp_path: Path) -> None:
    crash_in_a_commit(path, onto=tmp_path / "crashed")
    other = Ledger(tmp_path / "ledger.db")
    add_notes(other, 90)
    other.close()
    shutil.copy(tmp_path / "crashed" / "ledger.db-journal", tmp_path / "ledger.db-journal")
    before = (tmp_path / "ledger.db").read_bytes()
    with pytest.raises(LedgerDamaged, match=r"ledger\.db-journal belongs to another ledger.*move it away"):
        Ledger(tmp_path / "ledger.db")
    assert (tmp_path / "ledger.db").read_bytes() == before
    (tmp_path / "ledger.db-journal").unlink()
    assert notes(tmp_path / "ledger.db") == 90


def test_an_older_copy_is_not_damaged_by_the_journal_of_what_it_replaced(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "backup.db")
    ledger = Ledger(path)
    add_notes(ledger, 3)
    ledger.close()
    crash_in_a_commit(path, onto=tmp_path / "crashed")
    restored = tmp_path / "crashed" / "ledger.db"
    shutil.copy(tmp_path / "backup.db", restored)
    with pytest.raises(LedgerDamaged, match="another state of this one"):
        Ledger(restored)
    assert restored.read_bytes() == (tmp_path / "backup.db").read_bytes()


def restore_in_place(path: Path, copy: Path) -> None:
    path.write_bytes(copy.read_bytes())


def restore_by_rename(path: Path, copy: Path) -> None:
    shutil.copy(copy, path.with_name("fresh.db"))
    path.with_name("fresh.db").rename(path)


def remove_all(path: Path, copy: Path) -> None:
    shutil.rmtree(path.parent)


def empty_the_folder(path: Path, copy: Path) -> None:
    shutil.rmtree(path.parent)
    path.parent.mkdir()


def put_another(path: Path, copy: Path) -> None:
    other = Ledger(copy.with_name("other.db"))
    add_notes(other, 99)
    other.close()
    restore_in_place(path, copy.with_name("other.db"))


@pytest.mark.parametrize("replace", [restore_in_place, restore_by_rename, remove_all, empty_the_folder, put_another])
def test_one_that_is_replaced_under_the_program_takes_nothing_any_more(
    path: Path, tmp_path: Path, replace: Callable[[Path, Path], None]
) -> None:
    shutil.copy(path, tmp_path / "copy.db")
    ledger = Ledger(path)
    add_notes(ledger, 2)
    replace(path, tmp_path / "copy.db")
    with pytest.raises(LedgerGone, match="start opsrunner again"):
        ledger.insert("INSERT INTO notes(at, author, text) VALUES ('2026', 'boss', 'lost')")
    ledger.close()
    if path.exists():
        assert b"lost" not in path.read_bytes()
    else:
        assert not path.parent.exists() or not list(path.parent.iterdir())


def test_one_that_is_gone_is_noticed_without_writing(path: Path) -> None:
    ledger = Ledger(path)
    ledger.version()
    path.unlink()
    with pytest.raises(LedgerGone, match="was removed or replaced"):
        ledger.version()
    ledger.close()
    assert not path.exists()


def test_one_that_is_closed_is_not_taken_for_damaged(path: Path) -> None:
    books = Books.open(path)
    books.service.recall("a")
    books.ledger.close()
    with pytest.raises(StateError, match="it is closed") as raised:
        books.service.recall("a")
    assert not isinstance(raised.value, LedgerDamaged)


def test_a_page_that_goes_bad_is_damage_and_says_so(path: Path) -> None:
    ledger = Ledger(path)
    overwrite(path.stat().st_size - 40_000, b"\xa5" * 40_000)(path)
    assert not ledger.is_intact()
    with pytest.raises(LedgerDamaged, match="restore it from a copy"):
        ledger.all("SELECT text FROM notes")
    ledger.close()


@pytest.mark.parametrize("name", ["a b", "é—漢字", "half?mode=memory", "100%25", "two\nlines", "#hash", "\udcff"])
def test_its_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    ledger = Ledger(folder / "ledger.db")
    add_notes(ledger, 1)
    ledger.close()
    assert notes(folder / "ledger.db") == 1
    assert {entry.name for entry in folder.iterdir()} == {"ledger.db", "ledger.db-journal"}


def test_looking_at_a_long_one_is_told_with_how_long_it_took(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "opsrunner")
    ledger = Ledger(path)
    ledger.require_intact()
    assert caplog.messages == []
    ledger.insert("INSERT INTO notes(at, author, text) VALUES ('2026', 'boss', ?)", ("x" * 70_000_000,))
    ledger.require_intact()
    began, ended = caplog.messages
    assert began == "looking at every page of the ledger before anything is begun: 0.1 GB"
    assert re.fullmatch(r"the ledger is in order: 0\.1 GB in \d+ s", ended)
    ledger.close()


def test_a_long_one_with_a_damaged_page_is_refused_and_never_said_to_be_in_order(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "opsrunner")
    ledger = Ledger(path)
    ledger.insert("INSERT INTO notes(at, author, text) VALUES ('2026', 'boss', ?)", ("x" * 70_000_000,))
    ledger.close()
    overwrite(12_288, b"\xa5" * 4_096)(path)
    ledger = Ledger(path)
    with pytest.raises(LedgerDamaged, match=r"has damaged pages: .* restore it from a copy"):
        ledger.require_intact()
    assert len(caplog.messages) == 1
    ledger.close()
