"""Which schedules can be reckoned: all that they name is there, and no offsets go round in a circle."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from opsrunner.model.schedule import CalendarRule, OffsetRule, Rule, Schedule
from opsrunner.schedules.window_rules import is_of_window, windows_of


def reckonable(
    schedules: Mapping[str, Schedule], *, windows: Mapping[str, Schedule], calendars: Collection[str]
) -> frozenset[str]:
    """Return the names of the `schedules` that can be reckoned among each other.

    `windows` are those of the maintenance windows by name, `calendars` the names of the site's own.
    """
    there = {name for name, schedule in windows.items() if _has_its_calendars(schedule, calendars)}
    open_ = {
        name: frozenset(routines_of(schedule))
        for name, schedule in schedules.items()
        if windows_of(schedule) <= there and _has_its_calendars(schedule, calendars)
    }
    found: set[str] = set()
    while more := [name for name, targets in open_.items() if targets <= found]:  # what goes in a circle never comes
        found.update(more)
        for name in more:
            del open_[name]
    return frozenset(found)


def routines_of(schedule: Schedule) -> Iterator[str]:
    """Yield the routines that a schedule is relative to."""
    return (rule.of for rule in schedule.rules if isinstance(rule, OffsetRule) and not is_of_window(rule))


def _has_its_calendars(schedule: Schedule, calendars: Collection[str]) -> bool:
    return all(name == "business" or name in calendars for name in _calendars_of(schedule.rules))


def _calendars_of(rules: Iterable[Rule]) -> Iterator[str]:
    """Yield the calendars that rules go by: one that is named and asked nothing is not needed."""
    for rule in rules:
        asks = rule.frame.on_holiday != "run"
        if isinstance(rule, CalendarRule):
            asks = asks or any("business" in word for word in (rule.every, *rule.on))
        if asks:
            yield rule.frame.calendar
