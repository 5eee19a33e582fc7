"""Moments as people type them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from opsrunner.cli.moments import parse_day, parse_moment
from opsrunner.errors import UsageError

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 21, 11, 0, tzinfo=UTC)  # Saturday, 12:00 in Oslo


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-11-21T12:00+01:00"),
        ("today", "2026-11-21T00:00+01:00"),
        ("Tomorrow 10:00", "2026-11-22T10:00+01:00"),
        ("fri", "2026-11-27T00:00+01:00"),
        ("sat 10:00", "2026-11-28T10:00+01:00"),  # a weekday is one to come, never today
        ("monday", "2026-11-23T00:00+01:00"),
        ("2026-12-03", "2026-12-03T00:00+01:00"),
        ("2026-12-03 10:00", "2026-12-03T10:00+01:00"),
        ("2026-12-03T10:00:30Z", "2026-12-03T10:00:30+00:00"),
        ("2026-07-03 10:00", "2026-07-03T10:00+02:00"),  # summer time
        ("16:00", "2026-11-21T16:00+01:00"),
        ("08:00", "2026-11-22T08:00+01:00"),  # past today, so tomorrow
        ("+4h", "2026-11-21T16:00+01:00"),
        ("-2d", "2026-11-19T12:00+01:00"),
    ],
)
def test_it_reads_a_moment_on_the_sites_wall_clock(text: str, moment: str) -> None:
    assert parse_moment(text, now=NOW, zone=OSLO) == datetime.fromisoformat(moment)


def test_a_day_as_an_end_is_included() -> None:
    end = parse_moment("2026-12-03", now=NOW, zone=OSLO, edge="end")
    assert end == datetime.fromisoformat("2026-12-04T00:00+01:00")


def test_the_end_of_a_day_with_a_clock_change_is_its_midnight() -> None:
    end = parse_moment("2026-10-25", now=NOW, zone=OSLO, edge="end")  # 25 hours long
    assert end == datetime.fromisoformat("2026-10-26T00:00+01:00")


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "25:00", "+4", "fri fri", "+99999999999d"])
def test_it_refuses_what_is_no_moment_and_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UsageError, match="write it like 2026-12-03"):
        parse_moment(text, now=NOW, zone=OSLO)


@pytest.mark.parametrize("text", ["9999-12-31 23:00", "9999-12-30", "9000-01-02", "0002-01-01", "9998-01-01T00:00Z"])
def test_a_year_that_no_schedule_knows_is_out_of_reach(text: str) -> None:
    with pytest.raises(UsageError, match="is out of reach") as refused:
        parse_moment(text, now=NOW, zone=OSLO)
    assert refused.value.message.isprintable()


def test_what_was_typed_is_told_on_one_line() -> None:
    with pytest.raises(UsageError) as refused:
        parse_moment("soon\nFINE\x1b[2J", now=NOW, zone=OSLO)
    assert refused.value.message.isprintable()


def test_it_reads_a_day() -> None:
    assert parse_day("yesterday", today=date(2026, 3, 1)) == date(2026, 2, 28)
    with pytest.raises(UsageError, match="is not a day"):
        parse_day("10:00", today=date(2026, 3, 1))
