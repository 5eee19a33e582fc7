"""Who holds each roster on the days of a calendar, in words. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import datetime
from itertools import groupby
from zoneinfo import ZoneInfo

from opsrunner.engine.moment_words import count_words
from opsrunner.records import dataclass
from opsrunner.schedules.day_names import moment_words
from opsrunner.schedules.holding import Duty
from opsrunner.schedules.turns import NO_SHIFT

NOBODY = "nobody"


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a roster from a time of a day on; `clock` is '' where it was so as the day began."""

    clock: str
    name: str
    why: str = ""
    """Said where it is not the usual turn: `covers for First technician`."""
    is_gap: bool = False
    """Nobody does, and somebody should."""


@dataclass(frozen=True, kw_only=True)
class RosterDay:
    """One roster on one day: who holds it, one after the other."""

    roster: str
    holders: tuple[Holder, ...]
    passes_on: tuple[Holder, ...]
    """Of these, who takes a rotation over on this day; shifts pass every day, and that is no news."""


@dataclass(frozen=True, kw_only=True)
class RosterPeriod:
    """One roster through all that is shown: `until Mon 9 Nov 09:00` → who."""

    roster: str
    lines: tuple[tuple[str, Holder], ...]


def roster_days(
    duties: Sequence[Duty],
    *,
    begin: datetime,
    end: datetime,
    zone: ZoneInfo,
    name_of: Callable[[str], str],
    rotations: Container[str],
) -> tuple[RosterDay, ...]:
    """Return who holds each roster from `begin` to `end` (left out), the bounds of one day.

    `rotations` are the rosters that are no shifts of the day.
    """
    found: list[RosterDay] = []
    for roster, group in _by_roster(duties):
        today = [one for one in group if one.from_ < end and one.until > begin]
        holders = [_holder(one, begin=begin, zone=zone, name_of=name_of) for one in today]
        fresh = [
            each
            for one, each in zip(today, holders, strict=True)
            if roster in rotations and one is not group[0] and one.from_ >= begin
        ]
        found.append(RosterDay(roster=roster, holders=tuple(holders), passes_on=tuple(fresh)))
    return tuple(found)


def roster_periods(
    duties: Sequence[Duty], *, zone: ZoneInfo, name_of: Callable[[str], str], rotations: Container[str]
) -> tuple[RosterPeriod, ...]:
    """Return who holds each roster through all of `duties`, in words; shifts that are alike stand once."""
    found: list[RosterPeriod] = []
    for roster, group in _by_roster(duties):
        holders = [_holder(one, begin=one.from_, zone=zone, name_of=name_of) for one in group]
        if roster in rotations:
            lines = [(_when(one, group, zone), holder) for one, holder in zip(group, holders, strict=True)]
        else:
            alike = Counter((_hours(one, zone), holder) for one, holder in zip(group, holders, strict=True))
            lines = [(f"{hours}, {count_words(times, 'time')}", holder) for (hours, holder), times in alike.items()]
        found.append(RosterPeriod(roster=roster, lines=tuple(lines)))
    return tuple(found)


def _by_roster(duties: Sequence[Duty]) -> Iterable[tuple[str, list[Duty]]]:
    return ((roster, list(group)) for roster, group in groupby(duties, key=lambda one: one.roster))


def _holder(one: Duty, *, begin: datetime, zone: ZoneInfo, name_of: Callable[[str], str]) -> Holder:
    is_usual = one.why == NO_SHIFT or one.why.startswith(f"{one.roster} ")  # `on-call this week`
    return Holder(
        clock=f"{one.from_.astimezone(zone):%H:%M}" if one.from_ > begin else "",
        name=NOBODY if one.person is None else name_of(one.person),
        why="" if is_usual else one.why,
        is_gap=one.person is None and one.why != NO_SHIFT,
    )


def _when(one: Duty, group: Sequence[Duty], zone: ZoneInfo) -> str:
    """Return from when to when; what goes on before and after the time shown has no end there."""
    start, end = (moment_words(at, zone=zone) for at in (one.from_, one.until))
    if len(group) == 1:
        return "all the time"
    if one is group[0]:
        return f"until {end}"
    return f"from {start}" if one is group[-1] else f"{start} to {end}"


def _hours(one: Duty, zone: ZoneInfo) -> str:
    start, end = one.from_.astimezone(zone), one.until.astimezone(zone)
    return f"{start:%H:%M} to {'24:00' if f'{end:%H:%M}' == '00:00' else f'{end:%H:%M}'}"
