"""A notice: a series of mails about one thing, its rungs, and what came of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

from opsrunner.model.outcome import Row
from opsrunner.records import dataclass

Anchor: TypeAlias = Literal["at", "until"]
MAIL = "mail"
STATUS_PAGE = "status_page"
VIAS = (MAIL, STATUS_PAGE)
MOVED = "moved"
CANCELLED = "cancelled"
EVERYWHERE = ""
"""The notice, or the key, of what is suppressed in all of them."""
RECIPIENT = "recipient"
"""Who suppresses an address by its own link."""


class ToldStatus(StrEnum):
    """What came of a rung for a recipient. `sent` is queued in the same commit; `failed` was given up later."""

    SENT = "sent"
    WATCHED = "watched"
    """Another's mail log shows that it went."""
    MISSED = "missed"
    SUPPRESSED = "suppressed"
    HELD = "held"
    """Due, and not to go yet: it is not live, or nobody has approved the list. Never written."""
    FAILED = "failed"

    @property
    def reached(self) -> bool:
        """Tell whether the recipient has heard."""
        return self in (ToldStatus.SENT, ToldStatus.WATCHED)


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One mail of a ladder, by its distance from a moment of the occasion."""

    name: str
    """As it is written: `30d`, `24h`, `start`, `3d after`; what the ledger knows it by."""
    anchor: Anchor = "at"
    offset_days: int = 0
    """Days on the wall of the zone, negative before the anchor."""
    offset_seconds: int = 0
    """Elapsed time beside the days, negative before the anchor."""
    every_seconds: int = 0
    """Again and again, from `at` on until `until`; 0: once."""
    via: str = MAIL

    @property
    def is_before(self) -> bool:
        """Tell whether it comes before its anchor."""
        return self.offset_days < 0 or self.offset_seconds < 0

    @property
    def is_after(self) -> bool:
        """Tell whether it comes after its anchor."""
        return self.offset_days > 0 or self.offset_seconds > 0


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """All rungs of a notice, in the order of the file."""

    rungs: tuple[Rung, ...]

    def of(self, via: str) -> Ladder:
        """Return the rungs that go one way."""
        return Ladder(rungs=tuple(rung for rung in self.rungs if rung.via == via))

    @property
    def words(self) -> tuple[str, ...]:
        """The rungs as they are written."""
        return tuple(rung.name if rung.via == MAIL else f"{rung.name} via: {rung.via}" for rung in self.rungs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipient:
    """One address that hears of an occasion, with the row that says why."""

    address: str
    """Normal: lower case, no name."""
    name: str = ""
    row: Row = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """What a notice is about: a domain that runs out, a window, an order."""

    notice: str
    """`ROUTINE.STEP`, or what stands for it: `maintenance.NAME`."""
    key: str
    at: datetime
    until: datetime | None = None
    recipients: tuple[Recipient, ...] = ()


class KnownOccasion(NamedTuple):
    """An occasion as the ledger knows it; a tuple, because a pass reads a hundred thousand of them.

    An edition is the time for which its moments stay the same.
    """

    key: str
    edition: int
    at: datetime
    until: datetime | None
    since: datetime
    """When this edition was first seen."""
    was_at: datetime | None = None
    """The moment of the edition before, where this one began because that was moved; None where it began anew."""
    rows: Mapping[str, Row] = MappingProxyType({})
    """Each recipient's row by address, where those are told who had heard of what is cancelled: to each its own."""
    ended_at: datetime | None = None
    why: str = ""
    heard_from: int = 1
    """The first edition of which what was heard still holds: what ended and comes back another time begins anew."""


class Told(NamedTuple):
    """One rung of an occasion for one recipient, settled; a tuple for the same reason."""

    notice: str
    key: str
    edition: int
    rung: str
    recipient: str
    status: ToldStatus
    due_at: datetime
    at: datetime
    name: str = ""
    why: str = ""
    outbox: int | None = None
    """The mail of it."""
    id: int = 0


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """An address that gets no notices: none at all, none of one notice, or none of one occasion."""

    address: str
    notice: str = EVERYWHERE
    key: str = EVERYWHERE
    why: str
    by: str
    """A person, or `recipient`: who left by the link of a mail; contractual notices go on."""
    at: datetime
    until: datetime | None = None
    """When it counts no more, as what it is about is over then; None: as long as nobody lifts it."""

    def counts(self, at: datetime) -> bool:
        """Tell whether it holds at a moment."""
        return self.until is None or at < self.until


@dataclass(frozen=True, kw_only=True)
class NoticeApproval:
    """That a rendered list of a notice was shown for approval: its template, ladder and audience as they stood."""

    notice: str
    fingerprint: str
    task: int
    by: str = ""
    at: datetime | None = None
    """When it was approved."""


@dataclass(frozen=True, kw_only=True)
class NoticeTally:
    """What a pass over occasions came to."""

    sent: int = 0
    watched: int = 0
    waiting: int = 0
    """Recipients with rungs that are still to come."""
    missed: int = 0
    suppressed: int = 0
    held: int = 0
    unknown: int = 0
    """Rows that say nobody, nothing or no moment, and mails that could not be made."""
    too_late: int = 0
    """Of the missed ones, those in whose place no newer one goes."""
    lost: int = 0
    """Mails that another should have sent and did not, and that somebody has to chase."""

    @property
    def facts(self) -> Mapping[str, int]:
        """The figures by their names."""
        return asdict(self)
