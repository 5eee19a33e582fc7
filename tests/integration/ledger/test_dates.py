"""What places said when things end, kept until they say something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from opsrunner.ledger.books import Books
from opsrunner.model.expiry import DateAnswer, KeptText, Resting


def test_an_answer_is_kept_as_it_was_until_the_next(books: Books, now: datetime) -> None:
    full = DateAnswer(
        place="rdap",
        name="a.no",
        answered_at=now,
        ends_at=now + timedelta(days=9),
        by="rdap.norid.no",
        about="auto renew period",
        wrong="x \ud800 y",
        tried_at=now,
        failure="",
    )
    books.dates.keep([full, DateAnswer(place="tls", name="a.no", tried_at=now, failure="refused")])
    kept = books.dates.answers("rdap", ["a.no", "b.no"])
    assert kept == {"a.no": replace(full, wrong="x \ufffd y")}
    assert books.dates.answers("tls", ["a.no"])["a.no"].failure == "refused"
    later = full.after_failure("no answer", at=now + timedelta(hours=1))
    books.dates.keep([later])
    assert books.dates.answers("rdap", ["a.no"])["a.no"] == replace(later, wrong="x \ufffd y")


def test_a_hundred_thousand_names_are_looked_up_by_their_index(books: Books, now: datetime) -> None:
    plain = DateAnswer(place="rdap", name="", answered_at=now, ends_at=now, by="rdap", tried_at=now)
    names = [f"n{number}.no" for number in range(5_000)]
    books.dates.keep([replace(plain, name=name) for name in names])
    assert len(books.dates.answers("rdap", names)) == 5_000


def test_what_nobody_asked_for_any_more_is_forgotten(books: Books, now: datetime) -> None:
    old, new = now - timedelta(days=500), now
    books.dates.keep([DateAnswer(place="rdap", name=f"{at:%Y}.no", tried_at=at) for at in (old, new)])
    assert books.dates.forget(before=now - timedelta(days=400)) == 1
    assert books.dates.forget(before=now - timedelta(days=400)) == 0
    assert list(books.dates.answers("rdap", [f"{old:%Y}.no", f"{new:%Y}.no"])) == [f"{new:%Y}.no"]


def test_a_server_rests_until_it_has_recovered(books: Books, now: datetime) -> None:
    one = Resting(server="rdap.norid.no", until=now, why="busy", faults=1)
    books.dates.rest([one], recovered=[])
    books.dates.rest([replace(one, faults=2)], recovered=["elsewhere"])
    assert books.dates.resting() == {"rdap.norid.no": replace(one, faults=2)}
    books.dates.rest([], recovered=["rdap.norid.no"])
    assert books.dates.resting() == {}


def test_a_fetched_text_is_kept_with_its_age(books: Books, now: datetime) -> None:
    assert books.dates.text("list") is None
    books.dates.keep_text("list", KeptText(text="", fetched_at=None, tried_at=now))
    text = KeptText(text="{}", fetched_at=now, tried_at=now + timedelta(hours=1))
    books.dates.keep_text("list", text)
    assert books.dates.text("list") == text
