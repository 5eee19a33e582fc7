from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from opsrunner.errors import ConfigurationError
from opsrunner.model.schedule import (
    Calendar,
    CalendarRule,
    CronRule,
    Frame,
    IntervalRule,
    Occurrence,
    OnceRule,
    Rule,
    Schedule,
)
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import next_to_run, occurrences, upcoming

MakeRule = Callable[..., CalendarRule]
Ask = Callable[..., list[str]]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def planned_days(rule: Rule, after: str, count: int, almanac: Almanac) -> list[str]:
    found = upcoming(Schedule(rules=(rule,)), after=moment(after), count=count, almanac=almanac)
    return [occurrence.planned_at.date().isoformat() for occurrence in found]


DAYS = [
    # every, on, short_months, after, the next days
    ("day", "", None, "2026-02-27", ["2026-02-27", "2026-02-28", "2026-03-01"]),
    ("weekday", "", None, "2026-04-02T12:00", ["2026-04-03", "2026-04-06", "2026-04-07"]),  # holidays too
    ("business day", "", None, "2026-04-01T12:00", ["2026-04-07", "2026-04-08", "2026-04-09"]),  # Easter
    ("week", "monday, thursday", None, "2026-02-27", ["2026-03-02", "2026-03-05", "2026-03-09"]),
    ("month", "15", None, "2026-01-20", ["2026-02-15", "2026-03-15", "2026-04-15"]),
    ("month", "1, 15", None, "2026-01-20", ["2026-02-01", "2026-02-15", "2026-03-01"]),
    ("month", "31", "skip", "2026-01-01", ["2026-01-31", "2026-03-31", "2026-05-31"]),
    ("month", "31", "last day", "2026-01-01", ["2026-01-31", "2026-02-28", "2026-03-31"]),
    ("month", "29", "last day", "2027-12-30", ["2028-01-29", "2028-02-29", "2028-03-29"]),
    ("month", "29", "skip", "2027-01-30", ["2027-03-29", "2027-04-29", "2027-05-29"]),
    ("month", "last day", None, "2028-01-15", ["2028-01-31", "2028-02-29", "2028-03-31"]),
    ("month", "31, last day", "last day", "2026-01-15", ["2026-01-31", "2026-02-28", "2026-03-31"]),
    ("month", "first tuesday", None, "2026-08-15", ["2026-09-01", "2026-10-06", "2026-11-03"]),
    ("month", "fourth sunday", None, "2026-01-15", ["2026-01-25", "2026-02-22", "2026-03-22"]),
    ("month", "last friday", None, "2026-01-15", ["2026-01-30", "2026-02-27", "2026-03-27"]),
    ("month", "second business day", None, "2026-04-15", ["2026-05-05", "2026-06-02", "2026-07-02"]),
    ("quarter", "15", None, "2026-02-20", ["2026-04-15", "2026-07-15", "2026-10-15"]),
    ("quarter", "31", "skip", "2026-01-01", ["2026-01-31", "2026-07-31", "2026-10-31"]),
    ("quarter", "last day", None, "2026-01-31T12:00", ["2026-03-31", "2026-06-30", "2026-09-30"]),
    ("quarter", "first monday", None, "2026-02-20", ["2026-04-06", "2026-07-06", "2026-10-05"]),
    ("quarter", "last business day", None, "2026-05-20", ["2026-06-30", "2026-09-30", "2026-12-31"]),
    ("year", "24 dec", None, "2026-12-24T12:00", ["2027-12-24", "2028-12-24", "2029-12-24"]),
    ("year", "29 feb", "skip", "2027-01-01", ["2028-02-29", "2032-02-29", "2036-02-29"]),
    ("year", "29 feb", "last day", "2026-01-01", ["2026-02-28", "2027-02-28", "2028-02-29"]),
    ("year", "1 jan, last business day", None, "2026-01-02", ["2026-12-31", "2027-01-01", "2027-12-31"]),
]


@pytest.mark.parametrize(("every", "on", "short", "after", "expected"), DAYS)
def test_each_form_is_due_on_its_days(
    rule: MakeRule, norway: Almanac, every: str, on: str, short: str | None, after: str, expected: list[str]
) -> None:
    assert planned_days(rule(every, "08:00", on=on, short=short), after, 3, norway) == expected


@pytest.mark.parametrize(
    ("on", "month", "days_off", "expected"),
    [
        ("last business day", "2026-02-01", (), "2026-02-27"),  # the 28th is a Saturday
        ("last business day", "2026-05-01", (), "2026-05-29"),  # 31 May is a Sunday
        ("last business day", "2026-12-01", (date(2026, 12, 31),), "2026-12-30"),
        ("first business day", "2026-01-01", (), "2026-01-02"),  # New Year's Day
        ("first business day", "2026-05-01", (), "2026-05-04"),  # Labor Day, a Friday
        ("first business day", "2026-04-01", (date(2026, 4, 1),), "2026-04-07"),  # a day off, then Easter
    ],
)
def test_business_days_of_a_month_pass_over_weekends_and_holidays(
    rule: MakeRule, on: str, month: str, days_off: tuple[date, ...], expected: str
) -> None:
    almanac = Almanac({"business": Calendar(country="NO", days_off=days_off)})
    assert planned_days(rule("month", "02:30", on=on), month, 1, almanac) == [expected]


def test_a_week_or_a_month_full_of_holidays_does_not_hang(rule: MakeRule) -> None:
    february = tuple(date(2026, 2, day) for day in range(1, 29))
    almanac = Almanac({"business": Calendar(days_off=february)})
    assert planned_days(rule("month", on="last business day"), "2026-01-31", 2, almanac) == ["2026-03-31", "2026-04-30"]
    assert planned_days(rule("business day"), "2026-01-31", 2, almanac) == ["2026-03-02", "2026-03-03"]


def test_a_calendar_without_any_business_day_is_an_error_and_no_loop(rule: MakeRule) -> None:
    always_off = tuple(date(2026, 1, 1) + timedelta(days=days) for days in range(800))
    almanac = Almanac({"business": Calendar(days_off=always_off)})
    for on_holiday in ("next business day", "previous business day"):
        with pytest.raises(ConfigurationError, match="'business' has no business day"):
            planned_days(rule("day", on_holiday=on_holiday), "2026-09-01", 1, almanac)


def test_several_times_of_a_day_come_in_their_order(rule: MakeRule, next_on_the_wall: Ask) -> None:
    assert next_on_the_wall(rule("day", "16:00 08:00"), after="2026-01-05T07:30", count=3) == [
        "2026-01-05T16:00+01:00",
        "2026-01-06T08:00+01:00",
        "2026-01-06T16:00+01:00",
    ]


def test_times_that_one_gap_leaves_out_run_once_after_it(rule: MakeRule, next_on_the_wall: Ask) -> None:
    assert next_on_the_wall(rule("day", "02:00 02:30 03:00 04:00"), after="2026-03-29T00:00", count=3) == [
        "2026-03-29T03:00+02:00",
        "2026-03-29T04:00+02:00",
        "2026-03-30T02:00+02:00",
    ]


@pytest.mark.parametrize("at", ["02:00", "02:30", "02:59"])
def test_a_time_that_comes_twice_runs_once_also_when_asked_between_the_two(
    rule: MakeRule, norway: Almanac, at: str
) -> None:
    schedule = Schedule(rules=(rule("day", at),))
    between = datetime(2026, 10, 25, 1, 0, tzinfo=UTC)  # 02:00 the second time
    (first,) = upcoming(schedule, after=between, count=1, almanac=norway)
    assert first.planned_at.day == 26
    assert (
        len(
            list(
                occurrences(
                    schedule, after=moment("2026-10-24T20:00"), until=moment("2026-10-25T20:00"), almanac=norway
                )
            )
        )
        == 1
    )


def test_what_is_asked_is_later_than_after_and_not_later_than_until(rule: MakeRule, norway: Almanac) -> None:
    schedule = Schedule(rules=(rule("day", "02:30"),))
    due = moment("2026-01-05T01:30")
    second = timedelta(seconds=1)

    def found(after: datetime, until: datetime) -> int:
        return len(list(occurrences(schedule, after=after, until=until, almanac=norway)))

    assert found(due - second, due) == 1
    assert found(due, due + second) == 0
    assert found(due - second, due - second) == 0
    assert found(due, due - second) == 0


def test_from_until_and_except_bound_a_rule_by_local_days(rule: MakeRule, norway: Almanac) -> None:
    bounded = rule("day", "00:30", from_=datetime(2026, 1, 3), until=date(2026, 1, 7), except_=(date(2026, 1, 5),))
    # 00:30 in Oslo is 23:30 of the day before in UTC
    assert planned_days(bounded, "2025-12-01", 9, norway) == ["2026-01-02", "2026-01-03", "2026-01-05", "2026-01-06"]


def test_from_with_a_time_leaves_out_the_earlier_ones_of_its_day(rule: MakeRule, next_on_the_wall: Ask) -> None:
    late = rule("day", "08:00 16:00", from_=datetime(2026, 1, 3, 12))
    assert next_on_the_wall(late, after="2025-12-01", count=1) == ["2026-01-03T16:00+01:00"]
    exact = rule("day", "08:00", from_=datetime(2026, 1, 3, 8))
    assert next_on_the_wall(exact, after="2025-12-01", count=1) == ["2026-01-03T08:00+01:00"]


def test_once_is_due_once(frame: Frame, norway: Almanac) -> None:
    schedule = Schedule(rules=(OnceRule(moment=datetime(2026, 3, 29, 2, 30), frame=frame),))
    found = upcoming(schedule, after=moment("2026-01-01"), count=5, almanac=norway)
    assert [one.planned_at for one in found] == [moment("2026-03-29T01:00")]  # right after the gap
    assert upcoming(schedule, after=found[0].planned_at, count=5, almanac=norway) == []


def test_a_schedule_without_rules_is_never_due(norway: Almanac) -> None:
    assert upcoming(Schedule(), after=moment("2026-01-01"), count=5, almanac=norway) == []


def test_cron_counts_in_the_zone_of_its_rule(norway: Almanac, next_on_the_wall: Ask) -> None:
    cron = CronRule(expression="30 2 * * 1-5", frame=Frame(timezone="America/New_York"))
    assert next_on_the_wall(cron, after="2026-03-06T00:00", count=3) == [
        "2026-03-06T02:30-05:00",
        "2026-03-09T02:30-04:00",
        "2026-03-10T02:30-04:00",
    ]


def holidays(rule: MakeRule, norway: Almanac, on_holiday: str, after: str, count: int) -> list[Occurrence]:
    schedule = Schedule(rules=(rule("weekday", "08:00", on_holiday=on_holiday),))
    return upcoming(schedule, after=moment(after), count=count, almanac=norway)


def test_on_a_holiday_it_runs_unless_told_otherwise(rule: MakeRule, norway: Almanac) -> None:
    good_friday = holidays(rule, norway, "run", "2026-04-03", 1)[0]
    assert good_friday == Occurrence(planned_at=moment("2026-04-03T06:00"), nominal_at=moment("2026-04-03T06:00"))


def test_a_skipped_holiday_is_told_and_not_dropped(rule: MakeRule, norway: Almanac) -> None:
    found = holidays(rule, norway, "skip", "2026-04-01", 6)
    assert [(one.planned_at.day, one.skip_reason) for one in found] == [
        (1, ""),
        (2, "holiday"),
        (3, "holiday"),
        (6, "holiday"),
        (7, ""),
        (8, ""),
    ]


@pytest.mark.parametrize(("on_holiday", "day"), [("run", "04-02T06:00"), ("skip", "04-07T06:00")])
def test_the_next_that_is_to_run_is_none_that_is_skipped(
    rule: MakeRule, norway: Almanac, on_holiday: str, day: str
) -> None:
    schedule = Schedule(rules=(rule("weekday", "08:00", on_holiday=on_holiday),))
    found = next_to_run(schedule, after=moment("2026-04-02"), almanac=norway)
    assert found is not None
    assert (found.planned_at, found.skip_reason) == (moment(f"2026-{day}"), "")


def test_what_only_ever_falls_on_holidays_is_never_to_run(rule: MakeRule, norway: Almanac) -> None:
    christmas = rule("year", "08:00", on="25 dec", on_holiday="skip")
    assert next_to_run(Schedule(rules=(christmas,)), after=moment("2026-01-01"), almanac=norway) is None


def test_holidays_moved_later_pile_up_on_the_next_business_day(rule: MakeRule, norway: Almanac) -> None:
    found = holidays(rule, norway, "next business day", "2026-04-01T12:00", 5)
    assert [(one.planned_at.day, one.nominal_at.day) for one in found] == [(7, 2), (7, 3), (7, 6), (7, 7), (8, 8)]
    assert {one.planned_at.hour for one in found} == {6}
    assert found[1].shift == "Good Friday, moved to the next business day"
    assert found[3].shift == ""


def test_holidays_moved_earlier_pile_up_on_the_business_day_before(rule: MakeRule, norway: Almanac) -> None:
    found = holidays(rule, norway, "previous business day", "2026-03-31T12:00", 5)
    assert [(one.planned_at.day, one.nominal_at.day) for one in found] == [(1, 1), (1, 2), (1, 3), (1, 6), (7, 7)]
    assert found[3].shift == "Easter Monday, moved to the previous business day"


def test_a_shift_keeps_the_time_on_the_wall_over_a_change_of_offset(rule: MakeRule, next_on_the_wall: Ask) -> None:
    almanac = Almanac({"business": Calendar(days_off=(date(2026, 3, 27),))})  # the Friday before summer time
    moved = rule("week", "08:00", on="friday", on_holiday="next business day")
    assert next_on_the_wall(moved, after="2026-03-26", count=1, almanac=almanac) == ["2026-03-30T08:00+02:00"]


def test_weekends_are_no_holidays(rule: MakeRule, norway: Almanac) -> None:
    daily = rule("day", "08:00", on_holiday="next business day")
    assert planned_days(daily, "2026-01-09T12:00", 3, norway) == ["2026-01-10", "2026-01-11", "2026-01-12"]


def test_a_holiday_on_a_weekend_moves_past_the_weekend(rule: MakeRule, norway: Almanac) -> None:
    boxing_day = rule("year", "08:00", on="26 dec", on_holiday="next business day")  # a Saturday in 2026
    assert planned_days(boxing_day, "2026-12-01", 1, norway) == ["2026-12-28"]


@pytest.mark.parametrize("on_holiday", ["run", "skip", "next business day", "previous business day"])
def test_windows_side_by_side_hold_exactly_what_one_window_holds(
    rule: MakeRule, norway: Almanac, on_holiday: str
) -> None:
    schedule = Schedule(rules=(rule("day", "01:00 09:00 23:30", on_holiday=on_holiday),))
    start, end = moment("2026-03-20"), moment("2026-06-05")
    whole = list(occurrences(schedule, after=start, until=end, almanac=norway))
    assert whole == sorted(whole)
    chance = random.Random(7)
    pieces: list[Occurrence] = []
    at = start
    while at < end:
        until = min(end, at + timedelta(hours=chance.randint(1, 60)))
        pieces.extend(occurrences(schedule, after=at, until=until, almanac=norway))
        at = until
    assert pieces == whole
    assert len({one.nominal_at for one in whole}) == len(whole)


def test_rules_that_name_the_same_moment_are_due_once(rule: MakeRule, frame: Frame, norway: Almanac) -> None:
    both = Schedule(
        rules=(
            rule("day", "08:00"),
            CronRule(expression="0 8,20 * * *", frame=frame),
            IntervalRule(seconds=12 * 3600, frame=replace(frame, from_=datetime(2026, 1, 1, 8))),
        )
    )
    found = upcoming(both, after=moment("2026-01-05"), count=4, almanac=norway)
    assert [one.planned_at.hour for one in found] == [7, 19, 7, 19]


def test_of_a_rule_that_skips_and_one_that_runs_the_run_wins(rule: MakeRule, norway: Almanac) -> None:
    both = Schedule(rules=(rule("day", "08:00", on_holiday="skip"), rule("week", "08:00", on="friday")))
    (good_friday,) = upcoming(both, after=moment("2026-04-03"), count=1, almanac=norway)
    assert good_friday.skip_reason == ""


def test_what_never_comes_ends_after_ten_years_of_looking(rule: MakeRule, norway: Almanac) -> None:
    past = rule("day", until=date(2020, 1, 1))
    every_day_off = rule("year", on="24 dec", except_=tuple(date(year, 12, 24) for year in range(2026, 2040)))
    for never in (past, every_day_off):
        assert upcoming(Schedule(rules=(never,)), after=moment("2026-01-01"), count=1, almanac=norway) == []


def test_an_unknown_calendar_is_an_error_that_names_it(rule: MakeRule, norway: Almanac) -> None:
    with pytest.raises(ConfigurationError, match="there is no calendar 'busines', did you mean 'business'"):
        planned_days(rule("business day", calendar="busines"), "2026-01-01", 1, norway)


def test_a_time_before_the_epoch_is_no_trouble(rule: MakeRule, frame: Frame, norway: Almanac) -> None:
    assert planned_days(rule("day", "08:00"), "1969-06-01", 1, norway) == ["1969-06-01"]
    spaced = IntervalRule(seconds=6 * 3600, frame=Frame(timezone="UTC"))
    assert planned_days(spaced, "1969-06-01T20:00", 1, norway) == ["1969-06-02"]
