"""A time in which hosts are not to be counted on: one time of a maintenance window, or an incident."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from opsrunner.model.outcome import Row
from opsrunner.records import dataclass

INCIDENT = ""
"""What stands in the place of a window's name where it is an incident."""
INCIDENTS = "incident"
"""What the mails of incidents are known by."""
Past: TypeAlias = tuple[tuple[datetime, datetime], ...]


class DowntimeStatus(StrEnum):
    """Where it stands."""

    PLANNED = "planned"
    ON = "on"
    OVERRUN = "overrun"
    """Its end has passed, and nobody has ended it."""
    ENDED = "ended"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class NewDowntime:
    """What is known when it is written down. Moments are UTC."""

    window: str
    """The window's name in `maintenance.yaml`; INCIDENT for none."""
    nominal_at: datetime
    """The moment that the schedule says; of an incident when it was opened."""
    title: str
    about: str = ""
    hosts: tuple[str, ...]
    begins_at: datetime
    ends_at: datetime | None
    """None: nobody knows; only of incidents."""
    by: str


@dataclass(frozen=True, kw_only=True)
class Downtime(NewDowntime):
    """One row of `downtimes`."""

    id: int
    sequence: int = 0
    """How often those who had heard were told of a change; what calendars know a version by."""
    before: Past = ()
    """What of its earlier times had passed when it was moved."""
    made_at: datetime
    moved_at: datetime | None = None
    cancelled_at: datetime | None = None
    begun_at: datetime | None = None
    """When the clock said that it begins."""
    started_at: datetime | None = None
    """When somebody said that it begins."""
    ended_at: datetime | None = None
    announced_at: datetime | None = None
    """When the first mail about it was queued."""
    closed_at: datetime | None = None
    """When nothing more is to be done about it: who had heard was told of its end."""
    fingerprint: str = ""
    """What the approval was asked for: the text, the hosts and who is told."""
    approval: int | None = None
    """The task that asks for it."""
    approved_at: datetime | None = None
    approved_by: str = ""
    struck: tuple[str, ...] = ()
    """The addresses that the approval left out."""
    people: tuple[Row, ...] = ()
    """Who is affected, as last read."""
    said: str = ""
    """What its last post or cancellation told, where that is a reason."""
    status_task: int | None = None
    overrun_task: int | None = None
    stray_task: int | None = None
    """The task that says that the file no longer says it."""
    source_task: int | None = None
    """The task that says that nobody knows who is affected."""

    @property
    def is_incident(self) -> bool:
        """Tell whether nobody planned it."""
        return self.window == INCIDENT

    @property
    def name(self) -> str:
        """What commands and audit call it: `kernel`, `incident 12`."""
        return f"incident {self.id}" if self.is_incident else self.window

    @property
    def notice(self) -> str:
        """What its mails are known by."""
        return INCIDENTS if self.is_incident else f"maintenance.{self.window}"

    @property
    def is_over(self) -> bool:
        """Tell whether it was ended or cancelled."""
        return self.ended_at is not None or self.cancelled_at is not None

    @property
    def is_touched(self) -> bool:
        """Tell whether staff acted on it, or customers were told: then its times are those of the ledger."""
        acts = (self.moved_at, self.cancelled_at, self.begun_at, self.started_at, self.ended_at, self.announced_at)
        return any(moment is not None for moment in acts)

    @property
    def began_at(self) -> datetime:
        """When it began: as staff said, else as planned."""
        return self.started_at or self.begins_at

    def status(self, now: datetime) -> DowntimeStatus:
        """Return where it stands."""
        if self.cancelled_at is not None:
            return DowntimeStatus.CANCELLED
        if self.ended_at is not None:
            return DowntimeStatus.ENDED
        if self.ends_at is not None and self.ends_at <= now:
            return DowntimeStatus.OVERRUN
        return DowntimeStatus.ON if self.began_at <= now else DowntimeStatus.PLANNED


@dataclass(frozen=True, kw_only=True)
class Post:
    """One status line."""

    id: int
    downtime: int
    at: datetime
    by: str
    text: str
