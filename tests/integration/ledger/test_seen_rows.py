from datetime import datetime, timedelta

import pytest

from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.ledger.seen_rows import KEEP
from opsrunner.model.look import Look
from opsrunner.model.run import RunStatus, Trigger


def look(*names: bytes, step: str = "new") -> Look:
    return Look(routine="community", step=step, digests=frozenset(names))


def run_of(books: Books, at: datetime, status: RunStatus = RunStatus.RUNNING) -> int:
    new = NewRun(routine="community", trigger=Trigger.SCHEDULE, status=RunStatus.RUNNING, nominal_at=at)
    run = books.runs.claim(new, at=at)
    assert run is not None
    if status is not RunStatus.RUNNING:
        books.runs.finish(run.id, status=status, reason="", at=at)
    return run.id


def test_what_was_shown_is_known_to_that_step_alone(books: Books, now: datetime) -> None:
    books.seen_rows.write(look(b"a", b"b"), run=run_of(books, now), at=now)

    assert books.seen_rows.known("community", "new", [b"a", b"b", b"c"]) == {b"a", b"b"}
    assert books.seen_rows.known("community", "other", [b"a"]) == frozenset()
    assert books.seen_rows.known("weekly", "new", [b"a"]) == frozenset()


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.INTERRUPTED, RunStatus.CANCELLED])
def test_what_only_a_run_without_a_good_end_has_shown_is_new_again(
    status: RunStatus, books: Books, now: datetime
) -> None:
    books.seen_rows.write(look(b"a"), run=run_of(books, now, status), at=now)
    assert books.seen_rows.known("community", "new", [b"a"]) == frozenset()

    later = now + timedelta(hours=1)
    books.seen_rows.write(look(b"a"), run=run_of(books, later, RunStatus.SUCCEEDED), at=later)
    assert books.seen_rows.known("community", "new", [b"a"]) == {b"a"}


def test_what_was_shown_well_stays_known_when_a_later_run_fails(books: Books, now: datetime) -> None:
    books.seen_rows.write(look(b"a"), run=run_of(books, now, RunStatus.SUCCEEDED), at=now)
    later = now + timedelta(days=30)
    books.seen_rows.write(look(b"a"), run=run_of(books, later, RunStatus.FAILED), at=later)

    assert books.seen_rows.known("community", "new", [b"a"]) == {b"a"}


def test_it_is_known_for_as_long_as_its_source_has_it_and_a_year_more(books: Books, now: datetime) -> None:
    books.seen_rows.write(look(b"gone", b"stays"), run=run_of(books, now), at=now)
    for days in range(50, 600, 50):
        at = now + timedelta(days=days)
        books.seen_rows.write(look(b"stays"), run=run_of(books, at), at=at)
        expected = {b"gone", b"stays"} if timedelta(days=days) <= KEEP else {b"stays"}
        assert books.seen_rows.known("community", "new", [b"gone", b"stays"]) == expected


def test_thousands_are_asked_for_and_written(books: Books, now: datetime) -> None:
    names = [number.to_bytes(16, "big") for number in range(12_000)]
    books.seen_rows.write(look(*names[:10_000]), run=run_of(books, now), at=now)

    assert books.seen_rows.known("community", "new", names) == set(names[:10_000])


def test_a_renamed_routine_knows_what_it_has_shown(books: Books, now: datetime) -> None:
    books.routines.see({"community": "Community"}, at=now)
    books.seen_rows.write(look(b"a"), run=run_of(books, now), at=now)
    books.routines.rename("community", "forums")

    assert books.seen_rows.known("forums", "new", [b"a"]) == {b"a"}
