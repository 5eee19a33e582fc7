"""How a thing stands whose end was collected: over, near, doubtful or unknown. Pure: the present moment is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from opsrunner.expiries.collecting import Dated, Entry
from opsrunner.records import dataclass

MOST_SHOWN = 6
"""Dates of one thing that are told."""


class State(StrEnum):
    """How a thing stands, the worst first."""

    ENDED = "ended"
    ENDING = "ending"
    WRONG = "wrong"
    """Something beside its date: nobody trusts the certificate, the registry knows no such domain."""
    DIFFERS = "differs"
    """It does not end soon, by what everybody says; but they do not say the same."""
    UNKNOWN = "unknown"
    """Nobody says when it ends, or not lately enough to be believed."""
    LATER = "later"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One thing, as it stands now."""

    entry: Entry
    state: State
    end: Dated | None
    """The earliest date: it counts."""
    days_left: int | None
    """From today to the day of its end, on the wall; negative when it is past."""
    differs: bool

    @property
    def is_fine(self) -> bool:
        """Tell whether nobody has to look at it."""
        return self.state is State.LATER


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Holds entries against a moment."""

    now: datetime
    zone: ZoneInfo
    within: timedelta
    agree_within: timedelta
    """Dates that lie no farther apart say the same: a registry's hour and an invoice's day."""

    def judge(self, entry: Entry) -> Judged:
        """Return how an entry stands. Of dates that differ, the earliest counts."""
        if not entry.dates:
            state = State.WRONG if entry.wrong else State.UNKNOWN
            return Judged(entry=entry, state=state, end=None, days_left=None, differs=False)
        end, last = _first_and_last(entry.dates)
        differs = last.ends_at - end.ends_at > self.agree_within
        days_left = (self._day(end.ends_at) - self._day(self.now)).days
        state = self._state(entry, end, days_left=days_left, differs=differs)
        return Judged(entry=entry, state=state, end=end, days_left=days_left, differs=differs)

    def ends_on(self, judged: Judged) -> date | None:
        """Return the day on which it ends, on the wall."""
        return self._day(judged.end.ends_at) if judged.end else None

    def words(self, judged: Judged) -> str:
        """Return how it stands in one line, without its name."""
        parts = [f"{when_words(judged)}, on {self.ends_on(judged)}"] if judged.end else []
        if judged.differs:
            parts.append(f"not all say the same: {self.sources(judged)}")
        parts += judged.entry.wrong
        if judged.state is State.UNKNOWN:
            parts.append("nobody says when it ends")
        if not judged.end or any(one.answered_at for one in judged.entry.dates):  # else others say all of it
            parts += dict.fromkeys(judged.entry.failure)
        return "; ".join(parts)

    def sources(self, judged: Judged) -> str:
        """Return who says which date, and how old that is: `billing 2026-12-01, rdap.norid.no 2026-12-03 (2 d old)`."""
        dates = sorted(judged.entry.dates, key=lambda one: one.ends_at)
        more = f" and {len(dates) - MOST_SHOWN} more" if len(dates) > MOST_SHOWN else ""
        return ", ".join(self._dated(one) for one in dates[:MOST_SHOWN]) + more

    def _dated(self, dated: Dated) -> str:
        age = age_words(dated.answered_at, now=self.now)
        return f"{dated.place} {self._day(dated.ends_at)}{f' ({age})' if age else ''}"

    def _state(self, entry: Entry, end: Dated, *, days_left: int, differs: bool) -> State:
        if days_left < 0 or (not end.is_day and end.ends_at <= self.now):
            return State.ENDED
        if end.ends_at - self.now <= self.within:
            return State.ENDING
        if entry.wrong:
            return State.WRONG
        return State.DIFFERS if differs else State.LATER

    def _day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()


def when_words(judged: Judged) -> str:
    """Return when it ends, as people say it: `ends in 3 days`, `ends tomorrow`, `ended yesterday`; '' for unknown."""
    days = judged.days_left
    if days is None:
        return ""
    if judged.state is State.ENDED:
        return "ended today" if days == 0 else "ended yesterday" if days == -1 else f"ended {-days} days ago"
    return "ends today" if days == 0 else "ends tomorrow" if days == 1 else f"ends in {days} days"


def age_words(answered_at: datetime | None, *, now: datetime) -> str:
    """Return how old an answer is where that is worth a word: nothing within the hour, `3 h old`, `12 d old`."""
    if answered_at is None or now - answered_at < timedelta(hours=1):
        return ""
    age = now - answered_at
    return f"{age.days} d old" if age >= timedelta(days=1) else f"{age.seconds // 3600} h old"


def in_order(judged: Sequence[Judged]) -> list[Judged]:
    """Return what somebody has to look at: first by its end, then what is wrong, doubtful, unknown; by name."""
    ranks = {State.ENDED: 0, State.ENDING: 0, State.WRONG: 1, State.DIFFERS: 2, State.UNKNOWN: 3, State.LATER: 4}
    return sorted(judged, key=lambda one: (ranks[one.state], *_when(one), one.entry.kind, one.entry.name))


def _when(judged: Judged) -> Iterator[float]:
    yield judged.end.ends_at.timestamp() if judged.end else 0.0


def _first_and_last(dates: Sequence[Dated]) -> tuple[Dated, Dated]:
    if len(dates) == 1:
        return dates[0], dates[0]
    return min(dates, key=lambda one: one.ends_at), max(dates, key=lambda one: one.ends_at)
