"""The calendar as a page shows it: days with what was, what comes, who holds what and what is held back.

Pure: it is given what the ledger and the planner say, and arranges it. A day has room for so many lines; what
matters most is named, what is fine is counted, and the rest is folded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from opsrunner.engine.calendar_lines import Line
from opsrunner.engine.calendar_rosters import RosterDay, RosterPeriod
from opsrunner.engine.calendar_span import Span
from opsrunner.engine.moment_words import span_words
from opsrunner.engine.status_words import status_word, tone_of
from opsrunner.ledger.days import DayTally
from opsrunner.model.digest import Tone
from opsrunner.model.schedule import Freeze
from opsrunner.model.window import MAINTENANCE
from opsrunner.records import dataclass

LONGEST_FOLD = 100
"""So many lines of a day a page tells of what is folded."""
_ELSEWHERE = frozenset({"frozen", "paused"})
"""Why something is left out for days on end: no news of one of them."""
_STANDS_FOR = "coalesced"
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a day: an occurrence, or several of a routine that are alike."""

    at: datetime
    """When it is planned; of several the first."""
    routine: str
    name: str
    status: str
    """`due`, `skipped` for what will be left out, or what the ledger says."""
    reason: str = ""
    shift: str = ""
    people: str = ""
    """What people have to do with it: `2 tasks for First technician`."""
    names: tuple[str, ...] = ()
    """Who they are."""
    times: int = 1
    run: int | None = None
    """The run in the ledger; of several the newest."""

    @property
    def tone(self) -> Tone:
        """The tone of its status; what is due has none."""
        return tone_of(self.status)

    @property
    def is_fine(self) -> bool:
        """Tell whether it went as planned, when it was planned, so that a count says enough."""
        return self.tone == "fine" and not self.shift

    @property
    def weight(self) -> int:
        """How soon it is named where room is short, 0 first: trouble, what is under way, what is unusual, people."""
        if self.reason == _STANDS_FOR:
            return 7
        if self.tone in ("failed", "look", "live"):
            return ("failed", "look", "live").index(self.tone)
        if (
            self.shift
            or self.routine.startswith(MAINTENANCE)
            or (self.status != "due" and self.reason not in _ELSEWHERE)
        ):
            return 3
        if self.reason in _ELSEWHERE:
            return 6
        return 4 if self.people else 5


def entry_of_line(line: Line) -> Entry:
    """Return what the planner says of times to come, or of what is on record ahead of it."""
    first = line.first
    return Entry(
        at=first.planned_at,
        routine=first.routine,
        name=first.name,
        status=first.status,
        reason=first.reason,
        shift=first.shift,
        people=line.people,
        names=line.names,
        times=line.times,
        run=line.items[-1].run,
    )


def entry_of_tally(
    tally: DayTally, *, name: str, shift: str = "", people: str = "", names: tuple[str, ...] = ()
) -> Entry:
    """Return what the ledger says of a day."""
    return Entry(
        at=tally.planned_at,
        routine=tally.routine,
        name=name,
        status=tally.status.value,
        reason=tally.reason,
        shift=shift,
        people=people,
        names=names,
        times=tally.runs,
        run=tally.last,
    )


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of one day beside its entries."""

    day: date
    holiday: str = ""
    is_working_day: bool = True
    clock_change: str = ""
    rosters: tuple[RosterDay, ...] = ()
    freezes: tuple[Freeze, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Day:
    """One day: what is named, and what is folded."""

    known: Known
    entries: tuple[Entry, ...]
    """What is named, in order of time."""
    folded: tuple[Entry, ...]
    """What there was no room for, what matters most first."""
    fine: tuple[Entry, ...]
    """What went as planned."""

    @property
    def day(self) -> date:
        """The date."""
        return self.known.day

    @property
    def fine_count(self) -> int:
        """How many occurrences went as planned."""
        return sum(entry.times for entry in self.fine)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to say of this day."""
        said = self.entries or self.fine or self.known.holiday or self.known.clock_change
        return not (said or any(roster.passes_on for roster in self.known.rosters))


@dataclass(frozen=True, kw_only=True)
class Band:
    """A freeze over some days of a week, from Monday (0) on."""

    freeze: Freeze
    offset: int
    days: int

    @property
    def after(self) -> int:
        """How many days of the week come after it."""
        return 7 - self.offset - self.days


@dataclass(frozen=True, kw_only=True)
class Week:
    """A row of the month."""

    number: int
    """By ISO 8601."""
    days: tuple[Day, ...]
    bands: tuple[Band, ...]

    @property
    def before(self) -> int:
        """How many of its days belong to the month before."""
        return self.days[0].day.weekday()

    @property
    def after(self) -> int:
        """How many of its days belong to the month after."""
        return 7 - self.before - len(self.days)


@dataclass(frozen=True, kw_only=True)
class CalendarView:
    """All that a calendar shows."""

    span: Span
    weeks: tuple[Week, ...]
    rosters: tuple[RosterPeriod, ...]
    freezes: tuple[Freeze, ...]
    said: str
    """The sum of it in a sentence or two; '' where there is nothing at all."""

    @cached_property
    def days(self) -> list[Day]:
        """Every day, in order."""
        return [day for week in self.weeks for day in week.days]


def arrange(
    span: Span,
    *,
    known: Sequence[Known],
    entries: Mapping[int, Sequence[Entry]],
    rosters: tuple[RosterPeriod, ...] = (),
    room: int,
    counts_fine: bool = True,
) -> CalendarView:
    """Return the view of a span. `entries` are by the place of their day; `known` has one for each day.

    `room` is how many lines of a day are named. Without `counts_fine` what is fine is named like everything else.
    """
    seldom = Counter(routine for of_day in entries.values() for routine in {entry.routine for entry in of_day})
    days = iter(
        [
            _day(each, entries.get(place, ()), seldom=seldom, room=room, counts_fine=counts_fine)
            for place, each in enumerate(known)
        ]
    )
    freezes = tuple(dict.fromkeys(freeze for each in known for freeze in each.freezes))
    weeks = tuple(
        Week(
            number=week[0].isocalendar().week,
            days=tuple(next(days) for _ in week),
            bands=tuple(band for freeze in freezes if (band := _band(freeze, week)) is not None),
        )
        for week in span.weeks
    )
    said = sum_words([entry for of_day in entries.values() for entry in of_day])
    return CalendarView(span=span, weeks=weeks, rosters=rosters, freezes=freezes, said=said)


def sum_words(entries: Sequence[Entry]) -> str:
    """Say what entries come to, trouble first: `2 failed, 1 skipped, 1,196 fine. 402 to come, 3 left out.`"""
    was: Counter[str] = Counter()
    for entry in entries:
        if entry.run is not None:
            was[entry.status] += entry.times
    fine = was.pop("succeeded", 0)
    order: tuple[Tone, ...] = ("failed", "look", "live", "nothing")
    parts = [f"{was[status]:,} {_sum_word(status)}" for tone in order for status in was if tone_of(status) == tone]
    parts += [f"{fine:,} fine"] if fine else []
    due = sum(entry.times for entry in entries if entry.status == "due")
    left_out = sum(entry.times for entry in entries if entry.status != "due" and entry.run is None)
    ahead = [f"{due:,} to come"] if due else []
    ahead += [f"{left_out:,} to be left out"] if left_out else []
    return " ".join(f"{', '.join(some)}." for some in (parts, ahead) if some)


def _sum_word(status: str) -> str:
    return "with a warning" if status == "warning" else status_word(status)


def clock_change(begin: datetime, end: datetime, zone: ZoneInfo) -> str:
    """Say how clocks are changed on the day between two midnights: `clocks go back 1 h`; '' where they are not."""
    before, after = ((at - _INSTANT).astimezone(zone).utcoffset() or timedelta(0) for at in (begin, end))
    if before == after:
        return ""
    return f"clocks go {'forward' if after > before else 'back'} {span_words(abs(after - before).total_seconds())}"


def _day(known: Known, entries: Sequence[Entry], *, seldom: Counter[str], room: int, counts_fine: bool) -> Day:
    fine = [entry for entry in entries if counts_fine and entry.is_fine]
    rest = [entry for entry in entries if not (counts_fine and entry.is_fine)]
    rest.sort(key=lambda entry: (entry.weight, seldom[entry.routine], entry.at, entry.name))
    named = len(rest) if len(rest) == room + 1 else room  # `and 1 more` takes as much room as the one
    return Day(
        known=known,
        entries=tuple(sorted(rest[:named], key=lambda entry: entry.at)),
        folded=tuple(rest[named:]),
        fine=tuple(fine),
    )


def _band(freeze: Freeze, week: Sequence[date]) -> Band | None:
    held = [day for day in week if freeze.from_ <= day <= freeze.until]
    return Band(freeze=freeze, offset=held[0].weekday(), days=len(held)) if held else None
