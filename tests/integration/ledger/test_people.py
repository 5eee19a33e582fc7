"""Leave, swaps, cover and shift notes in the ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from opsrunner.ledger.books import Books
from opsrunner.model.person import Absence

DAY = timedelta(days=1)


def test_an_absence_comes_back_as_it_was_entered_until_it_is_over(books: Books, now: datetime) -> None:
    entered = Absence(
        id=0,
        kind="swap",
        person="ops1",
        other="ops2",
        roster="on-call",
        from_=now,
        until=now + DAY,
        reason="A wedding",
        entered_by="ops1",
    )
    absence_id = books.absences.enter(entered, at=now)
    assert books.absences.live(since=now + DAY - timedelta(seconds=1)) == [replace(entered, id=absence_id)]
    assert books.absences.live(since=now + DAY) == []


def test_an_absence_that_is_to_come_is_live_already(books: Books, now: datetime) -> None:
    leave = Absence(id=0, kind="leave", person="ops1", other=None, roster=None, from_=now + DAY, until=now + 2 * DAY)
    books.absences.enter(leave, at=now)
    assert [(absence.person, absence.other, absence.roster) for absence in books.absences.live(since=now)] == [
        ("ops1", None, None)
    ]


def test_an_absence_is_taken_back_once(books: Books, now: datetime) -> None:
    leave = Absence(id=0, kind="leave", person="ops1", other=None, roster=None, from_=now, until=now + DAY)
    first, second = books.absences.enter(leave, at=now), books.absences.enter(leave, at=now)
    assert [books.absences.end(first, at=now) for _ in range(2)] == [True, False]
    assert not books.absences.end(99, at=now)
    assert [absence.id for absence in books.absences.live(since=now)] == [second]


def test_shift_notes_come_newest_first(books: Books, now: datetime) -> None:
    for number in range(3):
        books.notes.add(f"note {number}", author="ops1", at=now + number * DAY)
    notes = books.notes.since(now + DAY)
    assert [(note.text, note.author, note.at) for note in notes] == [
        ("note 2", "ops1", now + 2 * DAY),
        ("note 1", "ops1", now + DAY),
    ]
