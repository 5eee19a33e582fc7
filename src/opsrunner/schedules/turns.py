"""Whose turn it is on one roster: rotation or shifts, cover from the site's file, absences from the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.model.person import Absence, Cover, Roster, Shift
from opsrunner.records import dataclass
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, local_date, to_utc

NO_SHIFT = "no shift at this hour"
"""Why nobody holds a roster between its shifts, as its file means it."""
_FAR = timedelta(days=3660)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Who holds a roster up to `until` (excluded); `person` None is a gap."""

    person: str | None
    until: datetime
    why: str
    is_planned: bool = True
    """Whether the roster itself says so, and no cover, swap or leave."""


class Turns:
    """Answers for one roster; `names` are those of the people who are here, by id.

    Who has left stands in for nobody, and a turn of theirs is a gap.
    """

    def __init__(
        self, roster: Roster, absences: Iterable[Absence], *, zone: ZoneInfo, names: Mapping[str, str]
    ) -> None:
        self._roster = roster
        self._zone = zone
        self._names = names
        ours = (self._of_those_here(absence) for absence in absences if absence.roster in (None, roster.id))
        self._absences = sorted(ours, key=lambda absence: absence.id)

    def at(self, moment: datetime) -> Turn:
        """Return whose turn it is; it lasts to the next moment at which that could change."""
        turn = self._planned(moment)
        until = min([turn.until, *(edge for edge in self._edges() if edge > moment)])
        person, why = turn.person, turn.why
        for cover in self._roster.cover:
            if self._covers(cover, moment) and cover.instead_of in (None, person) and cover.person != person:
                person, why = cover.person, self._covers_for(person)
        for absence in self._absences:
            if absence.from_ <= moment < absence.until:
                person, why = self._after(absence, person, why)
        person, why = self._without_leave(person, why, moment)
        if person is not None and person not in self._names:
            return Turn(person=None, until=until, why=f"{person} has left", is_planned=False)
        return Turn(person=person, until=until, why=why, is_planned=why == turn.why)

    def between(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, Turn]]:
        """Yield (begin, turn) from `start` on until `end`; neighbours may have the same person."""
        while start < end:
            turn = self.at(start)
            yield start, turn
            start = turn.until

    def _planned(self, moment: datetime) -> Turn:
        """Return the turn that the rotation or the shifts give."""
        roster = self._roster
        if roster.from_ is not None:
            begin = to_utc(roster.from_, MIDNIGHT, self._zone)
            if moment < begin:
                return Turn(person=None, until=begin, why=f"it begins on {roster.from_}")
        if roster.rotate is not None and roster.people:
            return self._rotation(moment)
        return self._shift(moment)

    def _rotation(self, moment: datetime) -> Turn:
        roster = self._roster
        length = 7 if roster.rotate == "week" else 1
        day = local_date(moment, self._zone) + ONE_DAY
        while to_utc(day, roster.handover_at, self._zone) > moment or not self._is_handover(day):
            day -= ONE_DAY
        first = roster.from_ or date(1970, 1, 5)
        while not self._is_handover(first):
            first -= ONE_DAY
        position = max(0, (day - first).days // length) % len(roster.people)
        until = to_utc(day + length * ONE_DAY, roster.handover_at, self._zone)
        why = f"{roster.id} {'this week' if roster.rotate == 'week' else 'today'}"
        return Turn(person=roster.people[position], until=until, why=why)

    def _is_handover(self, day: date) -> bool:
        return self._roster.rotate == "day" or day.weekday() == self._roster.handover_weekday

    def _shift(self, moment: datetime) -> Turn:
        """Return the shift that runs, or the gap up to the next one; of shifts that overlap, the first one listed."""
        today = local_date(moment, self._zone)
        hours = [
            (*self._hours(shift, day), shift)
            for day in (today - ONE_DAY, today, today + ONE_DAY)
            for shift in self._roster.shifts
        ]
        for place, (start, end, shift) in enumerate(hours):
            if start <= moment < end:
                until = min([end, *(first for first, _, _ in hours[:place] if first > moment)])
                shown_end = "24:00" if shift.end == MIDNIGHT else f"{shift.end:%H:%M}"
                why = f"{self._roster.id} {shift.start:%H:%M}–{shown_end}"
                return Turn(person=shift.person, until=until, why=why)
        until = min((start for start, _, _ in hours if start > moment), default=moment + _FAR)
        return Turn(person=None, until=until, why=NO_SHIFT)

    def _hours(self, shift: Shift, day: date) -> tuple[datetime, datetime]:
        last = day if shift.start < shift.end else day + ONE_DAY
        return to_utc(day, shift.start, self._zone), to_utc(last, shift.end, self._zone)

    def _of_those_here(self, absence: Absence) -> Absence:
        """Return an absence without whom it names where either side of it has left."""
        has_left = absence.other not in self._names or (absence.kind == "swap" and absence.person not in self._names)
        return replace(absence, other=None) if has_left else absence

    def _name_of(self, person: str) -> str:
        return self._names.get(person, person)

    def _edges(self) -> Iterator[datetime]:
        """Yield the moments at which a cover or an absence begins or ends."""
        for cover in self._roster.cover:
            yield from self._cover_span(cover)
        for absence in self._absences:
            yield from (absence.from_, absence.until)

    def _cover_span(self, cover: Cover) -> tuple[datetime, datetime]:
        return to_utc(cover.from_, MIDNIGHT, self._zone), to_utc(cover.until + ONE_DAY, MIDNIGHT, self._zone)

    def _covers(self, cover: Cover, moment: datetime) -> bool:
        start, end = self._cover_span(cover)
        return start <= moment < end

    def _covers_for(self, person: str | None) -> str:
        return f"covers for {self._name_of(person)}" if person is not None else "covers"

    def _after(self, absence: Absence, person: str | None, why: str) -> tuple[str | None, str]:
        """Return who holds it after a swap or a cover; leave is looked at last."""
        if absence.kind == "leave" or absence.other is None or person is None:
            return person, why
        if person == absence.person:
            verb = "covers for" if absence.kind == "cover" else "swapped with"
            return absence.other, f"{verb} {self._name_of(absence.person)}"
        if absence.kind == "swap" and person == absence.other:
            return absence.person, f"swapped with {self._name_of(absence.other)}"
        return person, why

    def _without_leave(self, person: str | None, why: str, moment: datetime) -> tuple[str | None, str]:
        """Pass the turn on from whoever is on leave: to the one named, else to the next of the rotation."""
        away = {
            absence.person: absence.other
            for absence in self._absences
            if absence.kind == "leave" and absence.from_ <= moment < absence.until
        }
        if person is None or person not in away:
            return person, why
        asked, current = {person}, away[person] or self._next_after(person, away)
        while current is not None and current in away and current not in asked:
            asked.add(current)
            current = away[current] or self._next_after(current, away)
        if current is None or current in away:
            return None, f"{self._name_of(person)} is on leave"
        return current, f"for {self._name_of(person)}, who is on leave"

    def _next_after(self, person: str, away: dict[str, str | None]) -> str | None:
        """Return the next person of the rotation who is not on leave."""
        people: Sequence[str] = self._roster.people
        if person not in people:
            return next((other for other in people if other not in away), None)
        place = people.index(person)
        return next((other for other in (*people[place + 1 :], *people[:place]) if other not in away), None)
