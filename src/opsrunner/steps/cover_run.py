"""What the step kind `cover` does: one look ahead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.model.task import Task
from opsrunner.records import dataclass
from opsrunner.schedules.day_names import day_words, moment_words
from opsrunner.schedules.day_words import day_word
from opsrunner.schedules.holding import LOOK_AHEAD, Gap, gaps
from opsrunner.schedules.zones import MIDNIGHT, ONE_DAY, local_date, to_utc
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.cover import Options, Peak
from opsrunner.steps.fan_out import select_hosts
from opsrunner.steps.output import OutputSink, printable
from opsrunner.steps.room import room_of
from opsrunner.steps.team import Team

MOST_NAMED = 3

_WORDS = {
    "gap": ("gap", "gaps"),
    "task": ("task of somebody who is away", "tasks of people who are away"),
    "peak": ("season", "seasons"),
    "room": ("season without room", "seasons without room"),
    "holiday": ("holiday", "holidays"),
}
"""One, and many."""


def run(call: StepCall, means: Means) -> Outcome:
    """Look ahead. The rows are told by `kind`: gap, task, peak, room, holiday. Raises StepFailed for unknown hosts."""
    options: Options = call.options
    look = _Look(team=means.team(), options=options, now=means.clock.now(), routine=call.routine)
    rows = (*look.gaps(), *look.tasks(), *look.peaks(), *look.rooms(means), *look.holidays())
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        for row in rows:
            line = f"{row['kind']}: {row['roster'] or row['name']} {row['title']} {row['words']}"
            sink.write((printable(" ".join(line.split())) + "\n").encode("utf-8", "replace"))
    finally:
        sink.close()
    counts = {kind: sum(row["kind"] == kind for row in rows) for kind in _WORDS}
    told = [f"{count} {_WORDS[kind][count != 1]}" for kind, count in counts.items() if count]
    return sink.judged(
        Outcome(
            status=StepStatus.WARNING if counts["gap"] or counts["task"] or counts["room"] else StepStatus.SUCCEEDED,
            message=", ".join(told) or "every duty is held, and nothing is ahead",
            rows=rows,
            facts={f"{kind}s": count for kind, count in counts.items()},
        )
    )


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One look ahead."""

    team: Team
    options: Options
    now: datetime
    routine: str

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.team.site.timezone)

    @property
    def _today(self) -> date:
        return local_date(self.now, self._zone)

    @property
    def _end(self) -> datetime:
        return self.now + timedelta(seconds=self.options.within)

    def gaps(self) -> Iterator[Row]:
        """Yield the times when nobody holds a roster; what comes back at the same hours is one row."""
        beyond = self._end + LOOK_AHEAD
        groups: dict[tuple[str, ...], list[Gap]] = defaultdict(list)
        for gap in gaps(self.team.site, self.team.absences, from_=self.now, until=beyond):
            if gap.from_ < self._end and (self.options.planned or not gap.is_planned):
                groups[(gap.roster, gap.why, *self._hours(gap))].append(gap)
        for group in groups.values():
            first = group[0]
            words, hours = self._gap_words(group, is_open=first.until >= beyond)
            yield _row("gap", f"gap/{first.roster}/{hours}", roster=first.roster, words=words, why=first.why)

    def tasks(self) -> Iterator[Row]:
        """Yield the open tasks of people who are away when they are due, or now, with nobody standing in."""
        for task in self.team.tasks:
            person = self._owner(task)
            if person is None or task.routine == self.routine:
                continue
            until = self._away_until(person, task)
            if until is not None:
                due = f"due {moment_words(task.due_at, zone=self._zone)}" if task.due_at else "without a due time"
                words = f"{due}, away until {moment_words(until, zone=self._zone)}"
                name = self.team.site.name_of(person)
                yield _row("task", f"task/{task.id}", name=name, title=task.title, task=task.id, words=words)

    def peaks(self) -> Iterator[Row]:
        """Yield the seasons that are near and for which nobody has declared the freeze that they should have."""
        for peak, starts_on, ends_on in self._near():
            is_prepared = self._is_frozen(peak, starts_on, ends_on) if peak.tags else starts_on <= self._today
            if not is_prepared:
                why = f"no freeze holds {' and '.join(peak.tags)} then" if peak.tags else "no freeze is expected"
                words = f"{day_words(starts_on)} to {day_words(ends_on)}"
                row = _row("peak", f"peak/{peak.name}/{starts_on.year}", name=peak.name, words=words, why=why)
                yield row | {"starts_on": starts_on, "ends_on": ends_on, "tags": ", ".join(peak.tags)}

    def rooms(self, means: Means) -> Iterator[Row]:
        """Yield the seasons that are near or on, and that some hosts would not stand, or of which nobody knows."""
        options = self.options.room
        if options is None:
            return
        routine = means.history_of(options.routine)
        measured, standing = means.samples(routine, options.step), means.findings(routine, options.step)
        every = tuple(name for name in means.hosts if name != "local") or ("local",)
        for peak, starts_on, ends_on in self._near():
            chosen = [host.name for host in select_hosts(peak.hosts or options.hosts or every, means.hosts)]
            until = to_utc(ends_on + ONE_DAY, MIDNIGHT, self._zone)
            room = room_of(chosen, measured, standing, options=options, now=self.now, until=until)
            if room.words:
                why = f"{day_words(starts_on)} to {day_words(ends_on)}"
                row = _row("room", f"room/{peak.name}/{starts_on.year}", name=peak.name, words=room.words, why=why)
                hosts = {"lacking": room.lacking, "unknown": room.unknown}
                yield row | {"starts_on": starts_on, "ends_on": ends_on} | hosts

    def holidays(self) -> Iterator[Row]:
        """Yield the holidays and days off ahead."""
        for count in range(self.options.within // 86400 + 1):
            day = self._today + count * ONE_DAY
            name = self.team.almanac.holiday_name(day, self.options.calendar)
            if name:
                words = f"{day_words(day)} ({name})"
                yield _row("holiday", f"holiday/{day}", name=name, words=words) | {"starts_on": day, "ends_on": day}

    def _near(self) -> Iterator[tuple[Peak, date, date]]:
        """Yield the seasons that are on or begin soon, each with its first and its last day."""
        for peak in self.options.peaks:
            starts_on, ends_on = _season(peak, self._today)
            if starts_on - self._today <= timedelta(seconds=peak.ahead):
                yield peak, starts_on, ends_on

    def _hours(self, gap: Gap) -> tuple[str, str]:
        start, end = (moment.astimezone(self._zone) for moment in (gap.from_, gap.until))
        if gap.until - gap.from_ <= ONE_DAY:
            return f"{start:%H:%M}", f"{end:%H:%M}"
        return moment_words(gap.from_, zone=self._zone), moment_words(gap.until, zone=self._zone)

    def _gap_words(self, group: list[Gap], *, is_open: bool) -> tuple[str, str]:
        """Return when nobody is there, and what of it stays the same from look to look."""
        first = group[0]
        if len(group) > 1:
            start, end = self._hours(first)
            return f"from {start} to {end} on {len(group)} days", f"{start} to {end}"
        start = "now" if first.from_ <= self.now else f"from {moment_words(first.from_, zone=self._zone)}"
        if is_open:
            return f"{start}, and nobody is to come", "open"
        end = moment_words(first.until, zone=self._zone)
        return f"{start} until {end}", f"until {first.until:%Y-%m-%d %H:%M}"

    def _owner(self, task: Task) -> str | None:
        """Return whose task it is; None where a roster or several people answer for it."""
        site = self.team.site
        if task.person in site.people:
            return task.person
        if task.role in site.people or task.role in site.rosters:
            return task.role if task.role in site.people else None
        holders = site.holders_of(task.role)
        return holders[0].id if len(holders) == 1 else None

    def _away_until(self, person: str, task: Task) -> datetime | None:
        due = task.due_at if task.due_at is not None and task.due_at <= self._end else None
        moments = {self.now, max(due or self.now, self.now)}
        away = [
            absence.until
            for absence in self.team.absences
            if absence.kind == "leave" and absence.person == person and absence.roster is None and absence.other is None
            if any(absence.from_ <= moment < absence.until for moment in moments)
        ]
        return max(away, default=None)

    def _is_frozen(self, peak: Peak, starts_on: date, ends_on: date) -> bool:
        return any(
            freeze.from_ <= ends_on and freeze.until >= starts_on and not set(peak.tags).isdisjoint(freeze.tags)
            for freeze in self.team.site.freezes
        )


def _season(peak: Peak, today: date) -> tuple[date, date]:
    """Return the season that is on or comes next."""
    first, last = day_word(peak.from_), day_word(peak.until)
    for year in (today.year - 1, today.year, today.year + 1):
        starts_on = _day_of(year, first.month, first.number)
        passes = (last.month, last.number) < (first.month, first.number)
        ends_on = _day_of(year + passes, last.month, last.number)
        if ends_on >= today:
            break
    return starts_on, ends_on


def _day_of(year: int, month: int, number: int) -> date:
    """Return a day of a year; 29 February is the 28th where there is none."""
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return date(year, month, 28 if (month, number) == (2, 29) and not is_leap else number)


def _row(kind: str, key: str, *, words: str, **more: object) -> dict[str, Any]:
    empty = {"roster": "", "name": "", "title": "", "task": None, "why": "", "tags": "", "lacking": (), "unknown": ()}
    return {"kind": kind, "key": key, **empty, "words": words, "starts_on": None, "ends_on": None, **more}
