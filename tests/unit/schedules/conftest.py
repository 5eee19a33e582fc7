from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from opsrunner.model.schedule import Calendar, CalendarRule, Every, Frame, Occurrence, Rule, Schedule
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import upcoming


@pytest.fixture
def norway() -> Almanac:
    return Almanac({"business": Calendar(country="NO")})


@pytest.fixture
def frame() -> Frame:
    return Frame(timezone="Europe/Oslo")


MakeRule = Callable[..., CalendarRule]


@pytest.fixture
def rule(frame: Frame) -> MakeRule:
    """Make a calendar rule in Oslo: `rule("month", "02:30", on="15", until=…)`."""

    def make(every: Every, at: str = "02:30", *, on: str = "", short: str | None = None, **said: Any) -> CalendarRule:
        return CalendarRule(
            every=every,
            at=tuple(time.fromisoformat(clock) for clock in at.split()),
            on=tuple(word.strip() for word in on.split(",") if word),
            short_months=short,  # type: ignore[arg-type]
            frame=replace(frame, **said),
        )

    return make


Ask = Callable[..., list[str]]


@pytest.fixture
def next_on_the_wall(norway: Almanac) -> Ask:
    """Return the next planned moments as a wall clock shows them: `2026-03-29T03:00+02:00`."""

    def ask(*rules: Rule, after: str, count: int, almanac: Almanac = norway) -> list[str]:
        found = upcoming(Schedule(rules=rules), after=moment(after), count=count, almanac=almanac)
        return [shown(occurrence, rules[0].frame.timezone) for occurrence in found]

    def moment(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    def shown(occurrence: Occurrence, zone: str) -> str:
        return occurrence.planned_at.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes")

    return ask
