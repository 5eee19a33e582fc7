"""Maintenance windows: what a site plans, and what staff have changed of it since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from opsrunner.model.notice import Ladder
from opsrunner.model.schedule import Schedule
from opsrunner.records import dataclass

NO_LADDER = Ladder(rungs=())
MAINTENANCE = "maintenance."
"""What stands in front of a window's name where a routine refers to it: `maintenance.kernel`."""


@dataclass(frozen=True, kw_only=True)
class WindowChange:
    """What the ledger knows of one time of a window that its file does not say. Moments are UTC.

    It is known by `nominal_at`, the moment that its schedule says, wherever it has been moved to.
    """

    nominal_at: datetime
    begins_at: datetime
    ends_at: datetime
    moved_at: datetime | None = None
    """When it was last given another time."""
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None
    before: tuple[tuple[datetime, datetime], ...] = ()
    """What of its earlier times had passed when it was moved: it held others until then."""


@dataclass(frozen=True, kw_only=True)
class PlannedWindow:
    """When a window comes, how long it lasts, and what was changed of single times of it."""

    schedule: Schedule
    lasts_seconds: int
    changes: Mapping[datetime, WindowChange] = field(default_factory=lambda: MappingProxyType({}))
    """By nominal moment."""


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Who a window is announced to: the rows of a source whose host is one of the window's.

    `host`, `to`, `name`, `customer`, `service`, `amount` and `cycle` are names of columns.
    """

    source: str
    where: Mapping[str, Any] = field(default_factory=dict)
    host: str = "host"
    to: str = "email"
    name: str = "name"
    customer: str = "customer"
    service: tuple[str, ...] = ("product", "domain")
    """The columns that together say to customers which service it is; empty ones are left out."""
    amount: str = "amount"
    cycle: str = "cycle"


@dataclass(frozen=True, kw_only=True)
class Window:
    """One window of `maintenance.yaml`."""

    id: str
    name: str
    about: str = ""
    """What customers are told of it, in plain words."""
    schedule: Schedule
    lasts_seconds: int
    hosts: tuple[str, ...]
    """Hosts and groups."""
    audience: tuple[Audience, ...] = ()
    ladder: Ladder = NO_LADDER
    approve_seconds: int = 8 * 86400
    """How long before it begins its list is laid before who approves."""
    approve_by: str = "owner"
    accountable: str = "owner"
    template: str = "maintenance"
    ics: bool = True
    hours: str = ""
    """`business`: no mail before it begins goes outside of working hours."""
    per_minute: int | None = None
    """How many of its mails may leave within any minute; None: as fast as the server takes them."""

    @property
    def told_in_advance(self) -> bool:
        """Tell whether anybody hears of it."""
        return bool(self.audience and self.ladder.rungs)


@dataclass(frozen=True, kw_only=True)
class CreditRule:
    """What a service that was down is worth: its price for that time, where it was down for long enough."""

    after_seconds: int = 1800
    times: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ReviewItem:
    """One thing to look at after an incident."""

    title: str
    how: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentRules:
    """What `maintenance.yaml` says of incidents; the rest of each stands in the ledger."""

    audience: tuple[Audience, ...] = ()
    ladder: Ladder = NO_LADDER
    accountable: str = "owner"
    approve_by: str = "owner"
    template: str = "incident"
    per_minute: int | None = None
    """As with a window."""
    review: tuple[ReviewItem, ...] = ()
    credit: CreditRule | None = CreditRule()


@dataclass(frozen=True, kw_only=True)
class Maintenance:
    """What `maintenance.yaml` says; empty where there is none."""

    windows: Mapping[str, Window] = field(default_factory=lambda: MappingProxyType({}))
    incidents: IncidentRules = IncidentRules()
