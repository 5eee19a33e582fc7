"""The audit keeps what was done and lets nobody change it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from opsrunner.errors import LedgerConflict
from opsrunner.ledger.books import Books


def test_it_keeps_who_did_what_when_and_from_where(books: Books, now: datetime) -> None:
    books.audit.add("tick", "task 12", actor="ops1", at=now, detail="done", address="192.0.2.7")
    books.audit.add("undo", "task 12", actor="ops1", at=now + timedelta(seconds=5))
    books.audit.add("tick", "task 1", actor="ops1", at=now)
    records = books.audit.about("task 12")
    assert [(record.action, record.detail, record.address) for record in records] == [
        ("tick", "done", "192.0.2.7"),
        ("undo", "", "cli"),
    ]
    assert (records[0].at, records[0].actor, records[0].subject) == (now, "ops1", "task 12")


@pytest.mark.parametrize(
    "sql", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "INSERT OR REPLACE INTO audit"]
)
def test_a_record_can_be_neither_changed_nor_removed(books: Books, now: datetime, tmp_path: Path, sql: str) -> None:
    books.audit.add("tick", "task 12", actor="ops1", at=now)
    if sql.startswith("INSERT"):
        sql += " SELECT id, at, 'nobody', address, action, subject, detail FROM audit"
    again = Books.open(tmp_path / "ledger.db")
    with pytest.raises(LedgerConflict, match="append-only"):
        again.ledger.change(sql)
    again.ledger.close()
    assert [record.actor for record in books.audit.about("task 12")] == ["ops1"]


def test_text_of_any_kind_is_data(books: Books, now: datetime) -> None:
    subject = "task 1'; DROP TABLE audit; --"
    books.audit.add("tick", subject, actor="x' OR '1'='1", at=now, detail="%s {0} {{ 7*7 }}")
    (record,) = books.audit.about(subject)
    assert (record.actor, record.detail) == ("x' OR '1'='1", "%s {0} {{ 7*7 }}")
