from __future__ import annotations

import pytest

from opsrunner.schedules.day_words import Period, day_word, parse_days, parse_weekday


@pytest.mark.parametrize(
    ("every", "value", "words"),
    [
        ("week", "monday", ("monday",)),
        ("week", ["Mon", "THU", "tues"], ("monday", "thursday", "tuesday")),
        ("month", 15, ("15",)),
        ("month", "1st", ("1",)),
        ("month", "Last Day", ("last day",)),
        ("month", "first day", ("1",)),
        ("month", "1st tue", ("first tuesday",)),
        ("month", "last  fri", ("last friday",)),
        ("month", ["first business day", 15], ("first business day", "15")),
        ("quarter", "last business day", ("last business day",)),
        ("year", "24 dec", ("24 dec",)),
        ("year", "December 24th", ("24 dec",)),
        ("year", "first monday", ("first monday",)),
    ],
)
def test_it_reads_the_ways_in_which_people_write_days(every: Period, value: object, words: tuple[str, ...]) -> None:
    assert parse_days(value, every=every) == words


@pytest.mark.parametrize(
    ("every", "value", "message"),
    [
        ("week", 15, "for every week write monday"),
        ("week", "mon-fri", "'mon-fri' is not a day of a week"),
        ("month", "monday", "first monday or last monday"),
        ("month", "24 dec", "every: year"),
        ("month", 32, "^32 is not a day"),
        ("month", 0, "^0 is not a day"),
        ("month", -1, "last day"),
        ("month", True, "^true is not a day"),
        ("month", 1.5, "^1.5 is not a day"),
        ("month", "fifth monday", "is not a day of a month"),
        ("month", [], "needs a day"),
        ("month", None, "is not a day"),
        ("month", [15, "15th"], "'15' stands here twice"),
        ("month", "x" * 10_000, "…"),
        ("year", 15, "lacks its month"),
        ("year", "30 feb", "never exists"),
        ("year", "31 apr", "never exists"),
        ("year", "٢٤ dec", "is not a day"),
    ],
)
def test_it_refuses_with_advice(every: Period, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_days(value, every=every)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "word", ["monday", "15", "last day", "first tuesday", "last friday", "last business day", "24 dec", "29 feb"]
)
def test_a_normalised_word_reads_as_itself(word: str) -> None:
    assert str(day_word(word)) == word


def test_a_word_that_is_no_day_is_refused() -> None:
    with pytest.raises(ValueError, match="'someday' is not a day"):
        day_word("someday")


def test_weekdays_count_from_monday() -> None:
    assert [parse_weekday(word) for word in ("Monday", "tue", " sun ")] == [0, 1, 6]
    with pytest.raises(ValueError, match="'day' is not a weekday"):
        parse_weekday("day")
