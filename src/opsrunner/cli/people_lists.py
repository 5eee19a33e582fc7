"""Lists of people for `person`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from opsrunner.cli.lookup import person_name
from opsrunner.cli.screen import Cell, Column, Screen
from opsrunner.engine.moment_words import when_words
from opsrunner.model.person import Absence

if TYPE_CHECKING:
    from opsrunner.open_site import OpenSite


def people_as_json(app: OpenSite) -> dict[str, Any]:
    """Return people, rosters with who holds them now, and absences that are not over."""
    now = app.clock.now()
    rosters = {name: app.people.holder(name, at=now) for name in app.site.rosters}
    return {
        "people": [
            {"id": one.id, "name": one.name, "email": one.email, "roles": one.roles, "login": one.login}
            for one in app.site.people.values()
        ],
        "rosters": [
            {"id": name, "person": held.person, "until": held.until, "why": held.why} for name, held in rosters.items()
        ],
        "absences": app.books.absences.live(since=now),
    }


def print_people(screen: Screen, app: OpenSite) -> None:
    """Print everybody, then the rosters, then who is away."""
    now, zone = app.clock.now(), ZoneInfo(app.site.timezone)
    screen.table(
        [Column(title="person"), Column(title="name"), Column(title="roles"), Column(title="login")],
        [(one.id, one.name, ", ".join(one.roles), one.login or "") for one in app.site.people.values()],
    )
    if app.site.rosters:
        screen.line()
        screen.heading("Now")
        rows = []
        for name in app.site.rosters:
            held = app.people.holder(name, at=now)
            who = Cell(text=person_name(app, held.person)) if held.person else Cell(text="nobody", tone="failed")
            until = f"until {when_words(held.until, now=now, zone=zone)}" if held.until else ""
            rows.append((name, who, until, Cell(text=held.why, dim=True)))
        screen.table([Column(), Column(), Column(), Column(grows=True)], rows, indent=2)
    absences = app.books.absences.live(since=now)
    if absences:
        screen.line()
        screen.heading("Away, swapped, covered")
        screen.table(
            [Column(right=True), Column(grows=True), Column()],
            [(str(one.id), absence_words(app, one, now=now), Cell(text=one.reason, dim=True)) for one in absences],
            indent=2,
        )


def absence_words(app: OpenSite, absence: Absence, *, now: datetime) -> str:
    """Say an absence: `Jonas is away from Mon 09:00 until Fri 00:00`."""
    zone = ZoneInfo(app.site.timezone)
    who, other = person_name(app, absence.person), person_name(app, absence.other)
    roster = f" {absence.roster}" if absence.roster else ""
    what = {
        "leave": f"{who} is away",
        "swap": f"{other} takes{roster} from {who}",
        "cover": f"{other} stands in for {who}{f' on{roster}' if roster else ''}",
    }[absence.kind]
    start = "" if absence.from_ <= now else f" from {when_words(absence.from_, now=now, zone=zone)}"
    return f"{what}{start} until {when_words(absence.until, now=now, zone=zone)}"
