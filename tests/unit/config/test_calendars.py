from __future__ import annotations

from datetime import date, time
from typing import Any

import pytest
from pydantic import ValidationError

from opsrunner.config.calendars import CalendarKeys, DigestKeys, FreezeKeys
from opsrunner.model.schedule import Calendar, CalendarRule, Frame, Freeze, Schedule


def test_a_calendar_says_country_hours_and_days_off() -> None:
    keys = CalendarKeys.model_validate({"country": "NO", "working_hours": "09:00-16:00", "days_off": ["2026-12-24"]})
    assert keys.to_calendar("office") == Calendar(
        name="office", country="NO", working_hours=(time(9), time(16)), days_off=(date(2026, 12, 24),)
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"country": "no"}, "did you mean 'NO'"),
        ({"country": "DE", "subdivision": "XX"}, "no subdivision 'XX'"),
        ({"subdivision": "BY"}, "needs its country"),
        ({"working_hours": "22:00-06:00"}, "cannot pass midnight"),
        ({"days_off": ["24 dec"]}, "'24 dec' is not a date"),
    ],
)
def test_a_wrong_calendar_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CalendarKeys.model_validate(data)


def test_a_freeze_says_its_days_tags_and_reason() -> None:
    keys = FreezeKeys.model_validate(
        {"from": "2026-12-10", "until": "2027-01-03", "tags": "changes", "reason": "Season"}
    )
    assert keys.to_freeze() == Freeze(
        from_=date(2026, 12, 10), until=date(2027, 1, 3), tags=("changes",), reason="Season"
    )


def test_a_freeze_cannot_end_before_it_begins() -> None:
    with pytest.raises(ValidationError, match="`until: 2026-01-03` lies before `from: 2026-12-10`"):
        FreezeKeys.model_validate({"from": "2026-12-10", "until": "2026-01-03", "tags": ["x"], "reason": "Season"})


def test_digest_times_are_schedules_of_the_site() -> None:
    keys = DigestKeys.model_validate({"daily": "07:00", "weekly": "mon 07:30", "monthly": "1 8:00", "to": ["boss"]})
    times = keys.to_times(timezone="Europe/Oslo")
    frame = Frame(timezone="Europe/Oslo")
    assert times.to == ("boss",)
    assert times.daily == Schedule(rules=(CalendarRule(every="day", at=(time(7),), frame=frame),))
    assert times.weekly == Schedule(rules=(CalendarRule(every="week", on=("monday",), at=(time(7, 30),), frame=frame),))
    assert times.monthly == Schedule(rules=(CalendarRule(every="month", on=("1",), at=(time(8),), frame=frame),))


def test_a_series_without_a_time_is_off() -> None:
    times = DigestKeys.model_validate({"daily": "07:00"}).to_times(timezone="UTC")
    assert (times.weekly, times.monthly, times.to) == (None, None, ("owner",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"daily": 420}, "in quotes"),
        ({"daily": "mon 07:00"}, "is not a time of day"),
        ({"weekly": "07:00"}, "is not a day and a time"),
        ({"weekly": "someday 07:00"}, "is not a weekday"),
        ({"monthly": "31 07:00"}, "1 to 28"),
        ({"monthly": "¹ 07:00"}, "1 to 28"),
        ({"yearly": "07:00"}, "Extra"),
    ],
)
def test_wrong_digest_times_are_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DigestKeys.model_validate(data)
