"""Windows and incidents on the calendar, beside the routines."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.calendar_view import Entry
from opsrunner.engine.desk import Desk
from opsrunner.engine.downtimes import Stand, downtimes_between
from opsrunner.engine.forecast import Forecast
from opsrunner.model.downtime import DowntimeStatus
from opsrunner.model.window import MAINTENANCE


def downtime_forecasts(desk: Desk, *, from_: datetime, until: datetime, now: datetime) -> list[Forecast]:
    """Return the windows and incidents that begin in (from_, until], as lines of the calendar."""
    zone = ZoneInfo(desk.site().timezone)
    return [
        Forecast(
            routine=_name(one),
            name=one.plan.title,
            nominal_at=one.plan.nominal_at,
            planned_at=one.begins_at,
            status=_status(one),
            shift=_facts(one, zone),
        )
        for one in _beginning(desk, from_=from_, until=until, now=now)
    ]


def downtime_entries(desk: Desk, *, from_: datetime, until: datetime, now: datetime) -> list[Entry]:
    """Return the same as entries of the page."""
    zone = ZoneInfo(desk.site().timezone)
    return [
        Entry(
            at=one.begins_at,
            routine=_name(one),
            name=one.plan.title,
            status=_status(one),
            people=_facts(one, zone),
            names=(_facts(one, zone),),
        )
        for one in _beginning(desk, from_=from_, until=until, now=now)
    ]


def _beginning(desk: Desk, *, from_: datetime, until: datetime, now: datetime) -> list[Stand]:
    found = downtimes_between(desk, from_=from_, until=until, now=now)
    return [one for one in found if from_ < one.begins_at <= until]


def _name(one: Stand) -> str:
    return one.name if one.row is not None and one.row.is_incident else f"{MAINTENANCE}{one.plan.window}"


def _status(one: Stand) -> str:
    return "due" if one.status is DowntimeStatus.PLANNED else one.status.value


def _facts(one: Stand, zone: ZoneInfo) -> str:
    hosts = ", ".join(one.plan.hosts[:3]) + (" …" if len(one.plan.hosts) > 3 else "")
    end = f"until {one.ends_at.astimezone(zone):%H:%M} " if one.ends_at else ""
    moved = ", moved" if one.row is not None and one.row.moved_at else ""
    return f"{end}on {hosts}{moved}"
