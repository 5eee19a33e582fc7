"""Whether hosts have room for a busy season, by what the capacity audit measured last; unknown is never fine. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from opsrunner.audits.trend import days_until_full
from opsrunner.model.finding import KnownFinding, Severity
from opsrunner.records import dataclass
from opsrunner.steps.cover import RoomOptions

Measured: TypeAlias = Mapping[str, Mapping[str, Sequence[tuple[datetime, int, int]]]]
"""By host and mount point, oldest first: moment, used bytes and size in bytes."""
Told: TypeAlias = tuple[dict[str, str], ...]
"""A host and why it is named: `host` and `why`."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """How hosts stand before a season."""

    hosts: int
    lacking: Told
    """Those that would not stand it."""
    unknown: Told
    """Those that were not measured."""

    @property
    def words(self) -> str:
        """What is wrong, as one line; '' where all of them have room."""
        said = []
        if self.lacking:
            said.append(f"{len(self.lacking)} of {self.hosts} {_hosts(self.hosts)} would not stand it")
        if self.unknown:
            said.append(f"{len(self.unknown)} of {self.hosts} {_hosts(self.hosts)} not measured")
        return ", ".join(said)


def room_of(
    hosts: Sequence[str],
    measured: Measured,
    standing: Sequence[KnownFinding],
    *,
    options: RoomOptions,
    now: datetime,
    until: datetime,
) -> Room:
    """Return how some hosts stand before a season that lasts `until`."""
    lacking: list[dict[str, str]] = []
    unknown: list[dict[str, str]] = []
    for host in hosts:
        newest = max((samples[-1][0] for samples in measured.get(host, {}).values() if samples), default=None)
        if newest is None or now - newest > timedelta(seconds=options.measured_within):
            since = "never measured" if newest is None else f"last measured {(now - newest).days} days ago"
            unknown.append({"host": host, "why": since})
            continue
        found = [one for one in standing if one.finding.host == host and _counts(one)]
        why = [
            *_full(measured[host], options.disk_percent, newest=newest, now=now, until=until),
            *(f"{one.finding.name}: {one.finding.detail}" for one in found),
        ]
        if why:
            lacking.append({"host": host, "why": "; ".join(dict.fromkeys(why))})
    return Room(hosts=len(hosts), lacking=tuple(lacking), unknown=tuple(unknown))


def _counts(one: KnownFinding) -> bool:
    """Tell whether a finding stands in the way: not what is low, nor what somebody has accepted."""
    return one.accepted is None and one.finding.severity.rank <= Severity.MEDIUM.rank


def _full(
    disks: Mapping[str, Sequence[tuple[datetime, int, int]]],
    percent: float,
    *,
    newest: datetime,
    now: datetime,
    until: datetime,
) -> list[str]:
    """Return what is too full now, or will be full before the end; a disk that is no longer measured is gone."""
    said = []
    for mount, samples in disks.items():
        at, used, size = samples[-1]
        if at < newest - timedelta(hours=1) or size <= 0:
            continue
        days = days_until_full(samples, now)
        if 100 * used / size >= percent:
            said.append(f"{mount} is {100 * used // size} % full")
        elif days is not None and now + timedelta(days=days) <= until:
            said.append(f"{mount} is full in {int(days)} days")
    return said


def _hosts(count: int) -> str:
    return "host" if count == 1 else "hosts"
