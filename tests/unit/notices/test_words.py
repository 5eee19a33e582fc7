"""Ladders as people write them."""

from __future__ import annotations

import pytest

from opsrunner.model.notice import Ladder, Rung
from opsrunner.notices.words import parse_ladder, parse_rung

DAY = 86400
READ = [
    ("30d", Rung(name="30d", offset_days=-30)),
    ("2w", Rung(name="2w", offset_days=-14)),
    ("24h", Rung(name="24h", offset_seconds=-DAY)),
    ("1d12h", Rung(name="1d12h", offset_days=-1, offset_seconds=-DAY // 2)),
    ("7d before", Rung(name="7d before", offset_days=-7)),
    ("2h before end", Rung(name="2h before end", anchor="until", offset_seconds=-7200)),
    ("start", Rung(name="start")),
    ("end", Rung(name="end", anchor="until")),
    ("3d after", Rung(name="3d after", anchor="until", offset_days=3)),
    ("3d after start", Rung(name="3d after start", offset_days=3)),
    ("every 30m via: status_page", Rung(name="every 30m", every_seconds=1800, via="status_page")),
    ({"every 30m via": "status_page"}, Rung(name="every 30m", every_seconds=1800, via="status_page")),
    ("  24h   via: mail ", Rung(name="24h", offset_seconds=-DAY)),
]
REFUSED = [
    ("24 hours", "'24 hours' is no rung of a ladder\nwrite 24h"),
    ("30 days before", "'30 days before' is no rung of a ladder\nwrite 30d before"),
    ("30", "'30' is no rung of a ladder\nwrite it like 30d, 24h, start, every 30m, end or 3d after"),
    (30, "30 is no rung of a ladder\nwrite it like 30d, 24h, start, every 30m, end or 3d after"),
    ({"every": "30m"}, "a mapping is no rung of a ladder\nwrite it like 30d, 24h, start, every 30m, end or 3d after"),
    ("soon", "'soon' is no rung of a ladder\nwrite it like 30d, 24h, start, every 30m, end or 3d after"),
    ("", "'' is no rung of a ladder\nwrite it like 30d, 24h, start, every 30m, end or 3d after"),
    ("0d", "'0d' is the moment itself\nwrite start"),
    ("0h after end", "'0h after end' is the moment itself\nwrite end"),
    ("every 10s", "'every 10s' is more often than once a minute"),
    ("24h via: status-page", "'24h via: status-page' goes no way that is known, did you mean 'status_page'?"),
    ("24h via: fax", "'24h via: fax' goes no way that is known; there are: mail, status_page"),
    ("moved", "'moved' is told by itself where the notice says moved: tell\nleave it out of the ladder"),
]
WITHOUT_END = [
    ("end", "'end' counts from the end, and the notice has no until\nsay until, or write start"),
    ("3d after end", "'3d after end' counts from the end, and the notice has no until\nsay until, or write start"),
    ("every 30m", "'every 30m' has no end: the notice has no until"),
]


@pytest.mark.parametrize(("word", "rung"), READ, ids=[str(word) for word, _ in READ])
def test_a_rung_is_read(word: object, rung: Rung) -> None:
    assert parse_rung(word, has_until=True) == rung


@pytest.mark.parametrize(("word", "message"), REFUSED, ids=[str(word) for word, _ in REFUSED])
def test_what_is_no_rung_is_refused_with_advice(word: object, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_rung(word, has_until=True)
    assert str(refused.value) == message


@pytest.mark.parametrize(("word", "message"), WITHOUT_END, ids=[word for word, _ in WITHOUT_END])
def test_a_rung_from_the_end_needs_one(word: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_rung(word, has_until=False)
    assert str(refused.value) == message


def test_after_counts_from_the_moment_where_nothing_ends() -> None:
    assert parse_rung("3d after", has_until=False) == Rung(name="3d after", offset_days=3)


def test_a_ladder_is_its_rungs_in_the_order_of_the_file() -> None:
    ladder = parse_ladder(["7d", "24h", "start", {"every 30m via": "status_page"}, "end"], has_until=True)
    assert ladder.words == ("7d", "24h", "start", "every 30m via: status_page", "end")
    assert ladder.of("status_page") == Ladder(rungs=(Rung(name="every 30m", every_seconds=1800, via="status_page"),))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a ladder needs a rung\nwrite it like 30d, 24h, start, every 30m, end or 3d after"),
        (["7d", "7d"], "the rung '7d' stands there twice"),
        ([f"{number}d" for number in range(1, 22)], "a ladder has at most 20 rungs; this one has 21"),
    ],
    ids=["empty", "twice", "too many"],
)
def test_a_wrong_ladder_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_ladder(words, has_until=False)
    assert str(refused.value) == message
