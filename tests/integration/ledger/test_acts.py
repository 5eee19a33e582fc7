"""An outward act happens once, whoever asks for it again."""

from __future__ import annotations

import threading
from datetime import datetime
from pathlib import Path

from opsrunner.ledger.books import Books


def test_an_act_begins_once_whichever_run_asks_again(books: Books, now: datetime) -> None:
    begun = [books.acts.begin("welcome-17", run=run, step="mail", at=now) for run in (1, 2)]
    assert begun == [True, False]
    assert books.acts.begin("welcome-18", run=2, step="mail", at=now)


def test_an_act_that_began_stays_begun_through_a_crash(books: Books, now: datetime, tmp_path: Path) -> None:
    books.acts.begin("welcome-17", run=1, step="mail", at=now)
    again = Books.open(tmp_path / "ledger.db")
    try:
        assert not again.acts.begin("welcome-17", run=1, step="mail", at=now)
    finally:
        again.ledger.close()


def test_of_many_who_begin_an_act_at_once_one_does(books: Books, now: datetime) -> None:
    ready, begun = threading.Barrier(4), list[bool]()

    def begin() -> None:
        ready.wait()
        begun.append(books.acts.begin("welcome-17", run=1, step="mail", at=now))

    threads = [threading.Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == [False, False, False, True]
