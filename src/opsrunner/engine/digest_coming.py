"""What comes, and what is muted until when."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import count_words, day_words
from opsrunner.engine.forecast import Forecast, forecast
from opsrunner.engine.people import People
from opsrunner.model.digest import Coming
from opsrunner.schedules.holding import Gap, gaps, upcoming_handovers

SELDOM = 2
"""A routine that comes more often than this in the time ahead is everyday, and not news."""


def coming_lines(desk: Desk, *, from_: datetime, until: datetime) -> tuple[Coming, ...]:
    """Return the seldom runs, shifted and left-out ones, hand-overs, gaps and freezes ahead, in order."""
    lines = [*_runs(desk, from_=from_, until=until), *_rosters(desk, from_=from_, until=until)]
    lines += _freezes(desk, from_=from_, until=until)
    return tuple(sorted(lines, key=lambda line: (line.at, line.text)))


def muted_lines(desk: Desk, *, until: datetime) -> tuple[str, ...]:
    """Return what is paused, asked to be left out or frozen at `until`, each with its end and its reason."""
    zone = ZoneInfo(desk.site().timezone)
    lines: list[str] = []
    for hold in desk.books.holds.live(until):
        end = hold.until or hold.nominal_at
        when = "" if end is None else f" {_moment(end, zone)}"
        what = f"is paused until{when}" if hold.kind == "pause" else f"leaves out{when}"
        lines.append(f"{hold.routine} {what}: {hold.reason} ({hold.actor})")
    today = until.astimezone(zone).date()
    frozen = [freeze for freeze in desk.site().freezes if freeze.from_ <= today <= freeze.until]
    lines += [f"Frozen until {day_words(one.until)} ({', '.join(one.tags)}): {one.reason}" for one in frozen]
    return tuple(lines)


def _runs(desk: Desk, *, from_: datetime, until: datetime) -> list[Coming]:
    zone = ZoneInfo(desk.site().timezone)
    found = forecast(desk.site(), desk.almanac(), from_=from_, until=until, books=desk.books, people=People(desk))
    often: dict[str, int] = defaultdict(int)
    for item in found:
        often[item.routine] += 1
    lines: list[Coming] = []
    for item in found:
        if item.status not in ("due", "skipped"):
            continue
        if item.status == "due" and not item.shift and often[item.routine] > SELDOM:
            continue
        if item.status == "skipped" and item.reason == "coalesced":
            continue
        lines.append(Coming(at=item.planned_at, when=_when(item.planned_at, from_, zone), text=_run_text(item)))
    return lines


def _run_text(item: Forecast) -> str:
    if item.status == "skipped":
        return f"{item.name} is left out ({item.reason})"
    tasks = f", {count_words(len(item.tasks))} task{'' if len(item.tasks) == 1 else 's'}" if item.tasks else ""
    whom = {task.assignee for task in item.tasks}
    names = f" for {whom.pop()}" if len(whom) == 1 else ""
    shift = f" ({item.shift})" if item.shift else ""
    return f"{item.name}{tasks}{names}{shift}"


def _rosters(desk: Desk, *, from_: datetime, until: datetime) -> list[Coming]:
    site = desk.site()
    zone = ZoneInfo(site.timezone)
    absences = desk.books.absences.live(since=from_)
    lines: list[Coming] = []
    for handover in upcoming_handovers(site, absences, from_=from_, until=until):
        if handover.person is None or len(site.rosters[handover.roster].shifts) > 0:
            continue  # shifts change every day; that is no news
        name = site.people[handover.person].name
        text = f"{handover.roster} passes to {name}"
        lines.append(Coming(at=handover.at, when=_when(handover.at, from_, zone), text=text))
    lines += _gaps(desk, from_=from_, until=until)
    return lines


def _gaps(desk: Desk, *, from_: datetime, until: datetime) -> list[Coming]:
    """Return a line for each gap of a roster; one that comes back at the same hours stands once, with its count."""
    zone = ZoneInfo(desk.site().timezone)
    absences = desk.books.absences.live(since=from_)
    day = timedelta(days=1)
    alike: dict[tuple[str, str, str], list[Gap]] = defaultdict(list)
    for gap in gaps(desk.site(), absences, from_=from_ - day, until=until + day):
        if gap.until > from_ and gap.from_ < until:
            hours = f"{gap.from_.astimezone(zone):%H:%M}", f"{gap.until.astimezone(zone):%H:%M}"
            alike[(gap.roster, *hours)].append(gap)
    lines: list[Coming] = []
    for (roster, start, end), found in alike.items():
        often = f", on {count_words(len(found))} days" if len(found) > 1 else ""
        at = max(found[0].from_, from_)
        lines.append(Coming(at=at, when=_when(at, from_, zone), text=f"Nobody holds {roster} {start}–{end}{often}"))
    return lines


def _freezes(desk: Desk, *, from_: datetime, until: datetime) -> list[Coming]:
    zone = ZoneInfo(desk.site().timezone)
    first, last = from_.astimezone(zone).date(), until.astimezone(zone).date()
    lines: list[Coming] = []
    for freeze in desk.site().freezes:
        for day, text in (
            (freeze.from_, f"Freeze of {', '.join(freeze.tags)} begins: {freeze.reason}"),
            (freeze.until + timedelta(days=1), f"Freeze of {', '.join(freeze.tags)} is over"),
        ):
            if first < day <= last:
                moment = datetime(day.year, day.month, day.day, tzinfo=zone)
                lines.append(Coming(at=moment, when=_when(moment, from_, zone), text=text))
    return lines


def _when(moment: datetime, from_: datetime, zone: ZoneInfo) -> str:
    """Return `10:00` for today, `Mon 09:00` for the days ahead, `1 Dec 09:00` further on."""
    local, today = moment.astimezone(zone), from_.astimezone(zone).date()
    clock = "" if (local.hour, local.minute) == (0, 0) else f" {local:%H:%M}"
    if local.date() == today:
        return f"{local:%H:%M}"
    words = day_words(local.date())
    far = (local.date() - today).days > 6
    return f"{words.split(' ', 1)[1] if far else words.split(' ', 1)[0]}{clock}"


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{day_words(local.date())} {local:%H:%M}"
