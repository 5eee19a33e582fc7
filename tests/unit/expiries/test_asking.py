"""Which domains a registry is asked for today."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsrunner.expiries.asking import Turns
from opsrunner.expiries.collecting import DOMAIN, Collected, Entry
from opsrunner.expiries.judging import Judge
from opsrunner.model.expiry import DateAnswer

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
JUDGE = Judge(now=NOW, zone=ZoneInfo("UTC"), within=timedelta(days=60), agree_within=timedelta(days=2))
FAR = date(2028, 1, 1)


class Book:
    """Domains as billing and the registry know them."""

    def __init__(self) -> None:
        self.collected = Collected(zone=ZoneInfo("UTC"), columns=[])
        self.entries: dict[str, Entry] = {}
        self.known: dict[str, DateAnswer] = {}

    def add(
        self, name: str, billing: date | None, *, rdap: date | None = None, age: timedelta | None = None,
        tried: timedelta | None = None, failure: str = "",
    ) -> None:  # fmt: skip
        entry = self.entries[name] = self.collected.entry(DOMAIN, name)
        self.collected.add_date(entry, billing, place="billing")
        if age is None and tried is None:
            return
        self.known[name] = DateAnswer(
            place="rdap",
            name=name,
            answered_at=None if age is None else NOW - age,
            ends_at=None if rdap is None else datetime(rdap.year, rdap.month, rdap.day, tzinfo=UTC),
            by="rdap",
            tried_at=NOW - (tried or age or timedelta(0)),
            failure=failure,
        )
        self.collected.answer(entry, self.known[name], is_trusted=True)

    def turns(self, most: int = 100) -> Turns:
        turns = Turns(judge=JUDGE, refresh=timedelta(days=30), most=most)
        for name, entry in self.entries.items():
            turns.offer(name, entry, self.known.get(name))
        return turns

    def names(self, most: int = 100) -> list[str]:
        return list(self.turns(most).names())


DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CASES = [
    pytest.param(FAR, {}, True, id="never asked"),
    pytest.param(None, {}, True, id="never asked, and nobody knows"),
    pytest.param(FAR, {"rdap": FAR, "age": 10 * DAY}, False, id="far, and asked not long ago"),
    pytest.param(FAR, {"rdap": FAR, "age": 31 * DAY}, True, id="far, and asked long ago"),
    pytest.param(date(2026, 12, 1), {"rdap": date(2026, 12, 1), "age": 2 * HOUR}, True, id="near"),
    pytest.param(date(2026, 12, 1), {"rdap": date(2026, 12, 1), "age": HOUR / 2}, False, id="near, asked just now"),
    pytest.param(date(2027, 12, 1), {"rdap": date(2026, 12, 1), "age": 2 * HOUR}, True, id="renewed, says billing"),
    pytest.param(FAR, {"rdap": date(2029, 1, 1), "age": 2 * HOUR}, True, id="they differ"),
    pytest.param(None, {"tried": 2 * HOUR, "failure": "x"}, True, id="nobody knows, and it did not answer"),
    pytest.param(FAR, {"tried": 2 * HOUR, "failure": "x"}, False, id="far, and it did not answer"),
    pytest.param(FAR, {"tried": 21 * HOUR, "failure": "x"}, True, id="far, and it did not answer yesterday"),
]  # fmt: skip


@pytest.mark.parametrize(("billing", "rdap", "is_asked"), CASES)
def test_a_name_is_asked_for_when_it_matters(billing: date | None, rdap: dict, is_asked: bool) -> None:  # type: ignore[type-arg]
    book = Book()
    book.add("a.no", billing, **rdap)
    assert (book.names() == ["a.no"]) is is_asked


def test_what_nobody_knows_goes_first_then_what_is_near_then_what_is_oldest() -> None:
    book = Book()
    book.add("old.no", FAR, rdap=FAR, age=40 * DAY)
    book.add("older.no", FAR, rdap=FAR, age=50 * DAY)
    book.add("new.no", FAR)
    book.add("near.no", date(2026, 12, 1))
    book.add("unknown.no", None)
    assert book.names() == ["unknown.no", "near.no", "new.no", "older.no", "old.no"]
    turns = book.turns(most=2)
    assert turns.names() == {"unknown.no": None, "near.no": None}
    assert turns.left == 3


def test_a_hundred_thousand_names_have_each_their_turn() -> None:
    book = Book()
    for number in range(500):
        book.add(f"n{number}.no", FAR)
    seen: set[str] = set()
    for _ in range(10):
        turns = book.turns(most=50)
        names = set(turns.names())
        assert len(names) == 50
        assert turns.left == 500 - len(seen) - 50
        assert not names & seen
        seen |= names
        for name in names:
            book.known[name] = DateAnswer(place="rdap", name=name, answered_at=NOW, ends_at=None, tried_at=NOW)
    assert book.names() == []
