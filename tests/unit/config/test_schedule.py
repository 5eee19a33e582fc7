from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from opsrunner.config.schedule import CatchUpField, ScheduleField, to_schedule
from opsrunner.config.yaml12 import BadYaml, read_yaml
from opsrunner.model.schedule import (
    CalendarRule,
    CatchUp,
    CronRule,
    Frame,
    IntervalRule,
    OffsetRule,
    OnceRule,
    Rule,
    Schedule,
)

OSLO = Frame(timezone="Europe/Oslo")


class File(BaseModel):
    """A routine's file, as far as time goes."""

    model_config = ConfigDict(extra="forbid")

    schedule: ScheduleField = None
    catch_up: CatchUpField = CatchUp()


def read(yaml: str) -> Schedule:
    checked = File.model_validate(read_yaml(f"schedule: {yaml}\n"))
    return to_schedule(checked.schedule, timezone="Europe/Oslo")


def mistakes(yaml: str, **context: Any) -> dict[str, str]:
    """Return path → sentence of all that is wrong with a schedule."""
    with pytest.raises(ValidationError) as caught:
        File.model_validate(read_yaml(yaml if "\n" in yaml else f"schedule: {yaml}\n"), context=context)
    return {
        ".".join(str(part) for part in error["loc"]): error["msg"].removeprefix("Value error, ")
        for error in caught.value.errors()
    }


def rule_of(yaml: str) -> Rule:
    (rule,) = read(yaml).rules
    return rule


@pytest.mark.parametrize(
    ("yaml", "rule"),
    [
        ('{every: day, at: "02:30"}', CalendarRule(every="day", at=(time(2, 30),), frame=OSLO)),
        ("{every: Business  Day, at: 8:00}", CalendarRule(every="business day", at=(time(8),), frame=OSLO)),
        (
            "{every: week, on: [mon, thu], at: [16:00, 8:00]}",
            CalendarRule(every="week", on=("monday", "thursday"), at=(time(8), time(16)), frame=OSLO),
        ),
        (
            "{every: month, on: 31, at: 8:00, short_months: last day}",
            CalendarRule(every="month", on=("31",), at=(time(8),), short_months="last day", frame=OSLO),
        ),
        ("{every: quarter, on: 30, at: 8:00}", CalendarRule(every="quarter", on=("30",), at=(time(8),), frame=OSLO)),
        ("{every: year, on: 24 dec, at: 8:00}", CalendarRule(every="year", on=("24 dec",), at=(time(8),), frame=OSLO)),
        ("{every: 15m}", IntervalRule(seconds=900, frame=OSLO)),
        (
            "{every: 6h, between: 08:00-24:00}",
            IntervalRule(seconds=21600, between=(time(8), time(0)), frame=OSLO),
        ),
        ('{cron: "30 2 * * 1-5"}', CronRule(expression="30 2 * * 1-5", frame=OSLO)),
        ('{cron: "@daily"}', CronRule(expression="@daily", frame=OSLO)),
        ("{once: 2026-12-01T02:00}", OnceRule(moment=datetime(2026, 12, 1, 2), frame=OSLO)),
        ("{of: window, offset: -8d}", OffsetRule(of="window", offset_seconds=-691200, frame=OSLO)),
    ],
)
def test_each_form_becomes_its_rule(yaml: str, rule: Rule) -> None:
    assert rule_of(yaml) == rule


def test_a_rule_says_its_frame() -> None:
    framed = rule_of(
        "{every: day, at: 8:00, timezone: Asia/Tokyo, calendar: bank, on_holiday: next business day,"
        " from: 2026-01-05, until: 2026-06-01, except: [2026-05-02, 2026-05-01]}"
    )
    assert framed.frame == Frame(
        timezone="Asia/Tokyo",
        calendar="bank",
        on_holiday="next business day",
        from_=datetime(2026, 1, 5),
        until=date(2026, 6, 1),
        except_=(date(2026, 5, 1), date(2026, 5, 2)),
    )


def test_a_list_of_rules_is_their_union_and_nothing_is_by_hand() -> None:
    assert len(read("[{every: day, at: 8:00}, {cron: 0 20 * * 0}]").rules) == 2
    assert read("").rules == ()


@pytest.mark.parametrize(
    ("at", "clock"),
    [("12:30", time(12, 30)), ("2:30", time(2, 30)), ('"02:30"', time(2, 30)), ("00:00", time(0))],
)
def test_a_bare_time_means_what_it_says(at: str, clock: time) -> None:
    rule = rule_of(f"{{every: day, at: {at}}}")
    assert isinstance(rule, CalendarRule)
    assert rule.at == (clock,)


WRONG = [
    # the value, the key that is named, what the sentence says, its hint
    ("{every: day, at: 750}", "at", "750 is not a time of day", 'in quotes: "02:30"'),
    ("{every: day, at: 0600}", "at", "'0600' is not a time of day", "02:30"),
    ("{every: day, at: 24:00}", "at", "'24:00' is not a time of day", "00:00 of the next"),
    ("{every: day, at: [8:00, 08:00]}", "at", "the same time stands here twice", ""),
    ("{every: day, at: []}", "at", "`at` needs a time of day", ""),
    ("{every: day}", "at", "`every: day` needs `at`", 'at: "02:30"'),
    ("{every: weekday}", "at", "`every: weekday` needs `at`", ""),
    ("{every: 6h, at: 8:00}", "at", "`at` does not go with an interval", "between"),
    ("{every: week, at: 8:00}", "on", "`every: week` needs `on`", "on: monday"),
    ("{every: month, at: 8:00}", "on", "`every: month` needs `on`", "on: 15"),
    ("{every: quarter, at: 8:00}", "on", "`every: quarter` needs `on`", "on: last day"),
    ("{every: year, at: 8:00}", "on", "`every: year` needs `on`", "on: 24 dec"),
    ("{every: day, on: monday, at: 8:00}", "on", "`on` does not go with `every: day`", "every: week, on: monday"),
    ("{every: 6h, on: 15}", "on", "`on` does not go with an interval", "every: month, on: 15"),
    ("{every: month, on: monday, at: 8:00}", "on", "a month has several", "first monday"),
    ("{every: month, on: 32, at: 8:00}", "on", "32 is not a day of a month", ""),
    ("{every: year, on: 30 feb, at: 8:00}", "on", "'30 feb' never exists", ""),
    ("{every: monday, at: 8:00}", "every", "'monday' is a day", "every: week, on: monday"),
    ("{every: daily, at: 8:00}", "every", "'daily' is no rhythm", "every: day"),
    ("{every: mnth, on: 1, at: 8:00}", "every", "'mnth' is no rhythm", "did you mean 'month'?"),
    ("{every: 15, at: 8:00}", "every", "15 has no unit", "15m"),
    ("{every: 10s}", "every", "every 10s is too often", "1m"),
    ("{every: 6h, on_holiday: next business day}", "every", "cannot move to another day", "run or skip"),
    ("{every: 6h, between: 8-20}", "between", "'8' is not a time of day", ""),
    ("{every: 6h, between: 08:00-10:00}", "between", "shorter than the interval", ""),
    ("{every: day, at: 8:00, between: 08:00-10:00}", "between", "does not go with `every: day`", "15m"),
    ("{every: day, at: 8:00, short_months: skip}", "short_months", "does not go with `every: day`", "leave it out"),
    ("{every: month, on: 31, at: 8:00, short_months: yes}", "short_months", "last day, skip", ""),
    ("{every: day, at: 8:00, timezone: Europe/Osl}", "timezone", "did you mean 'Europe/Oslo'?", ""),
    ("{every: day, at: 8:00, on_holiday: skp}", "on_holiday", "'run', 'skip', 'next business day'", ""),
    ("{every: day, at: 8:00, from: 5 jan}", "from", "'5 jan' is not a moment", "2026-12-01T02:00"),
    ("{every: day, at: 8:00, until: 2026-02-30}", "until", "the date 2026-02-30 does not exist", ""),
    ("{every: day, at: 8:00, until: 20260201}", "until", "20260201 is not a date", "2026-12-24"),
    ("{every: day, at: 8:00, from: 2026-02-02, until: 2026-02-01}", "until", "lies before `from: 2026-02-02`", ""),
    ("{every: day, at: 8:00, except: tomorrow}", "except", "'tomorrow' is not a date", "2026-12-24"),
    ("{cron: 61 * * * *}", "cron", "minute (first field) is 0-59", ""),
    ("{cron: 0 0 30 2 *}", "cron", "day of the month", ""),
    ('{cron: "0 0 2 * * *"}', "cron", "six fields", ""),
    ('{cron: "@reboot"}', "cron", "systemd", ""),
    ("{once: 2026-12-01T02:00Z}", "once", "more than a date and a time", "timezone"),
    ("{once: 2026-12-01 02:00+01:00}", "once", "more than a date and a time", "timezone"),
    ("{of: window, offset: 8}", "offset", "8 has no unit", "-8d"),
    ("{of: window, offset: soon}", "offset", "'soon' is not a duration", "30m"),
    ("{of: window}", "offset", "Field required", ""),
    ("{every: day, at: 8:00, timout: 5}", "timout", "Extra inputs are not permitted", ""),
]


@pytest.mark.parametrize(("yaml", "key", "sentence", "hint"), WRONG, ids=[case[0] for case in WRONG])
def test_a_mistake_is_named_at_its_key_with_a_way_out(yaml: str, key: str, sentence: str, hint: str) -> None:
    found = mistakes(yaml)
    assert list(found) == [f"schedule.{key}"]
    assert sentence in found[f"schedule.{key}"]
    assert hint in found[f"schedule.{key}"]
    assert found[f"schedule.{key}"].count("\n") <= 1


@pytest.mark.parametrize(
    ("yaml", "sentence", "hint"),
    [
        ("daily", "'daily' is not a schedule", "every: day"),
        ("30 2 * * *", "'30 2 * * *' is not a schedule", 'cron: "30 2 * * *"'),
        ("5", "5 is not a schedule", "every: day"),
        ("{}", "one of `every`, `cron`, `once` and `of`", "every: day"),
        ("{evry: day, at: 8:00}", "one of `every`, `cron`, `once` and `of`", "did you mean 'every'?"),
        ("{every: day, cron: 0 0 * * *}", "`every` and `cron` cannot stand in one rule", "two rules"),
        ("[]", "1 to 50 rules", "by hand"),
    ],
)
def test_what_is_no_schedule_at_all_is_told_so(yaml: str, sentence: str, hint: str) -> None:
    (message,) = mistakes(yaml).values()
    assert sentence in message
    assert hint in message


def test_every_mistake_of_every_rule_is_told_with_its_place() -> None:
    found = mistakes("[{every: day, at: 8:00}, {every: week, at: 7, until: x}, {cron: x}]")
    assert list(found) == ["schedule.1.until", "schedule.1.on", "schedule.1.at", "schedule.2.cron"]


@pytest.mark.parametrize(
    ("yaml", "months", "dates"),
    [
        ("{every: month, on: 31, at: 8:00}", "February, April, June, September, November", "2026-11-31, 2027-02-31"),
        ("{every: month, on: [15, 30], at: 8:00}", "February", "2027-02-30, 2028-02-30"),
        ("{every: month, on: 29, at: 8:00}", "February outside of leap years", "2027-02-29, 2029-02-29"),
        ("{every: quarter, on: 31, at: 8:00}", "April", "2027-04-31"),
        ("{every: year, on: 29 feb, at: 8:00}", "February outside of leap years", "2027-02-29, 2029-02-29"),
    ],
)
def test_a_day_that_some_months_lack_must_say_what_then(yaml: str, months: str, dates: str) -> None:
    message = mistakes(yaml, today=date(2026, 11, 21))["schedule.on"]
    assert f"does not exist in {months}, next on {dates}" in message
    assert "short_months: last day, or short_months: skip" in message
    assert months in mistakes(yaml)["schedule.on"]


@pytest.mark.parametrize("on", ["28", "last day", "last friday", "first business day"])
def test_a_day_that_every_month_has_needs_no_word_on_short_months(on: str) -> None:
    assert rule_of(f"{{every: month, on: {on}, at: 8:00}}")


def test_an_unquoted_star_is_no_yaml_and_says_so() -> None:
    with pytest.raises(BadYaml) as caught:
        read_yaml("schedule:\n  cron: * * * * *\n")
    assert (caught.value.line, "quotes" in caught.value.hint) == (2, True)


@pytest.mark.parametrize(
    ("yaml", "expected"),
    [
        ("latest", CatchUp()),
        ("skip", CatchUp(policy="skip")),
        ("{policy: all, within: 12h}", CatchUp(policy="all", within_seconds=43200)),
        ("{within: 2d}", CatchUp(within_seconds=172800)),
    ],
)
def test_catching_up_is_a_word_or_a_mapping(yaml: str, expected: CatchUp) -> None:
    assert File.model_validate(read_yaml(f"catch_up: {yaml}\n")).catch_up == expected


@pytest.mark.parametrize(
    ("yaml", "path", "sentence"),
    [
        ("last", "catch_up.policy", "'latest', 'all' or 'skip'"),
        ("{within: 12}", "catch_up.within", "12 has no unit"),
        ("{within: 0h}", "catch_up.within", "longer than nothing"),
        ("{policy: all, whithin: 2h}", "catch_up.whithin", "Extra"),
    ],
)
def test_a_mistake_in_catching_up_is_named(yaml: str, path: str, sentence: str) -> None:
    found = mistakes(f"catch_up: {yaml}\n")
    assert list(found) == [path]
    assert sentence in found[path]


def test_editors_get_a_json_schema_of_all_forms() -> None:
    schema = File.model_json_schema()
    assert {"EveryKeys", "CronKeys", "OnceKeys", "OffsetKeys", "CatchUpKeys"} <= set(schema["$defs"])
    assert "from" in schema["$defs"]["EveryKeys"]["properties"]
