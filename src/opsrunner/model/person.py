"""People, what they hold, and when somebody else holds it for them."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Literal

from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody of the team. `login` is the OS user that is this person on the command line."""

    id: str
    name: str
    email: str
    roles: tuple[str, ...] = ()
    phone: str | None = None
    """As people write it: `+44 20 7946 0123`."""
    login: str | None = None
    quiet: tuple[time, time] | None = None
    """Hours without mails that are not urgent, in the site's zone; may pass midnight."""

    @property
    def is_owner(self) -> bool:
        """Tell whether all rights are given."""
        return "owner" in self.roles

    @property
    def is_staff(self) -> bool:
        """Tell whether tasks may be ticked: any role but `viewer` gives that."""
        return any(role != "viewer" for role in self.roles)

    @property
    def is_partner(self) -> bool:
        """Tell whether somebody of another company helps out, who sees their own tasks and nothing else."""
        return "partner" in self.roles and not self.is_owner

    @property
    def dials(self) -> str:
        """The phone number as a machine dials it, such as `+442079460123`; nothing without one."""
        return "".join(sign for sign in self.phone or "" if sign in "+0123456789")


@dataclass(frozen=True, kw_only=True)
class Cover:
    """From one day to another, both included, `person` holds it (instead of `instead_of`, if named)."""

    from_: date
    until: date
    person: str
    instead_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Hours of every day that a person holds; `end` 00:00 is midnight."""

    start: time
    end: time
    person: str


@dataclass(frozen=True, kw_only=True)
class Roster:
    """Who holds a role when: a rotation, or hours of the day."""

    id: str
    rotate: Literal["day", "week"] | None = None
    handover_weekday: int = 0
    """0 is Monday."""
    handover_at: time = time(9)
    from_: date | None = None
    people: tuple[str, ...] = ()
    shifts: tuple[Shift, ...] = ()
    cover: tuple[Cover, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Absence:
    """What staff entered: leave, a swap or a cover, kept in the ledger."""

    id: int
    kind: Literal["leave", "swap", "cover"]
    person: str
    """Who is away, or who gives the duty."""
    other: str | None
    """Who takes it."""
    roster: str | None
    from_: datetime
    until: datetime
    reason: str = ""
    entered_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Who holds a name at a moment; `person` None is a gap."""

    person: str | None
    until: datetime | None = None
    why: str = ""
    """In words: `on-call this week`, `covers for First technician`."""
