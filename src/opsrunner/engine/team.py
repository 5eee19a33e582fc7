"""The team as a page shows it: who holds what now and in the weeks ahead, who is away, and what nobody holds.

The ledger is asked for absences once; all else follows from them, the site and the time that it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.absences import absence_words
from opsrunner.engine.desk import Desk
from opsrunner.engine.moment_words import count_words, date_words, end_words
from opsrunner.engine.people import People
from opsrunner.engine.rosters import GapLine, Line, gap_lines, rule_words, weeks_ahead
from opsrunner.model.person import Absence, Person
from opsrunner.model.site import Site
from opsrunner.records import dataclass

VIEWER = "viewer"


@dataclass(frozen=True, kw_only=True)
class Held:
    """Who holds a roster or a role now; without people, nobody."""

    name: str
    people: tuple[Person, ...]
    until: datetime | None
    why: str
    is_planned: bool = True
    """Whether it is the roster itself that leaves it open, where nobody holds it."""


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """A roster in the weeks ahead."""

    roster: str
    rule: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A leave, swap or cover that is in force or to come; `id` None stands in the site's file."""

    id: int | None
    text: str
    reason: str
    entered_by: str
    is_now: bool


@dataclass(frozen=True, kw_only=True)
class Team:
    """All of it, as it is at one moment."""

    gaps: tuple[GapLine, ...]
    rosters: tuple[Held, ...]
    roles: tuple[Held, ...]
    ahead: tuple[Ahead, ...]
    changes: tuple[Change, ...]
    away: dict[str, str]
    """Until when those are away who are on leave now, by person."""
    verdict: str


def team_of(desk: Desk, *, now: datetime) -> Team:
    """Return the team as it stands."""
    site, absences = desk.site(), desk.books.absences.live(since=now)
    people = People(desk, absences=absences)
    found_gaps, away = gap_lines(site, absences, now=now), _away(site, absences, now=now)
    torn = {gap.roster for gap in found_gaps if gap.is_now and not gap.is_planned}
    return Team(
        gaps=tuple(found_gaps),
        rosters=tuple(_held_roster(site, people, name, torn=name in torn, now=now) for name in site.rosters),
        roles=tuple(_held_role(site, people, role, now=now) for role in _roles(site)),
        ahead=tuple(
            Ahead(
                roster=roster.id,
                rule=rule_words(roster),
                lines=tuple(weeks_ahead(roster, site=site, absences=absences, now=now)),
            )
            for roster in site.rosters.values()
        ),
        changes=(*_entered(site, absences, now=now), *_of_the_file(site, now=now)),
        away=away,
        verdict=_verdict(site, found_gaps, away),
    )


def held_words(team: Team, person: Person, *, now: datetime, zone: ZoneInfo) -> str:
    """Return what a person holds now: `on-call until Mon 09:00 and desk`; nothing where it is none."""
    mine = [
        held.name + (f" until {end_words(held.until, now=now, zone=zone)}" if held.until else "")
        for held in team.rosters
        if person in held.people
    ]
    return " and ".join(filter(None, (", ".join(mine[:-1]), *mine[-1:])))


def _roles(site: Site) -> list[str]:
    found = (role for person in site.people.values() for role in person.roles)
    return [role for role in dict.fromkeys(found) if role != VIEWER]


def _held_roster(site: Site, people: People, name: str, *, torn: bool, now: datetime) -> Held:
    held = people.holder(name, at=now)
    return Held(name=name, people=_known(site, held.person), until=held.until, why=held.why, is_planned=not torn)


def _held_role(site: Site, people: People, role: str, *, now: datetime) -> Held:
    """Return who stands for a role, with why it is not simply those who have it."""
    said: list[str] = []
    until: datetime | None = None
    owners = site.holders_of(role)
    for person in owners:
        held = people.holder(person.id, at=now)
        until = held.until if len(owners) == 1 else None
        is_other = held.person != person.id
        said += [f"{site.name_of(held.person)} {held.why}" if is_other else held.why] if held.why else []
    return Held(name=role, people=people.persons(role, at=now), until=until, why="; ".join(said))


def _known(site: Site, person: str | None) -> tuple[Person, ...]:
    found = site.people.get(person or "")
    return () if found is None else (found,)


def _away(site: Site, absences: Sequence[Absence], *, now: datetime) -> dict[str, str]:
    zone = ZoneInfo(site.timezone)
    found: dict[str, datetime] = {}
    for absence in absences:
        if absence.kind == "leave" and absence.from_ <= now and absence.person in site.people:
            found[absence.person] = max(absence.until, found.get(absence.person, absence.until))
    return {person: end_words(until, now=now, zone=zone) for person, until in found.items()}


def _entered(site: Site, absences: Sequence[Absence], *, now: datetime) -> Iterator[Change]:
    for absence in sorted(absences, key=lambda one: (one.from_, one.id)):
        yield Change(
            id=absence.id,
            text=absence_words(site, absence, now=now),
            reason=absence.reason,
            entered_by=site.name_of(absence.entered_by),
            is_now=absence.from_ <= now,
        )


def _of_the_file(site: Site, *, now: datetime) -> Iterator[Change]:
    """Yield the covers that stand in opsrunner.yaml."""
    today: date = now.astimezone(ZoneInfo(site.timezone)).date()
    covers = [(cover, roster) for roster in site.rosters.values() for cover in roster.cover if cover.until >= today]
    for cover, roster in sorted(covers, key=lambda one: (one[0].from_, one[1].id)):
        whom = f" for {site.name_of(cover.instead_of)}" if cover.instead_of else ""
        start = f" from {date_words(cover.from_, today)}" if cover.from_ > today else ""
        text = f"{site.name_of(cover.person)} stands in{whom} on {roster.id}{start}"
        last = "today" if cover.until == today else date_words(cover.until, today)
        text += f" until the end of {last}"
        yield Change(id=None, text=text, reason="", entered_by="", is_now=cover.from_ <= today)


def _verdict(site: Site, found: Sequence[GapLine], away: dict[str, str]) -> str:
    """Return the sentence at the top: what nobody holds, else that all is held, else who is here."""
    now = list(dict.fromkeys(gap.roster for gap in found if gap.is_now))
    torn = [gap for gap in found if not gap.is_planned]
    if now:
        return f"Nobody holds {now[0] if len(now) == 1 else count_words(len(now), 'roster')} now"
    if torn:
        one = torn[0]
        often = one.when if one.days == 1 else f"on {count_words(one.days, 'day')}"
        return f"Nobody holds {one.roster} {often}" if len(torn) == 1 else f"{len(torn)} gaps in the next four weeks"
    if found:
        open_ = list(dict.fromkeys(gap.roster for gap in found))
        return f"{open_[0] if len(open_) == 1 else count_words(len(open_), 'roster')} {_HOURS[len(open_) > 1]}"
    if site.rosters:
        return "Every roster is held for the next four weeks"
    here = count_words(len(site.people), "person", "people")
    return f"{here}, {f'{len(away)} away' if away else 'nobody is away'}"


_HOURS = ("has hours that nobody holds", "have hours that nobody holds")
