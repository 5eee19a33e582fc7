from __future__ import annotations

import time as stopwatch
from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsrunner.schedules.parsing import (
    as_written,
    in_units,
    parse_clock,
    parse_clock_range,
    parse_duration,
    parse_offset,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("30m", 1800),
        ("4h", 14400),
        ("8d", 691200),
        ("2w", 1209600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        (" 15m ", 900),
        ("0s", 0),
        ("400d", 34560000),
    ],
)
def test_it_reads_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "30",
        "m",
        "30x",
        "1.5h",
        "-30m",
        "30m1h",
        "1h1h",
        "1e3s",
        "٣٠m",
        "30 minutes",
        "1h  30m",
        "1h30",
        "9999d9999w",
    ],
)
def test_it_refuses_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("2 weeks", "2w"),
        ("30 minutes", "30m"),
        ("1 Hour and 30 mins", "1h30m"),
        ("1 day, 6 hours", "1d6h"),
        ("1day", "1d"),
        ("30 minutes 1 hour", ""),  # not in this order
        ("2 months", ""),
        ("2 weeks or so", ""),
        ("weeks", ""),
        ("2w", ""),
        ("9" * 50 + " days", ""),
    ],
)
def test_it_says_words_in_units(text: str, short: str) -> None:
    assert in_units(text) == short


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (1.5, "1.5"),
        ("a", "'a'"),
        ([None], "a list"),
        ((1,), "a list"),
        ({}, "a mapping"),
    ],
)
def test_it_shows_values_in_the_words_of_yaml(value: object, written: str) -> None:
    assert as_written(value) == written


def test_it_refuses_what_lasts_longer_than_ten_years() -> None:
    with pytest.raises(ValueError, match="longer than ten years"):
        parse_duration("9999w")


def test_a_long_text_is_refused_at_once_and_shown_short() -> None:
    start = stopwatch.thread_time()
    with pytest.raises(ValueError, match="…") as caught:
        parse_duration("1h" * 500_000)
    assert len(str(caught.value)) < 150
    assert stopwatch.thread_time() - start < 0.5


@pytest.mark.parametrize(("text", "seconds"), [("-8d", -691200), ("+4h", 14400), ("4h", 14400), ("-1h30m", -5400)])
def test_an_offset_may_have_a_sign(text: str, seconds: int) -> None:
    assert parse_offset(text) == seconds


@pytest.mark.parametrize("text", ["--8d", "+-8d", "-", "+", "8", "- 8x"])
def test_an_offset_is_a_duration_otherwise(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_offset(text)


@pytest.mark.parametrize(("text", "clock"), [("02:30", time(2, 30)), ("2:30", time(2, 30)), ("23:59", time(23, 59))])
def test_it_reads_times_of_day(text: str, clock: time) -> None:
    assert parse_clock(text) == clock


@pytest.mark.parametrize(
    "text", ["", "2", "230", "02:3", "24:00", "12:60", "02:30:15", "2.30", "-1:0", "०२:३०", "2:30pm"]
)
def test_it_refuses_what_is_no_time_of_day(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time of day"):
        parse_clock(text)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("08:00-20:00", (time(8), time(20))),
        ("22:00 - 07:00", (time(22), time(7))),
        ("16:00-24:00", (time(16), time(0))),
        ("00:00-24:00", (time(0), time(0))),
    ],
)
def test_it_reads_hours_and_24_00_as_their_end(text: str, hours: tuple[time, time]) -> None:
    assert parse_clock_range(text) == hours


@pytest.mark.parametrize("text", ["08:00", "08:00-", "-20:00", "24:00-08:00", "08:00-08:00", "8-20", "08:00–20:00"])
def test_it_refuses_what_are_no_hours(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a|same time"):
        parse_clock_range(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    for parse in (parse_duration, parse_offset, parse_clock, parse_clock_range):
        try:
            assert parse(text) is not None
        except ValueError as exc:
            refusal = str(exc)
            assert "'" in refusal
