"""Which maintenance windows and incidents there are in a time: as files plan them and as the ledger knows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.errors import NotFound, Refused
from opsrunner.model.downtime import Downtime, DowntimeStatus, NewDowntime
from opsrunner.model.site import Site
from opsrunner.model.window import PlannedWindow, Window
from opsrunner.records import dataclass
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.moments import Span
from opsrunner.schedules.windows import WindowTime, window_times
from opsrunner.steps.suggestions import nearest

BY_PROGRAM = "opsrunner"
LOOK_AHEAD = timedelta(days=400)
LOOK_BACK = timedelta(days=15)
"""Longer than any window lasts."""


@dataclass(frozen=True, kw_only=True)
class Stand:
    """One time of a window, or an incident, as it stands."""

    plan: NewDowntime
    """Its words and times as they are in force."""
    row: Downtime | None
    """What the ledger knows of it; None where nobody has touched it yet."""
    status: DowntimeStatus
    window: Window | None
    """None for an incident, and where the file no longer names it."""

    @property
    def begins_at(self) -> datetime:
        """When it begins, or began."""
        return self.plan.begins_at if self.row is None else self.row.began_at

    @property
    def ends_at(self) -> datetime | None:
        """When it ended, or is to end; None where nobody knows."""
        return self.row.ended_at if self.row is not None and self.row.ended_at else self.plan.ends_at

    @property
    def name(self) -> str:
        """What commands call it: `kernel`, `incident 12`."""
        return self.plan.window if self.row is None else self.row.name

    @property
    def is_live(self) -> bool:
        """Tell whether it is on now, or should have been ended."""
        return self.status in (DowntimeStatus.ON, DowntimeStatus.OVERRUN)


def downtimes_between(desk: Desk, *, from_: datetime, until: datetime, now: datetime) -> list[Stand]:
    """Return what is planned or was in [from_, until), cancelled ones too, the first to begin first.

    Incidents and windows that nobody has ended are there as long as that lasts. Of the past the ledger alone knows.
    """
    site, known = desk.site(), _rows(desk, since=from_)
    found = [stand_of(site, row, now=now) for row in known if row.is_incident or row.is_touched]
    rows = {(row.window, row.nominal_at): row for row in known}
    for window in site.maintenance.windows.values():
        for time in window_times(window.id, Span(from_ - LOOK_BACK, until), desk.almanac()):
            row = rows.get((window.id, time.nominal_at))
            if row is None and time.ends_at <= now:
                continue  # nobody saw it: the file is younger, or nothing worked here then
            if time.change is None and not (row is not None and row.is_touched):
                found.append(_planned(site, window, time, row, now=now))
    inside = [one for one in found if one.begins_at < until and (one.is_live or _end(one) > from_)]
    return sorted(inside, key=lambda one: (one.begins_at, one.plan.title))


def stand_of(site: Site, row: Downtime, *, now: datetime) -> Stand:
    """Return how what the ledger knows stands now."""
    return Stand(plan=row, row=row, status=row.status(now), window=site.maintenance.windows.get(row.window))


def plan_of(window: Window, time: WindowTime, *, site: Site) -> NewDowntime:
    """Return what the site's file says of one time of a window."""
    return NewDowntime(
        window=window.id,
        nominal_at=time.nominal_at,
        title=window.name,
        about=window.about,
        hosts=expand_hosts(window.hosts, site),
        begins_at=time.begins_at,
        ends_at=time.ends_at,
        by=BY_PROGRAM,
    )


def expand_hosts(names: Iterable[str], site: Site) -> tuple[str, ...]:
    """Return the hosts that names stand for: groups are taken apart, all else is a host, of the inventory or not."""
    found: dict[str, None] = {}
    for name in names:
        members = [host.name for host in site.hosts.values() if name == "all" or name in host.groups]
        found |= dict.fromkeys(members if members and name not in site.hosts else [name])
    return tuple(found)


def time_of_window(desk: Desk, name: str, *, at: datetime, on: date | None = None) -> Stand:
    """Return the time of a window that an act is about: the one that is on, else the next; or the one of a day.

    Raises NotFound where there is no such window or time, Refused where the file broke.
    """
    known = desk.site().maintenance.windows
    if name not in known and not any(row.window == name for row in desk.books.downtimes.unclosed()):
        hint = nearest(name, known) if known else "; maintenance.yaml names none"
        raise NotFound(f"there is no maintenance window '{name}'{hint}")
    mine = [one for one in downtimes_between(desk, from_=at, until=at + LOOK_AHEAD, now=at) if one.plan.window == name]
    zone = ZoneInfo(desk.site().timezone)
    if on is not None:
        mine = [one for one in mine if one.begins_at.astimezone(zone).date() == on]
    open_ = [one for one in mine if one.row is None or not one.row.is_over]
    if open_:
        return open_[0]
    if mine:
        raise Refused(f"{name} is {mine[0].status.value} already")
    raise NotFound(f"{name} is not planned {f'on {on}' if on else 'within the next year'}")


def incidents_since(desk: Desk, *, since: datetime, now: datetime) -> list[Stand]:
    """Return the incidents that are open or were closed since a moment, the newest first."""
    found = [stand_of(desk.site(), row, now=now) for row in _rows(desk, since=since) if row.is_incident]
    return sorted(found, key=lambda one: one.begins_at, reverse=True)


def incident_numbered(desk: Desk, number: int) -> Downtime:
    """Return an incident, open or not. Raises NotFound."""
    row = desk.books.downtimes.get(number)
    if not row.is_incident:
        raise NotFound(f"there is no incident {number}")
    return row


def open_incident(desk: Desk, number: int) -> Downtime:
    """Return an incident that goes on. Raises NotFound; Refused where it has ended."""
    row = incident_numbered(desk, number)
    if row.is_over:
        raise Refused(f"incident {number} has ended already")
    return row


def the_open_incident(desk: Desk) -> Downtime:
    """Return the only incident that goes on. Raises NotFound where there is none, Refused where there are several."""
    found = [row for row in desk.books.downtimes.unclosed() if row.is_incident and not row.is_over]
    if not found:
        raise NotFound("no incident is open")
    if len(found) > 1:
        numbers = ", ".join(f"{row.id} ({row.title})" for row in found)
        raise Refused(f"several incidents are open, say which: {numbers}")
    return found[0]


def file_time(row: Downtime, window: Window, almanac: Almanac) -> WindowTime | None:
    """Return the time that the file plans for what the ledger knows, None where it plans none."""
    span = Span(row.nominal_at - LOOK_BACK, row.nominal_at + LOOK_BACK)  # a holiday shift moves it by days
    unchanged = PlannedWindow(schedule=window.schedule, lasts_seconds=window.lasts_seconds)
    bare = Almanac(almanac.calendars, windows={window.id: unchanged})
    return next((time for time in window_times(window.id, span, bare) if time.nominal_at == row.nominal_at), None)


def _rows(desk: Desk, *, since: datetime) -> Sequence[Downtime]:
    return [*desk.books.downtimes.unclosed(), *desk.books.downtimes.closed(since=since)]


def _planned(site: Site, window: Window, time: WindowTime, row: Downtime | None, *, now: datetime) -> Stand:
    plan = plan_of(window, time, site=site)
    status = DowntimeStatus.PLANNED
    if time.begins_at <= now:
        status = DowntimeStatus.ON if now < time.ends_at else DowntimeStatus.ENDED
    return Stand(plan=plan, row=row, status=status, window=window)


def _end(one: Stand) -> datetime:
    return one.ends_at or one.begins_at
