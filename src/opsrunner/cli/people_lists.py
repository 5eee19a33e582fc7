"""Lists of people for `person`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from opsrunner.cli.lookup import person_name
from opsrunner.cli.screen import Cell, Column, Screen
from opsrunner.engine.absences import absence_words
from opsrunner.engine.moment_words import when_words

if TYPE_CHECKING:
    from opsrunner.open_site import OpenSite


def people_as_json(app: OpenSite) -> dict[str, Any]:
    """Return people, rosters with who holds them now, and absences that are not over."""
    now = app.clock.now()
    rosters = {name: app.people.holder(name, at=now) for name in app.site.rosters}
    return {
        "people": [
            {
                "id": one.id,
                "name": one.name,
                "email": one.email,
                "roles": one.roles,
                "phone": one.phone,
                "login": one.login,
            }
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
        [Column(title=title) for title in ("person", "name", "roles", "phone", "login")],
        [
            (one.id, one.name, ", ".join(one.roles), one.phone or "", one.login or "")
            for one in app.site.people.values()
        ],
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
            [(str(one.id), absence_words(app.site, one, now=now), Cell(text=one.reason, dim=True)) for one in absences],
            indent=2,
        )
