"""The catalogue of copies: what is written down of each, and what is found again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from opsrunner.ledger.books import Books
from opsrunner.ledger.migrations import MIGRATIONS
from opsrunner.model.backup import Copy, CopyNote, CopyState, Doubted, Drill, Gone, NewCopy, PastCopies, Reread

from ...copied import new_copy


@pytest.fixture
def new(now: datetime) -> NewCopy:
    return new_copy(
        now,
        name="nightly/copy/2026-11-20T060000Z-r7",
        store="offsite",
        run=7,
        received_at=now + timedelta(minutes=5),
        checked_by="SHA-256",
        size_bytes=1 << 40,
        plain_bytes=1 << 41,
        files=12,
        of="/srv, 'quoted' ☃",
    )


def only(books: Books) -> Copy:
    (copy,) = books.copies.named("nightly/copy/2026-11-20T060000Z-r7")
    return copy


def test_a_copy_is_found_again_as_it_was_written(books: Books, new: NewCopy, now: datetime) -> None:
    full = replace(new, key="web1", doubts=("one changed", "two"), reread_at=now)
    books.copies.note([full])
    assert only(books) == Copy(**vars(full), id=1, state=CopyState.DOUBTFUL)


def test_a_copy_without_doubts_is_good(books: Books, new: NewCopy) -> None:
    books.copies.note([new])
    assert only(books).state is CopyState.GOOD


def test_lying_ones_are_found_by_what_is_asked(books: Books, new: NewCopy, now: datetime) -> None:
    books.copies.note(
        [
            new,
            replace(new, name="b", store="near", made_at=now + timedelta(days=1)),
            replace(new, name="c", key="web1"),
            replace(new, name="d", step="other", made_at=now - timedelta(days=1)),
            replace(new, name="e", routine="weekly"),
            replace(new, name="f"),
        ]
    )
    books.copies.note([Gone(copy=6, at=now, why="beyond what is kept")])

    def ids(found: list[Copy]) -> list[int]:
        return [copy.id for copy in found]

    assert ids(books.copies.lying()) == [2, 5, 3, 1, 4]
    assert ids(books.copies.lying(routine="nightly", step="copy")) == [2, 3, 1]
    assert ids(books.copies.lying(routine="nightly", step="copy", key="")) == [2, 1]
    assert ids(books.copies.lying(routine="nightly", step="copy", key="web1")) == [3]
    assert ids(books.copies.lying(store="near")) == [2]
    assert books.copies.names_in("near") == ["b"]


def test_of_copies_that_are_gone_it_stays_known_since_when_there_were_some_and_what_was_proven(
    books: Books, new: NewCopy, now: datetime
) -> None:
    def day(number: int) -> datetime:
        return now + timedelta(days=number)

    proven = Drill(copy=1, at=day(1), files=1, bytes=1, seconds=1, is_whole=False)
    books.copies.note(
        [
            new,
            proven,
            replace(new, name="b", made_at=day(2)),
            replace(new, name="c", made_at=day(3), key="web1"),
            replace(new, name="d", made_at=day(4), store="near"),
            replace(new, name="e", made_at=day(-9), step="other"),
            replace(new, name="f", made_at=day(-9), routine="weekly"),
            replace(new, name="g", made_at=day(-9)),
            replace(proven, copy=7, at=day(2)),
            replace(proven, copy=4, at=day(300)),
            Gone(copy=1, at=day(3), why="beyond what is kept"),
            Gone(copy=7, at=day(3), why="its store is another place now"),
        ]
    )
    expected = {
        ("", "offsite"): PastCopies(first_made_at=now, restored_at=day(1)),
        ("web1", "offsite"): PastCopies(first_made_at=day(3)),
        ("", "near"): PastCopies(first_made_at=day(4)),  # nothing can have been restored in 300 days
    }

    def past(routine: str) -> object:
        return books.copies.past(routine, "copy", proven_before=day(5), not_gone_as="its store is another place now")

    assert past("nightly") == expected
    books.routines.see({"nightly": "Nightly"}, at=now)
    assert books.routines.rename("nightly", "daily")
    assert (past("daily"), past("nightly")) == (expected, {})


def test_what_was_read_again_is_dated_or_damaged(books: Books, new: NewCopy, now: datetime) -> None:
    books.copies.note([new, Reread(copy=1, at=now)])
    assert (only(books).reread_at, only(books).state) == (now, CopyState.GOOD)
    later = now + timedelta(days=1)
    books.copies.note([Reread(copy=1, at=later, problem="its SHA-256 differs")])
    assert (only(books).reread_at, only(books).state, only(books).why) == (
        now,
        CopyState.DAMAGED,
        "its SHA-256 differs",
    )
    books.copies.note([Reread(copy=1, at=later)])
    assert (only(books).reread_at, only(books).state, only(books).why) == (later, CopyState.GOOD, "")


def test_what_is_right_again_is_as_doubtful_as_it_was_made(books: Books, new: NewCopy, now: datetime) -> None:
    books.copies.note([replace(new, doubts=("x",)), Reread(copy=1, at=now, problem="p"), Reread(copy=1, at=now)])
    assert only(books).state is CopyState.DOUBTFUL


def test_drills_are_kept_newest_first_and_prove_or_damage_the_copy(books: Books, new: NewCopy, now: datetime) -> None:
    good = Drill(copy=1, at=now, files=20, bytes=1 << 33, seconds=1.5, is_whole=False)
    bad = replace(good, at=now + timedelta(hours=1), is_whole=True, problem="x is no file")
    books.copies.note([new, good])
    assert (only(books).restored_at, only(books).state) == (now, CopyState.GOOD)
    books.copies.note([bad])
    assert books.copies.drills(1) == [bad, good]
    assert (only(books).restored_at, only(books).state, only(books).why) == (now, CopyState.DAMAGED, "x is no file")


def test_a_copy_whose_content_is_not_right_is_in_doubt_until_a_drill_goes_well(
    books: Books, new: NewCopy, now: datetime
) -> None:
    failed = Drill(copy=1, at=now, files=20, bytes=5, seconds=1.5, is_whole=False, problem="no table billing")
    books.copies.note([new, Doubted(drill=failed)])
    assert books.copies.drills(1) == [failed]
    found = only(books)
    assert (found.state, found.why, found.restored_at) == (CopyState.DOUBTFUL, "no table billing", None)
    books.copies.note([Reread(copy=1, at=now)])
    assert (only(books).state, only(books).why) == (CopyState.DOUBTFUL, "no table billing"), "its bytes were right"
    books.copies.note([replace(failed, problem="")])
    assert (only(books).state, only(books).why, only(books).restored_at) == (CopyState.GOOD, "", now)


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(lambda now: Reread(copy=1, at=now, problem="its SHA-256 differs"), id="damaged in between"),
        pytest.param(lambda now: Gone(copy=1, at=now, why="it is not there"), id="not there in between"),
    ],
)
def test_what_a_drill_doubts_is_in_doubt_whatever_else_was_wrong_and_is_right_again(
    books: Books, new: NewCopy, now: datetime, between: Callable[[datetime], CopyNote]
) -> None:
    failed = Drill(copy=1, at=now, files=20, bytes=5, seconds=1.5, is_whole=False, problem="no table billing")
    books.copies.note([new, Doubted(drill=failed), between(now), Reread(copy=1, at=now, was_gone=True)])
    assert (only(books).state, only(books).why) == (CopyState.DOUBTFUL, "no table billing")
    books.copies.note([replace(failed, problem="")])
    assert (only(books).state, only(books).why) == (CopyState.GOOD, "")
    books.copies.note([between(now), Reread(copy=1, at=now, was_gone=True)])
    assert (only(books).state, only(books).why) == (CopyState.GOOD, "")


def test_what_a_drill_found_damaged_is_good_when_a_drill_goes_well(books: Books, new: NewCopy, now: datetime) -> None:
    failed = Drill(copy=1, at=now, files=0, bytes=0, seconds=1.5, is_whole=False, problem="it does not unpack")
    books.copies.note([new, failed, Reread(copy=1, at=now)])
    assert (only(books).state, only(books).why) == (CopyState.DOUBTFUL, "it does not unpack"), "its bytes are right"
    books.copies.note([replace(failed, problem="")])
    assert (only(books).state, only(books).why) == (CopyState.GOOD, "")


def test_what_a_drill_doubts_is_in_doubt_when_it_was_gone_and_is_adopted(
    books: Books, new: NewCopy, now: datetime
) -> None:
    failed = Drill(copy=1, at=now, files=20, bytes=5, seconds=1.5, is_whole=False, problem="no table billing")
    books.copies.note([new, Doubted(drill=failed), Gone(copy=1, at=now, why="it is not there"), new])
    assert (only(books).state, only(books).why) == (CopyState.DOUBTFUL, "no table billing")


def test_what_a_drill_found_in_one_that_was_written_over_says_nothing_of_the_new_one(
    books: Books, new: NewCopy, now: datetime
) -> None:
    failed = Drill(copy=1, at=now, files=0, bytes=0, seconds=1.5, is_whole=False, problem="it does not unpack")
    later = now + timedelta(days=1)
    books.copies.note([new, failed, replace(new, made_at=later), Reread(copy=1, at=later)])
    assert (only(books).state, only(books).why) == (CopyState.GOOD, "")


WRONG_BYTES = "its SHA-256 differs"


@pytest.mark.parametrize("is_whole", [False, True], ids=["a sample", "everything"])
@pytest.mark.parametrize("is_of_a_drill", [False, True], ids=["read again", "drilled"])
def test_damage_is_taken_away_by_a_drill_of_everything_alone(
    books: Books, new: NewCopy, now: datetime, is_whole: bool, is_of_a_drill: bool
) -> None:
    fine = Drill(copy=1, at=now, files=20, bytes=5, seconds=1.5, is_whole=is_whole)
    damage = replace(fine, problem=WRONG_BYTES) if is_of_a_drill else Reread(copy=1, at=now, problem=WRONG_BYTES)
    books.copies.note([new, damage, fine])
    told = (CopyState.GOOD, "") if is_whole else (CopyState.DAMAGED, WRONG_BYTES)
    assert (only(books).state, only(books).why, only(books).restored_at) == (*told, now)


def test_what_was_damaged_and_gone_comes_back_damaged_until_it_is_read(
    books: Books, new: NewCopy, now: datetime
) -> None:
    away = Gone(copy=1, at=now, why="nothing of it lies in its store any more")
    books.copies.note([new, Reread(copy=1, at=now, problem=WRONG_BYTES), away])
    assert (only(books).state, only(books).why) == (CopyState.GONE, f"it was damaged: {WRONG_BYTES}")
    books.copies.note([replace(new, received_at=now + timedelta(days=1), checked_by="size, when it was adopted")])
    assert (only(books).state, only(books).why) == (CopyState.DAMAGED, WRONG_BYTES)
    books.copies.note([away, Reread(copy=1, at=now, was_gone=True)])
    assert (only(books).state, only(books).why) == (CopyState.GOOD, "")


def test_what_was_in_doubt_and_gone_comes_back_in_doubt_though_its_manifest_says_nothing(
    books: Books, new: NewCopy, now: datetime
) -> None:
    books.copies.note([replace(new, doubts=("its index is not there",)), Gone(copy=1, at=now, why="x"), new])
    assert (only(books).state, only(books).doubts) == (CopyState.DOUBTFUL, ("its index is not there",))


def test_damage_of_one_that_was_written_over_says_nothing_of_the_new_one(
    books: Books, new: NewCopy, now: datetime
) -> None:
    later = replace(new, made_at=now + timedelta(milliseconds=1), manifest_sha256="1" * 64)
    books.copies.note([new, Reread(copy=1, at=now, problem=WRONG_BYTES), later])
    assert (only(books).state, only(books).why) == (CopyState.GOOD, "")


def test_what_a_drill_found_counts_though_the_clock_was_ahead_when_the_copy_was_made(
    books: Books, new: NewCopy, now: datetime
) -> None:
    ahead = replace(new, made_at=now + timedelta(days=30))
    failed = Drill(copy=1, at=now, files=20, bytes=5, seconds=1.5, is_whole=False, problem="no table billing")
    books.copies.note([ahead, Doubted(drill=failed), Reread(copy=1, at=now)])
    assert (only(books).state, only(books).why) == (CopyState.DOUBTFUL, "no table billing")


def test_nor_does_a_clock_that_is_behind_bring_back_what_was_found_in_one_that_was_written_over(
    books: Books, new: NewCopy, now: datetime
) -> None:
    failed = Drill(copy=1, at=now, files=0, bytes=0, seconds=1.5, is_whole=False, problem="it does not unpack")
    earlier = replace(new, made_at=now - timedelta(days=1), manifest_sha256="1" * 64)
    books.copies.note([new, failed, earlier, Reread(copy=1, at=now)])
    assert (only(books).state, only(books).why) == (CopyState.GOOD, "")
    assert books.copies.drills(1) == []


def test_a_drill_that_goes_well_brings_nothing_back_that_was_removed_meanwhile(
    books: Books, new: NewCopy, now: datetime
) -> None:
    drill = Drill(copy=1, at=now, files=20, bytes=5, seconds=7200, is_whole=True)
    books.copies.note([new, Gone(copy=1, at=now, why="beyond what is kept"), drill])
    found = only(books)
    assert (found.state, found.ended_at, found.why) == (CopyState.GONE, now, "beyond what is kept")
    assert (found.restored_at, books.copies.drills(1)) == (None, [drill])


def test_doubt_brings_nothing_back_that_is_gone(books: Books, new: NewCopy, now: datetime) -> None:
    failed = Drill(copy=1, at=now, files=0, bytes=0, seconds=1, is_whole=False, problem="p")
    books.copies.note([new, Gone(copy=1, at=now, why="beyond what is kept"), Doubted(drill=failed)])
    assert (only(books).state, only(books).why) == (CopyState.GONE, "beyond what is kept")


def test_doubt_about_what_it_holds_takes_away_no_damage(books: Books, new: NewCopy, now: datetime) -> None:
    failed = Drill(copy=1, at=now, files=0, bytes=0, seconds=1, is_whole=False, problem="no table billing")
    books.copies.note([new, Reread(copy=1, at=now, problem="its SHA-256 differs"), Doubted(drill=failed)])
    assert (only(books).state, only(books).why) == (CopyState.DAMAGED, "its SHA-256 differs")
    assert books.copies.drills(1) == [failed]


def test_what_is_gone_stays_gone_since_then_and_for_that_reason(books: Books, new: NewCopy, now: datetime) -> None:
    later = Gone(copy=1, at=now + timedelta(days=1), why="nothing of it lies in its store any more")
    books.copies.note([new, Gone(copy=1, at=now, why="beyond what is kept"), later])
    assert (only(books).ended_at, only(books).why) == (now, "beyond what is kept")


def test_one_that_is_gone_stays_known(books: Books, new: NewCopy, now: datetime) -> None:
    books.copies.note([new, Gone(copy=1, at=now, why="beyond what is kept")])
    assert (only(books).state, only(books).ended_at, only(books).why) == (CopyState.GONE, now, "beyond what is kept")
    assert books.copies.lying() == []


def test_one_that_is_found_again_lies_there_again(books: Books, new: NewCopy, now: datetime) -> None:
    books.copies.note([new, Gone(copy=1, at=now, why="it is not there"), Reread(copy=1, at=now, was_gone=True)])
    assert (only(books).state, only(books).ended_at) == (CopyState.GOOD, None)


def test_reading_brings_nothing_back_that_was_removed_meanwhile(books: Books, new: NewCopy, now: datetime) -> None:
    books.copies.note([new, Gone(copy=1, at=now, why="beyond what is kept"), Reread(copy=1, at=now)])
    found = only(books)
    assert (found.state, found.ended_at, found.why) == (CopyState.GONE, now, "beyond what is kept")
    assert (found.reread_at, books.copies.lying()) == (None, [])


def test_one_that_was_removed_by_us_does_not_come_back_damaged(books: Books, new: NewCopy, now: datetime) -> None:
    books.copies.note([new, Gone(copy=1, at=now, why="beyond what is kept"), Reread(copy=1, at=now, problem="gone")])
    assert (only(books).state, only(books).ended_at) == (CopyState.GONE, now)


def test_a_copy_of_the_same_name_is_known_anew_with_all_that_it_is(books: Books, new: NewCopy, now: datetime) -> None:
    books.copies.note([new, Drill(copy=1, at=now, files=1, bytes=1, seconds=1, is_whole=True)])
    books.copies.note([Gone(copy=1, at=now, why="x")])
    again = replace(
        new, run=8, made_at=now + timedelta(days=1), size_bytes=5, of="/etc", key="web1", doubts=("d",), files=3
    )
    books.copies.note([again])
    assert only(books) == Copy(**vars(again), id=1, state=CopyState.DOUBTFUL)


def test_notes_are_written_together_or_not_at_all(books: Books, new: NewCopy, now: datetime) -> None:
    drill = Drill(copy=99, at=now, files=1, bytes=1, seconds=1, is_whole=True)
    with pytest.raises(Exception, match="FOREIGN KEY"):
        books.copies.note([new, drill])
    assert books.copies.lying() == []


def test_a_ledger_of_form_3_gets_a_catalogue_and_keeps_its_rows(tmp_path: Path, new: NewCopy) -> None:
    path = tmp_path / "ledger.db"
    older = Database(path)
    for step in MIGRATIONS[:3]:
        step(older)
    older.execute("INSERT INTO notes(at, author, text) VALUES ('2026-11-20T06:00:00.000000Z', 'boss', 'kept')")
    older.execute("PRAGMA user_version = 3")
    older.conn.commit()
    older.close()
    books = Books.open(path)
    books.copies.note([new])
    assert only(books).id == 1
    books.ledger.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT text FROM notes").fetchall() == [("kept",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    connection.close()
