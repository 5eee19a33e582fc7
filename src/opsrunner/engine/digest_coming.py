"""What comes, and what is muted until when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk, RoutineNames
from opsrunner.engine.digest_accepted import accepted_lines, accepted_together, ending_words
from opsrunner.engine.digest_downtimes import coming_downtimes
from opsrunner.engine.digest_notices import notices_ahead
from opsrunner.engine.digest_words import count_words, plural
from opsrunner.engine.forecast import Forecast, forecast
from opsrunner.engine.people import People
from opsrunner.engine.rosters import alike_gaps, gap_hours
from opsrunner.engine.unverified import unverified_lines
from opsrunner.ledger.holds import Hold
from opsrunner.model.digest import Coming
from opsrunner.model.routine import Routine
from opsrunner.model.schedule import Freeze
from opsrunner.model.task import Task
from opsrunner.schedules.day_names import day_words, moment_words
from opsrunner.schedules.due import occurrences
from opsrunner.schedules.holding import gaps, upcoming_handovers

ELSEWHERE = frozenset({"coalesced", "paused", "asked", "frozen"})
"""Why an occurrence is left out, where another line says it."""
MOST_A_DAY = 12
"""A routine that comes so often in a day is never told of."""
SELDOM = 2
"""A routine that comes more often than this in the time ahead is everyday, and not news."""


def coming_lines(desk: Desk, *, from_: datetime, until: datetime, tasks: Sequence[Task] = ()) -> tuple[Coming, ...]:
    """Return the seldom runs, shifted and left-out ones, hand-overs, gaps, freezes and ends of acceptances, in order.

    `tasks` are the readers' own that are due later on.
    """
    lines = [*_runs(desk, from_=from_, until=until), *_rosters(desk, from_=from_, until=until)]
    lines += _freezes(desk, from_=from_, until=until)
    lines += _accepted(desk, from_=from_, until=until)
    lines += _notices(desk, from_=from_, until=until)
    lines += _due(desk, tasks, from_=from_, until=until)
    lines += _downtimes(desk, from_=from_, until=until)
    return tuple(sorted(lines, key=lambda line: (line.at, line.text)))


def muted_lines(desk: Desk, *, until: datetime) -> tuple[str, ...]:
    """Return what is paused, left out, frozen or accepted at `until`, each with its end and its reason."""
    zone = ZoneInfo(desk.site().timezone)
    names = RoutineNames(desk)
    lines: list[str] = []
    alike: dict[tuple[str, str, str], list[Hold]] = defaultdict(list)
    for hold in desk.books.holds.live(until):
        alike[(hold.routine, hold.kind, _reason(desk, hold))].append(hold)
    for (routine, _, reason), holds in alike.items():
        lines.append(f"{names.of(routine)} {_held(holds, zone)}: {reason}.")
    today = until.astimezone(zone).date()
    frozen = [freeze for freeze in desk.site().freezes if freeze.from_ <= today <= freeze.until]
    lines += [_frozen(desk, freeze) for freeze in frozen]
    return (*lines, *accepted_lines(desk, until=until), *unverified_lines(desk.site()))


def _held(holds: Sequence[Hold], zone: ZoneInfo) -> str:
    """Return `is paused until Wed 25 Nov 08:00`, or what is left out: one moment, or how many from when to when."""
    ends = sorted(end for hold in holds if (end := hold.until or hold.nominal_at) is not None)
    if holds[0].kind == "pause":
        return f"is paused until {moment_words(ends[-1], zone=zone)}"
    if len(ends) == 1:
        return f"leaves out {moment_words(ends[0], zone=zone)}"
    first, last = (moment_words(end, zone=zone) for end in (ends[0], ends[-1]))
    return f"leaves out {count_words(len(ends))} times from {first} to {last}"


def _reason(desk: Desk, hold: Hold) -> str:
    person = desk.site().people.get(hold.actor)
    return f"{hold.reason.rstrip('.')} ({person.name if person else hold.actor})"


def _frozen(desk: Desk, freeze: Freeze) -> str:
    held = sum(bool(set(freeze.tags) & set(routine.tags)) for routine in desk.site().routines.values())
    verb = "is" if held == 1 else "are"
    tags = ", ".join(freeze.tags)
    what = f"{plural(held, 'routine')} tagged {tags} {verb} frozen" if held else f"Whatever is tagged {tags} is frozen"
    return f"{what} until {day_words(freeze.until)}: {freeze.reason.rstrip('.')}."


def _runs(desk: Desk, *, from_: datetime, until: datetime) -> list[Coming]:
    """Return what a reader would not expect: seldom runs, moved ones, and those a calendar leaves out.

    What is paused, asked to be left out or frozen stands among the muted, or with the freeze that begins.
    """
    zone = ZoneInfo(desk.site().timezone)
    site = replace(desk.site(), routines=_not_hourly(desk, from_=from_))
    found = forecast(site, desk.almanac(), from_=from_, until=until, now=from_, books=desk.books, people=People(desk))
    often: dict[str, int] = defaultdict(int)
    for item in found:
        often[item.routine] += 1
    lines: list[Coming] = []
    left_out: dict[tuple[str, str], list[Forecast]] = defaultdict(list)
    for item in found:
        if item.status == "skipped" and item.reason not in ELSEWHERE:
            left_out[(item.name, item.reason)].append(item)
        if item.status != "due" or (not item.shift and often[item.routine] > SELDOM):
            continue
        lines.append(Coming(at=item.planned_at, when=_when(item.planned_at, from_, zone), text=_run_text(item)))
    for (name, reason), items in left_out.items():
        at = items[0].planned_at
        times = f" {count_words(len(items))} times" if len(items) > 1 else ""
        lines.append(Coming(at=at, when=_when(at, from_, zone), text=f"{name} is left out{times}: {reason}"))
    return lines


def _not_hourly(desk: Desk, *, from_: datetime) -> dict[str, Routine]:
    """Return the routines that do not come many times a day; what becomes of one of those times is no news."""
    tomorrow, almanac = from_ + timedelta(days=1), desk.almanac()
    return {
        name: routine
        for name, routine in desk.site().routines.items()
        if len(list(islice(occurrences(routine.schedule, after=from_, until=tomorrow, almanac=almanac), MOST_A_DAY)))
        < MOST_A_DAY
    }


def _run_text(item: Forecast) -> str:
    tasks = f", {plural(len(item.tasks), 'task')}" if item.tasks else ""
    whom = {task.assignee for task in item.tasks}
    names = f" for {whom.pop()}" if len(whom) == 1 else ""
    shift = f" ({item.shift})" if item.shift else ""
    return f"{item.name}{tasks}{names}{shift}"


def _due(desk: Desk, tasks: Sequence[Task], *, from_: datetime, until: datetime) -> list[Coming]:
    """Return when the readers' own tasks are due; those of one routine that are due together stand as one."""
    zone = ZoneInfo(desk.site().timezone)
    names = RoutineNames(desk)
    together: dict[tuple[datetime, str | None], list[Task]] = defaultdict(list)
    for task in tasks:
        if task.due_at is not None and from_ < task.due_at <= until:
            together[(task.due_at, task.routine)].append(task)
    lines: list[Coming] = []
    for (at, routine), alike in together.items():
        what = f"{names.of(routine)}, {plural(len(alike), 'task')}" if len(alike) > 1 else alike[0].title
        lines.append(Coming(at=at, when=_when(at, from_, zone), text=f"Yours is due: {what}"))
    return lines


def _downtimes(desk: Desk, *, from_: datetime, until: datetime) -> list[Coming]:
    zone = ZoneInfo(desk.site().timezone)
    found = coming_downtimes(desk, from_=from_, until=until)
    return [Coming(at=at, when=_when(at, from_, zone), text=text) for at, text in found]


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
    around = gaps(desk.site(), absences, from_=from_ - day, until=until + day)
    lines: list[Coming] = []
    for found in alike_gaps((gap for gap in around if gap.until > from_ and gap.from_ < until), zone):
        start, end = gap_hours(found[0], zone)
        often = f", on {count_words(len(found))} days" if len(found) > 1 else ""
        at = max(found[0].from_, from_)
        text = f"Nobody holds {found[0].roster}, {start} to {end}{often}"
        lines.append(Coming(at=at, when=_when(at, from_, zone), text=text))
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


def _accepted(desk: Desk, *, from_: datetime, until: datetime) -> list[Coming]:
    zone = ZoneInfo(desk.site().timezone)
    ending = [one for one in accepted_together(desk, at=from_) if from_ < one.until <= until]
    return [Coming(at=one.until, when=_when(one.until, from_, zone), text=ending_words(one)) for one in ending]


def _notices(desk: Desk, *, from_: datetime, until: datetime) -> list[Coming]:
    zone = ZoneInfo(desk.site().timezone)
    ahead = notices_ahead(desk, from_=from_, until=until)
    return [Coming(at=at, when=_when(at, from_, zone), text=text) for at, text in ahead]


def _when(moment: datetime, from_: datetime, zone: ZoneInfo) -> str:
    """Return `10:00` for today, `Mon 09:00` for the days ahead, `1 Dec 09:00` further on."""
    local, today = moment.astimezone(zone), from_.astimezone(zone).date()
    clock = "" if (local.hour, local.minute) == (0, 0) else f" {local:%H:%M}"
    if local.date() == today:
        return f"{local:%H:%M}"
    words = day_words(local.date())
    far = (local.date() - today).days > 6
    return f"{words.split(' ', 1)[1] if far else words.split(' ', 1)[0]}{clock}"
