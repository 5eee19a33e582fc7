"""The calendar: the ledger's word for what was, the planner's for what comes, and who holds what."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias
from zoneinfo import ZoneInfo

from opsrunner.engine.calendar_downtimes import downtime_entries
from opsrunner.engine.calendar_lines import lines_of_day
from opsrunner.engine.calendar_rosters import roster_days, roster_periods
from opsrunner.engine.calendar_span import Span
from opsrunner.engine.calendar_view import (
    CalendarView,
    Entry,
    Known,
    arrange,
    clock_change,
    entry_of_line,
    entry_of_tally,
)
from opsrunner.engine.desk import Desk, RoutineNames
from opsrunner.engine.forecast import ONE_MICROSECOND, Forecast, accounted, forecast, shift_words
from opsrunner.engine.moment_words import count_words
from opsrunner.engine.people import People
from opsrunner.ledger.days import DayTally
from opsrunner.model.run import RunStatus
from opsrunner.model.site import Site
from opsrunner.model.task import Task
from opsrunner.schedules.holding import Duty, duties

ROOM = {"month": 5, "week": 12}
"""How many lines of a day are named."""
_People: TypeAlias = tuple[str, tuple[str, ...]]
"""What people have to do with an entry in words, and their names."""
_NOBODY: _People = ("", ())


class CalendarMaker:
    """Makes the calendar of a site as of a moment, of all routines or of one."""

    def __init__(self, desk: Desk, people: People, *, now: datetime, routine: str | None = None) -> None:
        self._desk, self._people, self._now, self._routine = desk, people, now, routine
        self._site = _only(desk.site(), routine)
        self._zone = ZoneInfo(self._site.timezone)
        self._rotations = {roster.id for roster in self._site.rosters.values() if roster.rotate is not None}

    def of(self, span: Span) -> CalendarView:
        """Return what a month or a week shows."""
        bounds = span.bounds(self._zone)
        held = self._duties(bounds)
        return arrange(
            span,
            known=self._known(span, bounds, held),
            entries=self._entries(bounds),
            rosters=roster_periods(held, zone=self._zone, name_of=self._site.name_of, rotations=self._rotations),
            room=ROOM[span.view],
            counts_fine=self._routine is None,
        )

    def _entries(self, bounds: Sequence[datetime]) -> dict[int, list[Entry]]:
        """Return the lines of each day, by its place: what is accounted for is what the ledger says."""
        known_until = accounted(self._desk.books, now=self._now)
        found: dict[int, list[Entry]] = defaultdict(list)
        for tally, entry in self._past(bounds, known_until):
            found[tally.day].append(entry)
        for place, items in self._coming(bounds, known_until).items():
            found[place] += [entry_of_line(line) for line in lines_of_day(items)]
        if self._routine is None:
            for entry in downtime_entries(
                self._desk, from_=bounds[0] - ONE_MICROSECOND, until=bounds[-1] - ONE_MICROSECOND, now=self._now
            ):
                found[bisect_right(bounds, entry.at) - 1].append(entry)
        return found

    def _past(self, bounds: Sequence[datetime], known_until: datetime) -> list[tuple[DayTally, Entry]]:
        end = known_until + ONE_MICROSECOND
        past = [bound for bound in bounds if bound < end]
        if not past:
            return []
        if len(past) < len(bounds):
            past.append(end)
        tallies = self._desk.books.days.tallies(past, routine=self._routine)
        names, waits = RoutineNames(self._desk).all(), self._who_is_waited_for(tallies)
        return [
            (
                tally,
                entry_of_tally(
                    tally,
                    name=names.get(tally.routine, tally.routine),
                    shift=self._shift(tally),
                    people=waits.get(tally.last, _NOBODY)[0],
                    names=waits.get(tally.last, _NOBODY)[1],
                ),
            )
            for tally in tallies
        ]

    def _coming(self, bounds: Sequence[datetime], known_until: datetime) -> dict[int, list[Forecast]]:
        """Return what is planned past what is accounted for, by the place of its day."""
        after, until = max(known_until, bounds[0] - ONE_MICROSECOND), bounds[-1] - ONE_MICROSECOND
        found: dict[int, list[Forecast]] = defaultdict(list)
        if after >= until:
            return found
        desk = self._desk
        for item in forecast(
            self._site, desk.almanac(), from_=after, until=until, now=self._now, books=desk.books, people=self._people
        ):
            if self._routine in (None, item.routine):
                found[bisect_right(bounds, item.planned_at) - 1].append(item)
        return found

    def _shift(self, tally: DayTally) -> str:
        if not tally.is_moved:
            return ""
        return shift_words(
            self._site.routines.get(tally.routine),
            self._desk.almanac(),
            nominal_at=tally.nominal_at,
            planned_at=tally.planned_at,
        )

    def _who_is_waited_for(self, tallies: Sequence[DayTally]) -> dict[int, _People]:
        """Return, by run, who has the tasks that a waiting run waits for."""
        waiting = {tally.last for tally in tallies if tally.status is RunStatus.WAITING}
        tasks: dict[int, list[Task]] = defaultdict(list)
        for task in self._desk.books.tasks.opened() if waiting else ():
            if task.run is not None and task.run in waiting:
                tasks[task.run].append(task)
        return {run: self._waited_for(opened) for run, opened in tasks.items()}

    def _waited_for(self, opened: Sequence[Task]) -> _People:
        names = tuple(dict.fromkeys(self._people.who_did(task, at=self._now) for task in opened))
        return f"{count_words(len(opened), 'task')} with {', '.join(names)}", names

    def _known(self, span: Span, bounds: Sequence[datetime], held: Sequence[Duty]) -> list[Known]:
        """Return what there is to know of each day beside what runs."""
        almanac, calendar = self._desk.almanac(), self._site.business.name
        found: list[Known] = []
        for day, begin, end in zip(span.days, bounds[:-1], bounds[1:], strict=True):
            found.append(
                Known(
                    day=day,
                    holiday=almanac.holiday_name(day, calendar),
                    is_working_day=almanac.is_business_day(day, calendar),
                    clock_change=clock_change(begin, end, self._zone),
                    rosters=roster_days(
                        held,
                        begin=begin,
                        end=end,
                        zone=self._zone,
                        name_of=self._site.name_of,
                        rotations=self._rotations,
                    ),
                    freezes=tuple(freeze for freeze in self._site.freezes if freeze.from_ <= day <= freeze.until),
                )
            )
        return found

    def _duties(self, bounds: Sequence[datetime]) -> list[Duty]:
        absences = self._desk.books.absences.live(since=bounds[0])
        return duties(self._site, absences, from_=bounds[0], until=bounds[-1])


def _only(site: Site, routine: str | None) -> Site:
    """Return the site with the one routine that is asked for, and with what may hold it back."""
    if routine is None:
        return site
    found = site.routines.get(routine)
    routines = {} if found is None else {routine: found}
    held = [] if found is None else [freeze for freeze in site.freezes if set(freeze.tags) & set(found.tags)]
    return replace(site, routines=routines, freezes=tuple(held))
