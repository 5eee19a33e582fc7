"""Days and moments as people write them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from opsrunner.schedules.day_names import day_words, moment_words, weekday_word

SATURDAY = date(2026, 11, 21)


def test_a_day_is_said_short_or_long() -> None:
    assert day_words(SATURDAY) == "Sat 21 Nov"
    assert day_words(SATURDAY, style="long") == "Saturday 21 November"
    assert weekday_word(SATURDAY) == "Sat"


def test_a_moment_is_told_on_the_wall_clock_of_the_zone() -> None:
    moment = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)

    assert moment_words(moment, zone=ZoneInfo("Europe/Oslo")) == "Sat 21 Nov 00:30"
    assert moment_words(moment, zone=ZoneInfo("America/New_York")) == "Fri 20 Nov 18:30"
