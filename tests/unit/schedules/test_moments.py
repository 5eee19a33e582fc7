from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pytest

from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import Calendar, CalendarRule, CronRule, Frame, OffsetRule, OnceRule, Schedule
from opsrunner.schedules.almanac import Almanac

MakeRule = Callable[..., CalendarRule]
Ask = Callable[..., list[str]]
DAY, HOUR = 86400, 3600


def test_days_before_another_routine_keep_its_time_on_the_wall(
    rule: MakeRule, frame: Frame, next_on_the_wall: Ask
) -> None:
    window = Schedule(rules=(rule("month", "02:00", on="first sunday"),))
    warning = OffsetRule(of="window", offset_seconds=-8 * DAY, frame=frame)
    almanac = Almanac(schedules={"window": window})
    assert next_on_the_wall(warning, after="2026-03-20", count=3, almanac=almanac) == [
        "2026-03-28T02:00+01:00",  # the window is on 5 April, at 02:00 summer time
        "2026-04-25T02:00+02:00",
        "2026-05-30T02:00+02:00",
    ]


def test_hours_after_another_routine_are_elapsed(rule: MakeRule, frame: Frame, next_on_the_wall: Ask) -> None:
    almanac = Almanac(schedules={"backup": Schedule(rules=(rule("day", "01:00"),))})
    check = OffsetRule(of="backup", offset_seconds=4 * HOUR, frame=frame)
    assert next_on_the_wall(check, after="2026-03-28T04:00", count=2, almanac=almanac) == [
        "2026-03-29T06:00+02:00",
        "2026-03-30T05:00+02:00",
    ]


def test_an_offset_counts_from_the_nominal_moment_and_not_from_the_shifted_one(
    rule: MakeRule, frame: Frame, next_on_the_wall: Ask
) -> None:
    almanac = Almanac(
        {"business": Calendar(days_off=(date(2026, 6, 15),))},
        {"bill": Schedule(rules=(rule("month", "08:00", on="15", on_holiday="next business day"),))},
    )
    reminder = OffsetRule(of="bill", offset_seconds=-3 * DAY, frame=frame)
    assert next_on_the_wall(reminder, after="2026-06-01", count=1, almanac=almanac) == ["2026-06-12T08:00+02:00"]


def test_an_offset_follows_every_rule_and_another_offset(rule: MakeRule, frame: Frame, next_on_the_wall: Ask) -> None:
    almanac = Almanac(
        schedules={
            "window": Schedule(
                rules=(
                    OnceRule(moment=datetime(2026, 5, 10, 2), frame=frame),
                    CronRule(expression="0 2 3 6 *", frame=frame),
                )
            ),
            "warning": Schedule(rules=(OffsetRule(of="window", offset_seconds=-2 * DAY, frame=frame),)),
        }
    )
    early = OffsetRule(of="warning", offset_seconds=-DAY, frame=frame)
    assert next_on_the_wall(early, after="2026-05-01", count=2, almanac=almanac) == [
        "2026-05-07T02:00+02:00",
        "2026-05-31T02:00+02:00",
    ]


def test_moments_that_an_offset_puts_on_the_same_wall_time_are_one(frame: Frame, next_on_the_wall: Ask) -> None:
    hourly = Schedule(rules=(CronRule(expression="0 * * * *", frame=frame),))
    a_day_later = OffsetRule(of="hourly", offset_seconds=DAY, frame=frame)
    found = next_on_the_wall(
        a_day_later, after="2026-10-25T22:30", count=5, almanac=Almanac(schedules={"hourly": hourly})
    )
    assert [text[11:16] for text in found] == ["00:00", "01:00", "02:00", "03:00", "04:00"]


def test_an_offset_of_an_unknown_routine_is_an_error(frame: Frame, next_on_the_wall: Ask) -> None:
    lost = OffsetRule(of="windo", offset_seconds=-DAY, frame=frame)
    with pytest.raises(ConfigurationError, match="no routine 'windo'"):
        next_on_the_wall(lost, after="2026-01-01", count=1)


def circle(frame: Frame, **of: str) -> dict[str, Schedule]:
    return {
        name: Schedule(rules=(OffsetRule(of=other, offset_seconds=-DAY, frame=frame),)) for name, other in of.items()
    }


def test_offsets_in_a_circle_are_an_error_and_no_loop(frame: Frame, next_on_the_wall: Ask) -> None:
    almanac = Almanac(schedules=circle(frame, a="b", b="c", c="a"))
    with pytest.raises(ConfigurationError, match="circle: b → c → a → b"):
        next_on_the_wall(
            OffsetRule(of="b", offset_seconds=0, frame=frame), after="2026-01-01", count=1, almanac=almanac
        )
