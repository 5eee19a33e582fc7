"""Moments and spans in words."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsrunner.engine.moment_words import count_words, due_words, duration_words, when_words

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)  # Saturday, 12:00 in Oslo


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (0.42, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),  # never "10.0 s"
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (172_799, "47 h 59 min"),
        (187_200, "2 days 4 h"),
        (-3, "0.0 s"),  # the clock was set back
    ],
)
def test_it_says_how_long_something_took(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(hours=4), "by 16:00"),
        (timedelta(hours=22), "by tomorrow 10:00"),
        (timedelta(days=2), "by Mon 12:00"),
        (timedelta(days=6), "by Fri 12:00"),
        (timedelta(days=7), "by Sat 28 Nov 12:00"),  # "Sat" alone would be today
        (timedelta(days=60), "by Wed 20 Jan 2027 12:00"),
        (timedelta(0), "by 12:00"),
        (-timedelta(seconds=30), "under a minute late"),
        (-timedelta(minutes=12), "12 min late"),
        (-timedelta(hours=47), "47 h late"),
        (-timedelta(days=3, hours=5), "3 days late"),
    ],
)
def test_it_says_when_a_task_is_due(ahead: timedelta, words: str) -> None:
    assert due_words(NOW + ahead, now=NOW, zone=OSLO) == words


def test_it_says_nothing_of_a_task_without_a_due_time() -> None:
    assert due_words(None, now=NOW, zone=OSLO) == ""


def test_days_are_those_of_the_site_not_of_utc() -> None:
    late_evening_utc = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # 00:30 on Sunday in Oslo
    assert when_words(late_evening_utc, now=NOW, zone=OSLO) == "tomorrow 00:30"


def test_a_moment_of_the_past_week_names_its_date() -> None:
    assert when_words(NOW - timedelta(days=3), now=NOW, zone=OSLO) == "Wed 18 Nov 12:00"
    assert when_words(NOW - timedelta(days=1), now=NOW, zone=OSLO) == "yesterday 12:00"


def test_it_counts_one_and_many() -> None:
    assert count_words(1, "task") == "1 task"
    assert count_words(5000, "task") == "5,000 tasks"
    assert count_words(0, "thing needs you", "things need you") == "0 things need you"
