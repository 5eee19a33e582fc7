from __future__ import annotations

import json
import re
import time as stopwatch
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsrunner.errors import ConfigurationError
from opsrunner.schedules.cron import cron_times, parse_cron
from opsrunner.schedules.cron_words import cron_in_words

from ...patience import raised, within

DATA = Path(__file__).parents[2] / "data" / "cron"
VECTORS: list[dict[str, Any]] = json.loads((DATA / "vectors.json").read_text(encoding="utf-8"))
INVALID: list[dict[str, str]] = json.loads((DATA / "invalid.json").read_text(encoding="utf-8"))


def after(expression: str, moment: str, zone: str, count: int = 3) -> list[str]:
    start = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))
    return [
        found.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")
        for found in islice(cron_times(expression, after=start, zone=zone), count)
    ]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_it_does_what_debian_cron_does(vector: dict[str, Any]) -> None:
    expected = [datetime.fromisoformat(text) for text in vector["expect"]]
    found = cron_times(vector["expr"], after=datetime.fromisoformat(vector["after"]), zone=vector["tz"])
    assert list(islice(found, len(expected))) == expected


@pytest.mark.parametrize("case", INVALID, ids=lambda case: ascii(case["expr"]))
def test_it_refuses_what_is_no_expression_in_one_line_and_at_once(case: dict[str, str]) -> None:
    def parse() -> ConfigurationError:
        return raised(ConfigurationError, lambda: parse_cron(case["expr"]))

    refused = within(1, parse, clock=stopwatch.thread_time)
    assert "\n" not in refused.message


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 0 2 * * *", "six fields"),  # Quartz and APScheduler begin with seconds
        ("@reboot", "systemd"),
        ("@fortnightly", "@weekly"),
        ("61 * * * *", "minute"),
        ("* * * * 8", "0 and 7 are Sunday"),
        ("* * * * fri-sun", "range goes upwards (fri-7)"),
        ("0 0 30 2 *", "day of the month"),
        ("0 0 */100 * MON#4", "never matches"),
        ("1 2 3 4 ſun", "character"),  # the long s turns into S when it is made a capital
        ("1 2 3 4 \x00", "character"),
        ("1\u00a02 * * *", "character"),  # a no-break space would split like a space
        ("*/5 " * 200, "500"),
        ("9" * 490 + " * * * *", "minute"),
    ],
)
def test_its_refusal_names_what_is_wrong(expression: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        parse_cron(expression)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("@hourly", "2026-03-04T13:00+00:00"),
        ("@daily", "2026-03-05T00:00+00:00"),
        ("@midnight", "2026-03-05T00:00+00:00"),
        ("@weekly", "2026-03-08T00:00+00:00"),  # Sunday
        ("@monthly", "2026-04-01T00:00+00:00"),
        ("@yearly", "2027-01-01T00:00+00:00"),
        ("@Annually", "2027-01-01T00:00+00:00"),
    ],
)
def test_it_knows_the_names_that_cron_knows(name: str, first: str) -> None:
    assert after(name, "2026-03-04T12:30", "UTC", 1) == [first]


@pytest.mark.parametrize(
    ("weekdays", "days", "words"),
    [
        # 1 March 2026 is a Sunday
        ("0", [1, 8], "on Sunday"),
        ("7", [1, 8], "on Sunday"),
        ("SUN", [1, 8], "on Sunday"),
        ("1-5", [2, 3, 4, 5, 6, 9], "on Monday through Friday"),
        ("mon-fri", [2, 3, 4, 5, 6, 9], "on Monday through Friday"),
        ("5-7", [1, 6, 7, 8], "on Friday through Sunday"),
        ("wed#1", [4], "on the first Wednesday of the month"),
        ("*/2", [1, 3, 5, 7, 8, 10], "on Tuesday, Thursday, Saturday, and Sunday"),
        ("6,7", [1, 7, 8], "on Saturday and Sunday"),
        ("0,7", [1, 8], "on Sunday"),
        ("1-5/2", [2, 4, 6, 9], "on Monday, Wednesday, and Friday"),
        ("1,2,3,4,5", [2, 3, 4, 5, 6, 9], "on Monday through Friday"),
        ("1-7", [1, 2, 3, 4], "every day"),
    ],
)
def test_a_weekday_means_what_cron_means(weekdays: str, days: list[int], words: str) -> None:
    expression = f"30 2 * * {weekdays}"
    found = after(expression, "2026-02-28T12:00", "UTC", len(days))
    assert [int(text[8:10]) for text in found] == days
    assert cron_in_words(expression) == f"at 02:30 {words}"


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 9 31 * *", "at 09:00 on the 31st day of every month"),
        ("0 9 2,11,22 * *", "at 09:00 on the second, the 11th, and the 22nd day of the month"),
        ("*/53 * * * *", "every 53rd minute of every hour"),
        ("0 9 13 * fri", "at 09:00 on the 13th day of the month or on Friday"),  # either of the two
        ("0 9 */2 * fri", "at 09:00 on every second day of the month if it's on Friday"),  # both
        ("0 9 1-7 * 1,3", "at 09:00 on every day of the month from 1 through 7 or on Monday and Wednesday"),
        ("*/90 * * * *", "at the start of every hour"),  # not every 90 minutes
        ("30 */24 * * *", "at 00:30 every day"),
    ],
)
def test_its_words_promise_nothing_that_does_not_fire(expression: str, words: str) -> None:
    assert cron_in_words(expression) == words


def test_a_fifth_wednesday_comes_only_in_months_that_have_one() -> None:
    assert after("0 9 * * wed#5", "2026-01-01T00:00", "UTC") == [
        "2026-04-29T09:00+00:00",
        "2026-07-29T09:00+00:00",
        "2026-09-30T09:00+00:00",
    ]


def test_it_finds_the_rarest_day_across_a_century_without_a_leap_year() -> None:
    assert after("0 0 */29 2 MON", "2084-03-01T00:00", "UTC", 40)[-1] > "2100"
    assert after("0 0 29 2 *", "2096-03-01T00:00", "UTC", 1) == ["2104-02-29T00:00+00:00"]


def test_what_is_asked_within_the_second_coming_of_an_hour_is_never_answered_with_the_past() -> None:
    moment = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)  # 01:10 in New York, the second time
    (first,) = islice(cron_times("30 1 * * *", after=moment, zone="America/New_York"), 1)
    assert first == datetime(2026, 11, 2, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "zone", "moment", "expected"),
    [
        # a half-hour overlap (02:00 → 01:30) before the hour that is meant
        (
            "*/20 3 * * *",
            "Australia/Lord_Howe",
            "2026-04-05T00:00",
            ["05T03:00+10:30", "05T03:20+10:30", "05T03:40+10:30"],
        ),
        # a wildcard job follows the wall: the left-out hour is left out …
        ("*/30 2-3 * * *", "Europe/Oslo", "2026-03-29T00:00", ["29T03:00+02:00", "29T03:30+02:00", "30T02:00+02:00"]),
        # … also where the day begins with it (00:00 → 01:00)
        ("*/30 0 * * fri", "Africa/Cairo", "2026-04-23T12:00", ["01T00:00+03:00", "01T00:30+03:00", "08T00:00+03:00"]),
        # … and the repeated one comes twice
        ("*/60 2 * * *", "Europe/Oslo", "2026-10-24T12:00", ["25T02:00+02:00", "25T02:00+01:00", "26T02:00+01:00"]),
        # a job at a fixed time runs once
        ("0 2 * * *", "Europe/Oslo", "2026-10-24T12:00", ["25T02:00+02:00", "26T02:00+01:00", "27T02:00+01:00"]),
        # a gap that ends with the day: 23:00 → 00:00
        ("30 23 * * *", "America/Nuuk", "2026-03-28T12:00", ["29T00:00-01:00", "29T23:30-01:00", "30T23:30-01:00"]),
    ],
)
def test_it_follows_debian_over_changes_of_offset(expression: str, zone: str, moment: str, expected: list[str]) -> None:
    assert [text[8:] for text in after(expression, moment, zone)] == expected


def test_a_date_that_a_zone_left_out_has_no_job() -> None:
    assert after("30 2 * * *", "2011-12-29T00:00", "Pacific/Apia", 2) == [
        "2011-12-29T02:30-10:00",
        "2011-12-31T02:30+14:00",
    ]


FIELD = st.sampled_from(["*", "*/2", "*/7", "1-5", "0,3,6", "2", "5/3"])
ZONES = st.sampled_from(["Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Nuuk"])
CHANGES = st.sampled_from([(2026, 3, 7), (2026, 3, 28), (2026, 4, 4), (2026, 4, 23), (2026, 10, 3), (2026, 10, 24)])


@settings(max_examples=60, deadline=None)
@given(minute=FIELD, hour=FIELD, weekday=st.sampled_from(["*", "0", "4-7"]), zone=ZONES, day=CHANGES)
def test_a_wildcard_job_runs_whenever_the_wall_clock_shows_its_time(
    minute: str, hour: str, weekday: str, zone: str, day: tuple[int, int, int]
) -> None:
    if not (minute.startswith("*") or hour.startswith("*")):
        hour = "*"
    start, end = datetime(*day, tzinfo=UTC), datetime(*day, tzinfo=UTC) + timedelta(days=3)
    parsed = parse_cron(f"{minute} {hour} * * {weekday}")
    minutes = (start + timedelta(minutes=passed) for passed in range(1, 3 * 1440 + 1))
    walls = ((moment, moment.astimezone(ZoneInfo(zone))) for moment in minutes)
    expected = [moment for moment, wall in walls if wall.time() in parsed.clocks and parsed.matches(wall.date())]
    found = []
    for moment in cron_times(parsed.text, after=start, zone=zone):
        if moment > end:
            break
        found.append(moment)
    assert found == expected


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="0123456789*/,-#LWmonsujaf @?", max_size=30))
def test_any_text_is_an_expression_or_a_refusal(text: str) -> None:
    try:
        parsed = parse_cron(text)
    except ConfigurationError:
        return
    assert parsed.clocks
    assert cron_in_words(text)
