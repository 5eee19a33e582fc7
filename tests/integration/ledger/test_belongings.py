"""What a routine's steps left moves with its name, and goes with the routine: every table of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opsrunner.ledger.belongings import LEFT_BY_ROUTINES, OF_THEIR_OWN
from opsrunner.ledger.books import Books
from opsrunner.model.foreign import Checked, ForeignBackup, ForeignDrill, ForeignState

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
NEITHER = {"last_good", "requests"}
"""The first is renamed and forgotten by statements of its own; what was asked for stays as it was asked."""


def look(books: Books, routine: str, *, words: str) -> None:
    backup = ForeignBackup(key="web1", state=ForeignState.FINE, words=words)
    books.foreign.check(Checked(routine=routine, step="look", at=NOW, backups=(backup,)))
    books.foreign.drill(ForeignDrill(routine=routine, step="look", key="web1", at=NOW, by="boss", note=words))


def test_every_table_of_routines_is_known(books: Books) -> None:
    tables = [row["name"] for row in books.ledger.all("SELECT name FROM sqlite_master WHERE type = 'table'")]
    of_routines = {
        table
        for table in tables
        if "routine" in {row["name"] for row in books.ledger.all(f"PRAGMA table_info({table})")}
    }

    assert of_routines == {*LEFT_BY_ROUTINES, *OF_THEIR_OWN, *NEITHER}


def test_a_rename_onto_a_forgotten_name_finds_nothing_in_its_way(books: Books) -> None:
    books.routines.see({"others": "Others"}, at=NOW)
    look(books, "panel", words="of one that was forgotten")
    look(books, "others", words="its own")

    assert books.routines.rename("others", "panel")

    assert [one.words for one in books.foreign.of("panel", "look")] == ["its own"]
    assert [one.note for one in books.foreign.drills("panel", "look", most=9)] == ["its own"]


def test_a_new_routine_inherits_no_proof_of_a_forgotten_one(books: Books) -> None:
    books.routines.see({"panel": "Panel"}, at=NOW)
    look(books, "panel", words="before")
    books.routines.see({}, at=NOW + timedelta(days=1))
    while books.forgetting.forget_routines(before=NOW + timedelta(days=400)):
        pass

    assert books.routines.all() == {}
    assert books.foreign.of("panel", "look") == []
    assert books.foreign.drills("panel", "look", most=9) == []
