"""A law: a fixed time of day runs once on every date of every zone, whatever its clocks do.

The right moment is told by looking at the wall clock minute by minute, not by the product's code.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from opsrunner.model.schedule import CalendarRule, CronRule, Frame, IntervalRule, Rule, Schedule
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import occurrences

FIRST, LAST = date(2024, 1, 1), date(2035, 12, 31)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
USUAL_TIMES = (time(0), time(2, 30), time(23, 59))
SIX_HOURS = timedelta(hours=6)
ZONES = sorted(available_timezones())


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@cache
def changes(zone: str) -> tuple[tuple[datetime, timedelta], ...]:
    """Return when the zone's offset changes in the years of the law, and by how much; found by looking each week."""
    found: list[tuple[datetime, timedelta]] = []
    where = ZoneInfo(zone)
    weeks = [midnight(FIRST) + number * 7 * DAY for number in range(-1, (LAST - FIRST).days // 7 + 2)]
    offsets = [moment.astimezone(where).utcoffset() for moment in weeks]
    for (early, before), (late, after) in pairwise(zip(weeks, offsets, strict=True)):
        if before != after and before is not None and after is not None:
            low, high = early, late
            while high - low > MINUTE:
                middle = low + (high - low) // MINUTE // 2 * MINUTE
                low, high = (low, middle) if middle.astimezone(where).utcoffset() != before else (middle, high)
            found.append((high, after - before))
    return tuple(found)


def on_the_wall(day: date, clock: time, zone: ZoneInfo) -> datetime:
    """Return when a wall clock shows a time: the first of two; the end of the gap where it never does."""
    wall = datetime.combine(day, clock)
    both = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    shown = [moment for moment in both if moment.astimezone(zone).replace(tzinfo=None) == wall]
    if shown:
        return shown[0]
    moment = both[0].replace(second=0)
    offset = moment.astimezone(zone).utcoffset()
    while moment.astimezone(zone).utcoffset() == offset:
        moment += MINUTE
    return moment


def days(first: date, last: date) -> Iterator[date]:
    return (first + number * DAY for number in range((last - first).days + 1))


def due(rule: Rule, first: date, last: date) -> list[datetime]:
    """Return what the rule yields around dates; the caller picks its own."""
    after, until = midnight(first) - 2 * DAY, midnight(last) + 3 * DAY
    found = occurrences(Schedule(rules=(rule,)), after=after, until=until, almanac=Almanac())
    return [one.planned_at for one in found]


def daily(clock: time, zone: str) -> Rule:
    return CalendarRule(every="day", at=(clock,), frame=Frame(timezone=zone))


def cron(clock: time, zone: str) -> Rule:
    return CronRule(expression=f"{clock.minute} {clock.hour} * * *", frame=Frame(timezone=zone))


def check(rule: Rule, clock: time, zone: str, first: date, last: date) -> int:
    """Compare what runs with one moment for each date; return how many dates that were."""
    where = ZoneInfo(zone)
    right = [on_the_wall(day, clock, where) for day in days(first, last)]
    ran = [moment for moment in due(rule, first, last) if right[0] <= moment <= right[-1]]
    assert ran == right, (zone, clock, first, sorted(set(ran) ^ set(right)))
    return len(right)


def odd_times(moment: datetime, step: timedelta, zone: str) -> set[time]:
    """Return the times around a change: in the gap or the hour that comes twice, at its edges and beside it."""
    wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    low, high = sorted((wall, wall - step))
    return {one.time() for one in (low - MINUTE, low, low + (high - low) // 2, high - MINUTE, high)}


def test_every_zone_runs_a_daily_time_once_a_date_around_each_of_its_changes() -> None:
    alike: dict[object, list[str]] = defaultdict(list)
    for zone in ZONES:
        alike[changes(zone), midnight(FIRST).astimezone(ZoneInfo(zone)).utcoffset()].append(zone)
    checked = 0
    for zones in alike.values():
        found = changes(zones[0])
        for number, (moment, step) in enumerate(found):
            zone = zones[number % len(zones)]  # those whose clocks change at the same moments take turns
            day = moment.astimezone(ZoneInfo(zone)).date()
            for clock in {*odd_times(moment, step, zone), *USUAL_TIMES}:
                checked += check(daily(clock, zone), clock, zone, day - 2 * DAY, day + 2 * DAY)
            clock = max(odd_times(moment, step, zone))
            check(cron(clock, zone), clock, zone, day - 2 * DAY, day + 2 * DAY)
    assert checked > 20_000


def test_every_zone_runs_a_daily_time_once_a_date_for_samples_of_its_days() -> None:
    chance = random.Random(20_240_101)
    for zone in ZONES:
        first = FIRST + chance.randrange((LAST - FIRST).days - 40) * DAY
        clock = time(chance.randrange(24), chance.randrange(60))
        check(daily(clock, zone), clock, zone, first, first + 40 * DAY)
        check(cron(clock, zone), clock, zone, first, first + 10 * DAY)


def test_six_hours_stay_six_hours_over_every_change_of_every_zone() -> None:
    """B09."""
    for zone in ZONES:
        rule = IntervalRule(seconds=int(SIX_HOURS.total_seconds()), frame=Frame(timezone=zone))
        for moment, _ in changes(zone)[:4]:
            found = due(rule, moment.date(), moment.date())
            assert {later - early for early, later in pairwise(found)} == {SIX_HOURS}, (zone, moment)


@pytest.mark.soak
def test_every_zone_runs_a_daily_time_once_on_every_date_of_twelve_years() -> None:
    chance = random.Random(2024)
    checked = 0
    for zone in ZONES:
        odd = sorted({clock for found in changes(zone) for clock in odd_times(*found, zone)})
        for clock in (chance.choice(odd or USUAL_TIMES), time(chance.randrange(24), chance.randrange(60))):
            checked += check(daily(clock, zone), clock, zone, FIRST, LAST)
        clock = chance.choice(odd or USUAL_TIMES)
        first = date(chance.randrange(2024, 2035), 1, 1)
        checked += check(cron(clock, zone), clock, zone, first, first + 400 * DAY)
    print(f"{len(ZONES)} zones, {checked:,} dates from {FIRST} to {LAST}: one run each")
