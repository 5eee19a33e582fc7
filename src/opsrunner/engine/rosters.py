"""Rosters in the weeks ahead, as people read them: a line a hand-over, days that are alike in one, gaps by their hours.

Pure functions: of the site, the absences that are live and the time that it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from opsrunner.engine.moment_words import count_words, date_words, end_words, start_words, when_words
from opsrunner.model.person import Absence, Roster
from opsrunner.model.site import Site
from opsrunner.records import dataclass
from opsrunner.schedules.day_names import WEEKDAY_NAMES, moment_words
from opsrunner.schedules.holding import Gap, Stretch, stretches
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, to_utc

DAYS_AHEAD = 28
_BEYOND = timedelta(days=8)
"""A turn of a week that begins on the last day has its end within this."""
MOST_NAMED = 3
"""Days that a line names; of more it says how many."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Somebody in a line; `person` None is nobody."""

    person: str | None
    span: str
    """`07:00–15:00`, `until Mon 09:00`; empty where no end is in sight."""
    why: str
    """Why it is not who the roster itself has there; empty where it is."""
    is_now: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """When, and who then."""

    when: str
    parts: tuple[Part, ...]
    is_now: bool


@dataclass(frozen=True, kw_only=True)
class GapLine:
    """When nobody holds a roster: once, or at the same hours of several days."""

    roster: str
    when: str
    """`now, until Mon 09:00`, `from 16:00 to 08:00, on 28 days`."""
    why: str
    days: int
    """How often it comes."""
    is_now: bool
    is_planned: bool
    """Whether the roster itself leaves it open."""


@dataclass(frozen=True, kw_only=True)
class _Days:
    first: date
    last: date
    parts: tuple[Part, ...]


def weeks_ahead(roster: Roster, *, site: Site, absences: Sequence[Absence], now: datetime) -> list[Line]:
    """Return who holds a roster from now to the end of the day in four weeks."""
    zone = ZoneInfo(site.timezone)
    end = _horizon(now, zone)
    asked = stretches(roster.id, from_=now, until=end + _BEYOND, site=site, absences=absences)
    found = [stretch for stretch in asked if stretch.from_ < end]
    if roster.shifts:
        return _by_day(found, now=now, zone=zone)
    return [_by_handover(stretch, now=now, zone=zone) for stretch in found]


def gap_lines(site: Site, absences: Sequence[Absence], *, now: datetime) -> list[GapLine]:
    """Return when nobody holds a roster in the next four weeks: what absences tear open first, then by time."""
    zone = ZoneInfo(site.timezone)
    end = _horizon(now, zone)
    last = end + _BEYOND
    found = [
        Gap(roster=name, from_=one.from_, until=one.until or last, why=one.why, is_planned=one.is_planned)
        for name in site.rosters
        for one in stretches(name, from_=now, until=last, site=site, absences=absences)
        if one.person is None and one.from_ < end
    ]
    groups = sorted(alike_gaps(found, zone), key=lambda group: (group[0].is_planned, group[0].from_))
    return [_gap_line(group, now=now, last=last, zone=zone) for group in groups]


def alike_gaps(found: Iterable[Gap], zone: ZoneInfo) -> list[list[Gap]]:
    """Return gaps in groups: those of one roster that come back at the same hours, for the same reason."""
    groups: dict[tuple[str, ...], list[Gap]] = defaultdict(list)
    for gap in found:
        groups[(gap.roster, gap.why, *gap_hours(gap, zone))].append(gap)
    return list(groups.values())


def gap_hours(gap: Gap, zone: ZoneInfo) -> tuple[str, str]:
    """Return the hours of a gap, with the days where it is longer than one."""
    start, end = gap.from_.astimezone(zone), gap.until.astimezone(zone)
    if gap.until - gap.from_ <= ONE_DAY:
        return f"{start:%H:%M}", f"{end:%H:%M}"
    return moment_words(gap.from_, zone=zone), moment_words(gap.until, zone=zone)


def rule_words(roster: Roster) -> str:
    """Return how a roster passes on: `passes on Mondays at 09:00`."""
    if roster.shifts:
        return "by the hours of the day"
    if roster.rotate == "day":
        return f"passes every day at {roster.handover_at:%H:%M}"
    return f"passes on {WEEKDAY_NAMES[roster.handover_weekday]}s at {roster.handover_at:%H:%M}"


def _horizon(now: datetime, zone: ZoneInfo) -> datetime:
    return to_utc(now.astimezone(zone).date() + (DAYS_AHEAD + 1) * ONE_DAY, MIDNIGHT, zone)


def _by_handover(stretch: Stretch, *, now: datetime, zone: ZoneInfo) -> Line:
    is_now = stretch.from_ <= now
    span = "" if stretch.until is None else f"until {end_words(stretch.until, now=now, zone=zone)}"
    when = "now" if is_now else start_words(stretch.from_, now=now, zone=zone)
    return Line(when=when, parts=(_part(stretch, span, is_now=is_now),), is_now=is_now)


def _by_day(found: Sequence[Stretch], *, now: datetime, zone: ZoneInfo) -> list[Line]:
    """Return a line for each day, by when a turn begins; neighbouring days that are alike are one, today aside."""
    today = now.astimezone(zone).date()
    days: list[_Days] = []
    for day, begun in groupby(found, key=lambda stretch: stretch.from_.astimezone(zone).date()):
        spans = [(stretch, _hours(stretch, now=now, zone=zone)) for stretch in begun]
        parts = tuple(_part(stretch, span, is_now=stretch.from_ <= now) for stretch, span in spans)
        last = days[-1] if days else None
        if last is not None and last.last + ONE_DAY == day and last.first != today and last.parts == parts:
            days[-1] = replace(last, last=day)
        else:
            days.append(_Days(first=day, last=day, parts=parts))
    return [Line(when=_days_words(one, today), parts=one.parts, is_now=one.first == today) for one in days]


def _hours(stretch: Stretch, *, now: datetime, zone: ZoneInfo) -> str:
    start = stretch.from_.astimezone(zone)
    if stretch.until is None:
        return "" if stretch.from_ <= now else f"from {start:%H:%M} on"
    if stretch.from_ <= now:
        return f"until {when_words(stretch.until, now=now, zone=zone).removeprefix('today ')}"
    if stretch.until - stretch.from_ > ONE_DAY:
        return f"from {start:%H:%M} until {when_words(stretch.until, now=now, zone=zone)}"
    end = stretch.until.astimezone(zone)
    return f"{start:%H:%M}–{'24:00' if end.time() == MIDNIGHT else f'{end:%H:%M}'}"


def _days_words(days: _Days, today: date) -> str:
    if days.first == today:
        return "today"
    first = date_words(days.first, today)
    return first if days.first == days.last else f"{first} – {date_words(days.last, today)}"


def _part(stretch: Stretch, span: str, *, is_now: bool) -> Part:
    why = "" if stretch.is_planned else stretch.why
    return Part(person=stretch.person, span=span, why=why, is_now=is_now)


def _gap_line(group: Sequence[Gap], *, now: datetime, last: datetime, zone: ZoneInfo) -> GapLine:
    first = group[0]
    is_now, is_over = first.from_ <= now, first.until < last
    if len(group) > 1:
        start, stop = gap_hours(first, zone)
        when = f"from {start} to {stop}, on {_days_of(group, now=now, zone=zone)}"
    elif is_now:
        when = f"now, until {end_words(first.until, now=now, zone=zone)}" if is_over else "now, and nobody is to come"
    else:
        when = f"from {start_words(first.from_, now=now, zone=zone)}"
        when += f" until {end_words(first.until, now=now, zone=zone)}" if is_over else " on"
    return GapLine(
        roster=first.roster,
        when=when,
        why=first.why,
        days=len(group),
        is_now=is_now,
        is_planned=first.is_planned,
    )


def _days_of(group: Sequence[Gap], *, now: datetime, zone: ZoneInfo) -> str:
    """Return `Wed 25 Nov, Thu 26 Nov and Fri 27 Nov`; of many days how many they are."""
    if len(group) > MOST_NAMED:
        return count_words(len(group), "day")
    today = now.astimezone(zone).date()
    days = [date_words(gap.from_.astimezone(zone).date(), today) for gap in group]
    return f"{', '.join(days[:-1])} and {days[-1]}"
