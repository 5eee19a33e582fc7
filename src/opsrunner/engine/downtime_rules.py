"""By which words, to whom and when one downtime is told of: as its window or the rules of incidents say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from opsrunner.engine.desk import Desk
from opsrunner.engine.downtime_mails import Telling
from opsrunner.model.downtime import Downtime
from opsrunner.model.window import Audience, Window
from opsrunner.records import dataclass
from opsrunner.schedules.business import working_moment


@dataclass(frozen=True, kw_only=True)
class DowntimeRules:
    """What the site's file says of one downtime."""

    window: Window | None
    """None for an incident, and where the file no longer names it."""
    telling: Telling
    audience: tuple[Audience, ...]
    accountable: str


def rules_of(row: Downtime, desk: Desk) -> DowntimeRules:
    """Return what holds for a downtime now; nobody is told of a window that the file no longer names."""
    site = desk.site()
    window = site.maintenance.windows.get(row.window)
    rules = site.maintenance.incidents if row.is_incident else window
    return DowntimeRules(
        window=window,
        telling=Telling(
            row=row,
            ladder=rules.ladder if rules else site.maintenance.incidents.ladder,
            template=rules.template if rules else "maintenance",
            ics=window.ics if window is not None else False,
            per_minute=rules.per_minute if rules else None,
            to_working_time=_working_time(desk) if window is not None and window.hours else None,
        ),
        audience=rules.audience if rules else (),
        accountable=rules.accountable if rules else "owner",
    )


def _working_time(desk: Desk) -> Callable[[datetime], datetime]:
    site = desk.site()
    return partial(working_moment, calendar=site.business, almanac=desk.almanac(), zone=site.timezone)
