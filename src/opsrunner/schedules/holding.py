"""Who holds a name (a role, a roster or a person) at a moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from opsrunner.errors import NotFound
from opsrunner.model.person import Absence, Holding, Person
from opsrunner.model.site import Site
from opsrunner.records import dataclass
from opsrunner.schedules.turns import Turn, Turns
from opsrunner.schedules.zones import ONE_DAY, load_zone

LOOK_AHEAD = 60 * ONE_DAY
"""How far `Holding.until` looks; who holds it longer holds it without an end."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """A time when nobody holds a roster."""

    roster: str
    from_: datetime
    until: datetime
    why: str
    is_planned: bool
    """Whether the roster itself leaves it open; else somebody is away."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A time in which one person holds a roster for one reason; `person` None is a gap."""

    from_: datetime
    until: datetime | None
    """None where it goes on past the time that was asked about."""
    person: str | None
    why: str
    is_planned: bool
    """Whether the roster itself says so, and no cover, swap or leave."""


@dataclass(frozen=True, kw_only=True)
class Duty:
    """A time through which one person holds a roster; None is nobody."""

    roster: str
    from_: datetime
    until: datetime
    person: str | None
    why: str


@dataclass(frozen=True, kw_only=True)
class Handover:
    """The moment when a roster passes to somebody else; None is nobody."""

    roster: str
    at: datetime
    from_person: str | None
    person: str | None


def holder(name: str, *, at: datetime, site: Site, absences: Sequence[Absence] = ()) -> Holding:
    """Return who holds `name` at that moment, and until when.

    A role that several people have belongs to none of them: `person` is None, and the first to claim a
    task gets it. Raises NotFound for a name that the site does not have.
    """
    if name in site.rosters:
        return _holder_of_roster(name, at=at, site=site, absences=absences)
    if name in site.people:
        return _holder_as_person(site.people[name], at=at, site=site, absences=absences)
    people = site.holders_of(name)
    if not people:
        raise NotFound(f"there is no role, roster or person '{name}' with somebody in it")
    if len(people) > 1:
        return Holding(person=None, why=f"any of {name}")
    return _holder_as_person(people[0], at=at, site=site, absences=absences)


def stretches(
    roster: str, *, from_: datetime, until: datetime, site: Site, absences: Sequence[Absence] = ()
) -> list[Stretch]:
    """Return who holds a roster from `from_` to `until`, one after the other and with nothing between.

    One person who holds it for two reasons in a row has two stretches. At every moment they say the same as
    `holder`. `absences` are all that reach past `from_`. Raises NotFound for a roster that the site does not have.
    """
    if roster not in site.rosters:
        raise NotFound(f"there is no roster '{roster}'")
    found: list[Stretch] = []
    for at, turn in _turns(roster, site, absences).between(from_, until):
        end = turn.until if turn.until < until else None
        last = found[-1] if found else None
        if last is not None and (last.person, last.why) == (turn.person, turn.why):
            found[-1] = replace(last, until=end)
        else:
            new = Stretch(from_=at, until=end, person=turn.person, why=turn.why, is_planned=turn.is_planned)
            found.append(new)
    return found


def unchanged_until(name: str, *, at: datetime, site: Site, absences: Sequence[Absence] = ()) -> datetime | None:
    """Return a moment up to which those who stand for `name` at `at` are the same; None: as far as is known.

    It is the next at which a turn, a cover or an absence begins or ends, whether or not anything changes then.
    """
    edges = [edge for absence in absences for edge in (absence.from_, absence.until) if edge > at]
    if name in site.rosters:
        edges.append(_turns(name, site, absences).at(at).until)
    return min(edges, default=None)


def duties(site: Site, absences: Sequence[Absence] = (), *, from_: datetime, until: datetime) -> list[Duty]:
    """Return who holds each roster through [from_, until), by roster and time; turns of one person in a row are one."""
    return [
        Duty(roster=name, from_=start, until=min(end, until), person=turn.person, why=turn.why)
        for name in site.rosters
        for start, end, turn in _stretches(_turns(name, site, absences), from_, until)
    ]


def gaps(site: Site, absences: Sequence[Absence] = (), *, from_: datetime, until: datetime) -> list[Gap]:
    """Return the times in [from_, until) when nobody holds a roster, by roster and time."""
    return [
        Gap(roster=name, from_=start, until=min(end, until), why=turn.why, is_planned=turn.is_planned)
        for name in site.rosters
        for start, end, turn in _stretches(_turns(name, site, absences), from_, until)
        if turn.person is None
    ]


def upcoming_handovers(
    site: Site, absences: Sequence[Absence] = (), *, from_: datetime, until: datetime
) -> list[Handover]:
    """Return the moments in (from_, until] at which a rotation passes to somebody else, in order.

    Shifts pass every day and are not told.
    """
    found: list[Handover] = []
    for name in (name for name, roster in site.rosters.items() if roster.rotate is not None):
        last: Turn | None = None
        for start, _, turn in _stretches(_turns(name, site, absences), from_, until + ONE_DAY):
            if last is not None and start <= until:
                found.append(Handover(roster=name, at=start, from_person=last.person, person=turn.person))
            last = turn
    return sorted(found, key=lambda handover: (handover.at, handover.roster))


def _turns(roster: str, site: Site, absences: Sequence[Absence]) -> Turns:
    names = {person.id: person.name for person in site.people.values()}
    return Turns(site.rosters[roster], absences, zone=load_zone(site.timezone), names=names)


def _stretches(turns: Turns, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime, Turn]]:
    """Yield (begin, end, turn) with the turns of one person in a row as one; the last may pass `end`."""
    begin, held = start, turns.at(start)
    known_until = held.until
    for at, turn in turns.between(held.until, end):
        if turn.person != held.person:
            yield begin, at, held
            begin, held = at, turn
        known_until = turn.until
    yield begin, max(end, known_until), held


def _holder_of_roster(name: str, *, at: datetime, site: Site, absences: Sequence[Absence]) -> Holding:
    turns = _turns(name, site, absences)
    _, until, turn = next(_stretches(turns, at, at + LOOK_AHEAD))
    return Holding(person=turn.person, until=until if until < at + LOOK_AHEAD else None, why=turn.why)


def _holder_as_person(person: Person, *, at: datetime, site: Site, absences: Sequence[Absence]) -> Holding:
    """Return the person, or who was named to stand in (last, where several were); leave alone changes nothing."""
    mine = [
        absence
        for absence in sorted(absences, key=lambda absence: absence.id)
        if absence.kind in ("leave", "cover") and absence.roster is None and absence.person == person.id
    ]
    now = [absence for absence in mine if absence.from_ <= at < absence.until]
    named = [absence for absence in now if absence.other in site.people]
    if named:
        why = f"for {person.name}, who is on leave" if named[-1].kind == "leave" else f"covers for {person.name}"
        return Holding(person=named[-1].other, until=named[-1].until, why=why)
    if now:
        return Holding(person=person.id, until=now[0].until, why=f"{person.name} is on leave")
    return Holding(person=person.id)
