from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time

import pytest

from opsrunner.model.schedule import CalendarRule, CronRule, Frame, IntervalRule, OffsetRule, OnceRule, Rule, Schedule
from opsrunner.schedules.words import duration_in_words, in_words

MakeRule = Callable[..., CalendarRule]


@pytest.mark.parametrize(
    ("every", "at", "on", "short", "words"),
    [
        ("day", "02:30", "", None, "every day at 02:30"),
        ("day", "16:00 08:00 12:00", "", None, "every day at 08:00, 12:00 and 16:00"),
        ("business day", "08:00", "", None, "every business day at 08:00"),
        ("weekday", "08:00", "", None, "every Monday to Friday at 08:00"),
        ("week", "08:00", "monday, thursday", None, "every Monday and Thursday at 08:00"),
        ("month", "08:00", "1, 22, 13", None, "on the 1st, the 22nd and the 13th of every month at 08:00"),
        ("month", "08:00", "31", "last day", "on the 31st (or the last day) of every month at 08:00"),
        ("month", "08:00", "31", "skip", "on the 31st (where there is one) of every month at 08:00"),
        ("month", "08:00", "last day", None, "on the last day of every month at 08:00"),
        ("month", "08:00", "first tuesday", None, "on the first Tuesday of every month at 08:00"),
        ("month", "08:00", "last business day", None, "on the last business day of every month at 08:00"),
        ("quarter", "08:00", "15", None, "on the 15th of the first month of every quarter at 08:00"),
        ("year", "08:00", "24 dec", None, "every 24 December at 08:00"),
        ("year", "08:00", "first monday", None, "on the first Monday of every year at 08:00"),
    ],
)
def test_it_says_the_days_of_a_rule(
    rule: MakeRule, every: str, at: str, on: str, short: str | None, words: str
) -> None:
    assert in_words(Schedule(rules=(rule(every, at, on=on, short=short),))) == f"{words} (Europe/Oslo)"


OSLO = Frame(timezone="Europe/Oslo")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (IntervalRule(seconds=900, frame=OSLO), "every 15 minutes"),
        (IntervalRule(seconds=3600, frame=OSLO), "every hour"),
        (IntervalRule(seconds=5400, frame=OSLO), "every 1 hour 30 minutes"),
        (IntervalRule(seconds=900, between=(time(8), time(0)), frame=OSLO), "every 15 minutes between 08:00 and 24:00"),
        (CronRule(expression="30 2 * * 1-5", frame=OSLO), "at 02:30 on Monday through Friday"),
        (CronRule(expression="@daily", frame=OSLO), "at 00:00 every day"),
        (OnceRule(moment=datetime(2026, 12, 1, 2), frame=OSLO), "once, on 2026-12-01 at 02:00"),
        (OffsetRule(of="maintenance", offset_seconds=-8 * 86400, frame=OSLO), "8 days before maintenance"),
        (OffsetRule(of="backup", offset_seconds=5400, frame=OSLO), "1 hour 30 minutes after backup"),
        (OffsetRule(of="backup", offset_seconds=0, frame=OSLO), "together with backup"),
    ],
)
def test_it_says_the_other_forms(rule: Rule, words: str) -> None:
    assert in_words(Schedule(rules=(rule,))) == f"{words} (Europe/Oslo)"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"on_holiday": "next business day"}, ", on holidays the next business day"),
        ({"on_holiday": "previous business day"}, ", on holidays the business day before"),
        ({"on_holiday": "skip", "calendar": "bank"}, ", not on holidays, by the calendar bank"),
        ({"calendar": "bank"}, ""),  # it is not asked
        ({"from_": datetime(2026, 1, 5), "until": date(2026, 6, 1)}, ", from 2026-01-05, until 2026-06-01"),
        ({"except_": (date(2026, 12, 24), date(2026, 12, 31))}, ", except on 2026-12-24 and 2026-12-31"),
        ({"except_": tuple(date(2026, 12, day) for day in range(1, 6))}, ", except on 5 dates"),
    ],
)
def test_it_says_what_frames_a_rule(rule: MakeRule, said: dict[str, object], words: str) -> None:
    framed = Schedule(rules=(rule("weekday", "08:00", **said),))
    assert in_words(framed) == f"every Monday to Friday at 08:00{words} (Europe/Oslo)"


def test_it_says_a_zone_once_for_rules_that_share_it(rule: MakeRule) -> None:
    far = rule("day", "09:00")
    far = replace(far, frame=replace(far.frame, timezone="Asia/Tokyo"))
    schedule = Schedule(rules=(rule("day", "08:00"), rule("week", "20:00", on="sunday"), far))
    assert in_words(schedule) == (
        "every day at 08:00; every Sunday at 20:00 (Europe/Oslo); every day at 09:00 (Asia/Tokyo)"
    )


def test_no_rules_mean_by_hand() -> None:
    assert in_words(Schedule()) == "by hand only"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (90, "1 minute 30 seconds"),
        (86400 * 8, "8 days"),
        (86400 * 14, "2 weeks"),
        (-7200, "2 hours"),
    ],
)
def test_it_says_lengths_of_time(seconds: int, words: str) -> None:
    assert duration_in_words(seconds) == words
