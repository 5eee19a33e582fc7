from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from opsrunner.errors import ConfigurationError
from opsrunner.model.routine import Due
from opsrunner.model.schedule import Calendar
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.business import add_business_seconds, due_moment

ZONE = "Europe/Oslo"
OFFICE = Calendar(country="NO", working_hours=(time(8), time(17)))
HOUR = 3600


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE))


def shown(moment: datetime) -> str:
    return moment.astimezone(ZoneInfo(ZONE)).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("start", "hours", "expected"),
    [
        ("2026-01-05T09:00", 4, "2026-01-05T13:00"),
        ("2026-01-05T15:00", 4, "2026-01-06T10:00"),  # two hours today, two tomorrow
        ("2026-01-05T13:00", 4, "2026-01-05T17:00"),  # up to the very end
        ("2026-01-05T17:00", 1, "2026-01-06T09:00"),
        ("2026-01-05T22:00", 4, "2026-01-06T12:00"),  # in the night nothing passes
        ("2026-01-05T05:00", 0, "2026-01-05T08:00"),
        ("2026-01-09T16:00", 2, "2026-01-12T09:00"),  # over a weekend
        ("2026-01-10T12:00", 1, "2026-01-12T09:00"),  # from within it
        ("2026-04-01T16:00", 2, "2026-04-07T09:00"),  # over Easter
        ("2026-03-27T16:00", 10, "2026-03-30T17:00"),  # over a change of offset
        ("2026-01-05T08:00", 45, "2026-01-09T17:00"),  # a whole week
    ],
)
def test_only_working_hours_count(start: str, hours: int, expected: str) -> None:
    almanac = Almanac({"business": OFFICE})
    found = add_business_seconds(local(start), hours * HOUR, calendar=OFFICE, almanac=almanac, zone=ZONE)
    assert shown(found) == expected


def test_working_hours_may_end_at_midnight() -> None:
    late = Calendar(working_hours=(time(16), time(0)))
    found = add_business_seconds(
        local("2026-01-05T22:00"), 4 * HOUR, calendar=late, almanac=Almanac({"business": late}), zone=ZONE
    )
    assert shown(found) == "2026-01-06T18:00"


def test_a_calendar_without_business_days_is_an_error() -> None:
    off = Calendar(days_off=tuple(date(2026, 1, 1) + timedelta(days=day) for day in range(500)))
    with pytest.raises(ConfigurationError, match="has no business day"):
        add_business_seconds(
            local("2026-01-05T12:00"), HOUR, calendar=off, almanac=Almanac({"business": off}), zone=ZONE
        )


@pytest.mark.parametrize(
    ("due", "opened", "expected"),
    [
        (Due(at=time(10)), "2026-01-05T03:00", "2026-01-05T10:00"),
        (Due(at=time(10)), "2026-01-05T10:00", "2026-01-06T10:00"),  # it opens too late for today's
        (Due(at=time(10)), "2026-01-05T22:00", "2026-01-06T10:00"),
        (Due(at=time(2, 30)), "2026-03-28T12:00", "2026-03-29T03:00"),  # right after the gap
        (Due(after_seconds=4 * HOUR), "2026-01-09T16:00", "2026-01-09T20:00"),
        (Due(after_seconds=2 * 24 * HOUR), "2026-03-28T12:00", "2026-03-30T12:00"),  # days on the wall
        (Due(after_seconds=4 * HOUR, business=True), "2026-01-09T16:00", "2026-01-12T11:00"),
    ],
)
def test_a_task_is_due_as_it_says(due: Due, opened: str, expected: str) -> None:
    almanac = Almanac({"business": OFFICE})
    assert shown(due_moment(due, opened_at=local(opened), zone=ZONE, almanac=almanac)) == expected


def test_a_due_time_that_says_nothing_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="time of day"):
        due_moment(Due(), opened_at=local("2026-01-05T03:00"), zone=ZONE, almanac=Almanac())
