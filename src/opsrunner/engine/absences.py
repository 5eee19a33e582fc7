"""Leave, swaps and cover as staff enter them; each act and its record are written together."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.moment_words import end_words, start_words
from opsrunner.engine.people import People
from opsrunner.errors import NotFound, Refused, UsageError
from opsrunner.mail.headers import clean_line
from opsrunner.model.person import Absence, Person
from opsrunner.model.site import Site
from opsrunner.schedules.zones import FIRST_YEAR, LAST_YEAR, MIDNIGHT, ONE_DAY, to_utc

REASON_LENGTH = 200


class Absences:
    """Enters absences and takes them back. They count at once, and beside what the site's file says."""

    def __init__(self, desk: Desk, people: People) -> None:
        self._desk = desk
        self._people = people

    def enter(self, absence: Absence, *, actor: Person, at: datetime, address: str = "cli") -> Absence:
        """Keep an absence and return it with its id; `person` and `other` may be ids or full names.

        Raises Refused for viewers and for times that are over, NotFound for people and rosters that are
        not there, UsageError where somebody would stand in for themselves.
        """
        self._require_staff(actor)
        checked = self._checked(absence, actor=actor, at=at)
        with self._desk.books.transaction():
            absence_id = self._desk.books.absences.enter(checked, at=at)
            self._record(checked.kind, absence_id, _detail(checked), actor=actor, at=at, address=address)
        return dataclasses.replace(checked, id=absence_id)

    def take_back(self, absence_id: int, *, actor: Person, at: datetime, address: str = "cli") -> None:
        """End an absence now. Raises NotFound where it is not there or over."""
        self._require_staff(actor)
        with self._desk.books.transaction():
            if not self._desk.books.absences.end(absence_id, at=at):
                raise NotFound(f"there is no absence {absence_id} to take back")
            self._record("take back", absence_id, "", actor=actor, at=at, address=address)

    def _checked(self, absence: Absence, *, actor: Person, at: datetime) -> Absence:
        person = self._people.named(absence.person)
        other = None if absence.other is None else self._people.named(absence.other)
        if other is not None and other.id == person.id:
            raise UsageError(f"{person.name} cannot stand in for {person.name}")
        _require_whole(absence)
        if absence.from_ >= absence.until:
            raise UsageError("the end must come after the start")
        if absence.until <= at:
            raise Refused("that time is over already")
        rosters = self._desk.site().rosters
        if absence.roster is not None and absence.roster not in rosters:
            raise NotFound(f"there is no roster '{absence.roster}' (known: {', '.join(rosters) or 'none'})")
        return dataclasses.replace(
            absence,
            person=person.id,
            other=other.id if other else None,
            reason=clean_line(absence.reason, length=REASON_LENGTH),
            entered_by=actor.id,
        )

    def _require_staff(self, actor: Person) -> None:
        if not actor.is_staff:
            raise Refused(f"{actor.name} may look, but not enter leave, swaps or cover")

    def _record(self, action: str, absence_id: int, detail: str, *, actor: Person, at: datetime, address: str) -> None:
        subject = f"absence {absence_id}"
        self._desk.books.audit.add(action, subject, actor=actor.id, at=at, detail=detail, address=address)


def whole_days(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return from when until when days are, both included. Raises UsageError for years that no schedule knows."""
    for day in (first, last):
        if not FIRST_YEAR <= day.year < LAST_YEAR:
            raise UsageError(f"the year {day.year} is out of reach")
    return to_utc(first, MIDNIGHT, zone), to_utc(last + ONE_DAY, MIDNIGHT, zone)


def absence_words(site: Site, absence: Absence, *, now: datetime) -> str:
    """Say an absence: `Jonas is away from Mon until the end of Fri`."""
    zone = ZoneInfo(site.timezone)
    who, other = site.name_of(absence.person), site.name_of(absence.other)
    roster = f" {absence.roster}" if absence.roster else ""
    what = {
        "leave": f"{who} is away",
        "swap": f"{other} takes{roster} from {who}",
        "cover": f"{other} stands in for {who}{f' on{roster}' if roster else ''}",
    }[absence.kind]
    start = "" if absence.from_ <= now else f" from {start_words(absence.from_, now=now, zone=zone)}"
    return f"{what}{start} until {end_words(absence.until, now=now, zone=zone)}"


def _require_whole(absence: Absence) -> None:
    """Raise UsageError where something is missing that this kind of absence needs."""
    if absence.kind != "leave" and absence.other is None:
        raise UsageError("say who takes it")
    if absence.kind == "swap" and absence.roster is None:
        raise UsageError("say which roster the swap is about")


def _detail(absence: Absence) -> str:
    taken = f" by {absence.other}" if absence.other else ""
    roster = f" of {absence.roster}" if absence.roster else ""
    span = f"{absence.from_.isoformat()} to {absence.until.isoformat()}"
    return f"{absence.person}{taken}{roster}, {span}"
