"""Times without planning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsrunner.engine.unplanned import unplanned
from opsrunner.ledger.books import Books
from opsrunner.ledger.service import Gap

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_gaps_that_follow_on_one_another_are_one(tmp_path: Path) -> None:
    books = Books.open(tmp_path / "ledger.db")
    for start, end, reason in ((5, 4, "not running"), (4, 3, "clock"), (2, 1, "not running"), (-1, -2, "clock")):
        books.service.note_gap(Gap(from_=NOW - start * HOUR, until=NOW - end * HOUR, reason=reason))
    found = unplanned(books, since=NOW - 9 * HOUR, until=NOW)
    assert [(one.from_, one.until) for one in found] == [
        (NOW - 5 * HOUR, NOW - 3 * HOUR),
        (NOW - 2 * HOUR, NOW - HOUR),
    ]
    assert found[0].why == "opsrunner was not running, or could not write; the clock was not believed"
    books.ledger.close()
