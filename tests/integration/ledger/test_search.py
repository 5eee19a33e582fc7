"""Looks into what people wrote: bounded, newest first, whatever signs they hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsrunner.engine.matching import has_all
from opsrunner.ledger.books import Books
from opsrunner.ledger.search import Place, TaskFilter, like_pattern
from opsrunner.model.task import Evidence, NewTask, TaskStatus

New = Callable[..., NewTask]
TOP = 2**62


def close(books: Books, new: NewTask, *, at: datetime, note: str = "") -> int:
    task, _ = books.tasks.open(new)
    books.tasks.close(task.id, status=TaskStatus.DONE, by="ops1", evidence=Evidence(note=note), at=at)
    return task.id


def meant(*words: str) -> TaskFilter:
    return TaskFilter(words=words, is_meant=lambda text: has_all(words, text))


def test_a_look_ends_after_so_many_rows_and_says_where(books: Books, new_task: New, now: datetime) -> None:
    ids = [close(books, new_task(title=f"web5 {n}"), at=now + timedelta(minutes=n)) for n in range(5)]
    top = Place(at=now + timedelta(days=1), id=TOP)
    found = books.search.closed_tasks(meant("web5"), since=now, place=top, rows=2, limit=9)
    assert [hit.id for hit in found] == [ids[4], ids[3]]
    end = books.search.closed_after_rows(since=now, place=top, rows=2)
    assert end == books.search.place_of_task(ids[3])
    assert end is not None
    rest = books.search.closed_tasks(meant("web5"), since=now, place=end, rows=9, limit=9)
    assert [hit.id for hit in rest] == [ids[2], ids[1], ids[0]]
    assert books.search.closed_after_rows(since=now, place=end, rows=9) is None
    later = books.search.closed_tasks(meant(), since=now + timedelta(minutes=4), place=top, rows=9, limit=9)
    assert [hit.id for hit in later] == [ids[4]]


def test_tasks_that_closed_at_one_moment_are_all_found_once(books: Books, new_task: New, now: datetime) -> None:
    ids = [close(books, new_task(), at=now) for _ in range(4)]
    place, seen = Place(at=now, id=TOP), []
    while (end := books.search.closed_after_rows(since=now, place=place, rows=1)) is not None:
        seen += [hit.id for hit in books.search.closed_tasks(meant(), since=now, place=place, rows=1, limit=9)]
        place = end
    assert seen == ids[::-1]


def test_title_key_and_note_are_looked_through(books: Books, new_task: New, now: datetime) -> None:
    task = close(books, new_task(title="Pay", key="order-17"), at=now, note='He said "yes \\ no"\nand paid')
    for word in ("pay", "ORDER-17", '"yes', "\\", "paid"):
        found = books.search.closed_tasks(meant(word), since=now, place=Place(at=now, id=TOP), rows=9, limit=9)
        assert [hit.id for hit in found] == [task], word


@pytest.mark.parametrize(
    ("word", "pattern"),
    [
        ("web5", "%web5%"),
        ("100%", "%100\\%%"),
        ("a_b", "%a\\_b%"),
        ("\\", "%\\\\%"),
        ("åsen", "%%sen%"),
        ("bøæl", "%b%l%"),
    ],
)
def test_a_pattern_is_never_more_than_the_word(word: str, pattern: str) -> None:
    assert like_pattern(word) == pattern


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="aA%_\\åÅøØé\"'1", min_size=1, max_size=6), st.sampled_from(["", "x", "Å%"]))
def test_a_word_is_found_whatever_its_signs_and_its_case(books: Books, word: str, around: str) -> None:
    row = books.ledger.one("SELECT ? LIKE ? ESCAPE '\\'", (f"{around}{word.swapcase()}{around}", like_pattern(word)))
    assert row is not None
    assert row[0] == 1
