"""Windows and incidents in the digest: what comes, what is open, and of what nobody was told."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.downtimes import Stand, downtimes_between
from opsrunner.engine.moment_words import count_words, span_words, when_words
from opsrunner.model.digest import OpenItem
from opsrunner.model.downtime import Downtime, DowntimeStatus
from opsrunner.schedules.day_names import day_words

MOST_HOSTS = 3
ONE_DAY = timedelta(days=1)


def coming_downtimes(desk: Desk, *, from_: datetime, until: datetime) -> list[tuple[datetime, str]]:
    """Return when windows begin, and what there is to know of each; those that come often stand once."""
    zone = ZoneInfo(desk.site().timezone)
    found = downtimes_between(desk, from_=from_, until=until, now=from_)
    planned = [one for one in found if one.status is DowntimeStatus.PLANNED and one.begins_at > from_]
    cancelled = [one for one in found if one.status is DowntimeStatus.CANCELLED and one.begins_at > from_]
    first = {one.name: one for one in reversed(planned)}.values()
    lines = [(one.begins_at, _words(one, zone)) for one in first]
    lines += [(one.begins_at, f"{one.plan.title} does not take place") for one in cancelled]
    return lines


def downtime_items(desk: Desk, *, from_: datetime, until: datetime) -> list[OpenItem]:
    """Return an item for each open incident, and for each window of which customers should have heard and did not."""
    open_rows = [row for row in desk.books.downtimes.unclosed() if row.is_incident and not row.is_over]
    items = [_incident(desk, row, until=until) for row in open_rows]
    for row in [*desk.books.downtimes.unclosed(), *desk.books.downtimes.closed(since=from_)]:
        window = desk.site().maintenance.windows.get(row.window)
        began = from_ < row.begins_at <= until and row.cancelled_at is None
        if window is not None and window.told_in_advance and began and row.announced_at is None and row.people:
            items.append(_untold(row, ZoneInfo(desk.site().timezone)))
    return items


def _words(one: Stand, zone: ZoneInfo) -> str:
    hosts = one.plan.hosts
    where = ", ".join(hosts) if len(hosts) <= MOST_HOSTS else count_words(len(hosts), "host")
    end = f" until {one.ends_at.astimezone(zone):%H:%M}" if one.ends_at else ""
    moved = ", moved" if one.row is not None and one.row.moved_at else ""
    return f"{one.plan.title}{end} on {where}{moved}{_told_words(one)}"


def _told_words(one: Stand) -> str:
    if one.window is None or not one.window.told_in_advance or one.row is None:
        return ""
    if one.row.announced_at is not None:
        return ", customers know"
    return ", approved" if one.row.approved_at else ", not approved yet"


def _incident(desk: Desk, row: Downtime, *, until: datetime) -> OpenItem:
    site = desk.site()
    zone = ZoneInfo(site.timezone)
    posts = desk.books.downtimes.posts([row.id]).get(row.id, [])
    last = (
        f"The last word was {when_words(posts[-1].at, now=until, zone=zone)}." if posts else "Nothing was said since."
    )
    age = until - row.began_at
    return OpenItem(
        tone="failed",
        word="Incident",
        title=row.title,
        facts=f"Open for {span_words(age.total_seconds())}, on {', '.join(row.hosts[:MOST_HOSTS])}; "
        f"{count_words(len(row.people), 'customer')} affected. {last}",
        with_whom=f"opened by {site.name_of(row.by)}",
        age_days=age // ONE_DAY,
        url=f"{site.web.url.rstrip('/')}/maintenance" if site.web.url else "",
        short=f"incident {row.hosts[0]}" if row.hosts else "an incident",
        command=f"opsrunner incident show {row.id}",
    )


def _untold(row: Downtime, zone: ZoneInfo) -> OpenItem:
    day = day_words(row.begins_at.astimezone(zone).date())
    return OpenItem(
        tone="look",
        word="Nobody told",
        title=f"{row.title}, {day}",
        facts=f"It began, and {count_words(len(row.people), 'customer')} had not heard: the list was never approved.",
        with_whom="",
        short="untold maintenance",
        command="opsrunner maintenance list",
    )
