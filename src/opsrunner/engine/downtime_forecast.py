"""What windows and incidents will tell customers until a moment, by files, ledger and sources as they are now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from opsrunner.engine.affected import Affected, ReadOnce, affected
from opsrunner.engine.announcer import CLOSED_AFTER
from opsrunner.engine.downtime_outlook import Outlook, notice_of
from opsrunner.engine.downtime_rules import rules_of
from opsrunner.engine.downtimes import LOOK_BACK, Stand, downtimes_between
from opsrunner.engine.foretold import NoticeForecast
from opsrunner.engine.notices import NoticeHouse
from opsrunner.model.downtime import INCIDENTS, Downtime
from opsrunner.model.site import Site
from opsrunner.model.window import MAINTENANCE


def downtime_notices(site: Site) -> list[str]:
    """Return by which names what is told of windows and incidents can be asked for."""
    maintenance = site.maintenance
    windows = [f"{MAINTENANCE}{one.id}" for one in maintenance.windows.values() if one.told_in_advance]
    return [*windows, *([INCIDENTS] if maintenance.incidents.audience else [])]


def foresee_downtimes(house: NoticeHouse, *, until: datetime, name: str = "") -> list[NoticeForecast]:
    """Return each time of a window and each incident that has something to tell until a moment, the first first."""
    memory = _Memory(house)
    found = [
        Outlook(house, stand, affected=memory.affected, until=until)
        for stand in _stands(house, until=until)
        if name in ("", notice_of(stand))
    ]
    return [one.made() for one in found if one.has_something_to_tell()]


def _stands(house: NoticeHouse, *, until: datetime) -> Iterator[Stand]:
    """Yield what may still tell somebody: also what is over, and what begins later and is told of before."""
    now, windows = house.now(), house.desk.site().maintenance.windows.values()
    ahead = LOOK_BACK + timedelta(seconds=max((one.approve_seconds for one in windows), default=0))
    for stand in downtimes_between(house.desk, from_=now - CLOSED_AFTER, until=until + ahead, now=now):
        is_open = stand.row is not None and stand.row.closed_at is None
        if is_open or (stand.row is None and (stand.plan.ends_at or now) > now):
            yield stand


class _Memory:
    """Sources that were read: many times of a window have one audience."""

    def __init__(self, house: NoticeHouse) -> None:
        self._house, self._read = house, ReadOnce(house.read)
        self._found: dict[tuple[str, tuple[str, ...]], Affected] = {}

    def affected(self, row: Downtime) -> Affected:
        """Return who is affected by a downtime. Raises StepFailed where a source cannot be read."""
        desk, about = self._house.desk, (row.window, row.hosts)
        if about not in self._found:
            audience = rules_of(row, desk).audience
            self._found[about] = affected(audience, row.hosts, site=desk.site(), read=self._read)
        return self._found[about]
