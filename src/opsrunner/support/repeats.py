"""What comes up how often, week by week, against what is usual: medians, so that no wild week decides. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import combinations
from statistics import median
from zoneinfo import ZoneInfo

from opsrunner.records import dataclass

LEAST_WEEKS = 4
"""Of fewer weeks before this one nobody can tell what is usual."""


class Course(StrEnum):
    """How a category goes."""

    RISING = "rising"
    FREQUENT = "frequent"
    CALM = "calm"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From when on a category wants somebody."""

    at_least: int
    """So many in all the weeks together: frequent."""
    rising_share: float
    """So much more this week than usual, as a share of it: rising."""
    rising_at_least: int
    """And so many this week."""


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """One category over the weeks."""

    subject: str
    weeks: tuple[int, ...]
    """Counts, oldest first; the last is that of this week."""
    usual: float | None
    """The median of the weeks before this one; None: too few are known."""
    per_week: float | None
    """How many more each week brings (Theil and Sen: the median slope over all pairs of weeks)."""
    course: Course

    @property
    def total(self) -> int:
        """How many there were in all weeks."""
        return sum(self.weeks)

    @property
    def this_week(self) -> int:
        """How many there were in the last seven days."""
        return self.weeks[-1]

    @property
    def growth_percent(self) -> int | None:
        """How much more there were this week than usual; None where usually there are none."""
        if not self.usual:
            return None
        return round(100 * (self.this_week - self.usual) / self.usual)

    @property
    def rank(self) -> tuple[int, float, float, int, str]:
        """What comes first: what rises, by how much more than usual it is, then what is frequent."""
        more = self.this_week - (self.usual or 0)
        return list(Course).index(self.course), -more, -(self.per_week or 0), -self.total, self.subject


def weekly(
    events: Iterable[tuple[str, datetime]], *, weeks: int, today: date, zone: ZoneInfo, limits: Limits
) -> list[Repeat]:
    """Return every category of (category, moment) in its order of rank.

    A week is seven days on the wall, and the last one ends with the day before `today`. Weeks before the very first
    event of all count for nobody: then the source had not begun.
    """
    counts: dict[str, Counter[int]] = {}
    for subject, moment in events:
        age_days = (today - moment.astimezone(zone).date()).days
        if 1 <= age_days <= 7 * weeks:
            counts.setdefault(subject, Counter())[(age_days - 1) // 7] += 1
    known = 1 + max((age for own in counts.values() for age in own), default=0)
    found = [_repeat(subject, own, known=known, limits=limits) for subject, own in counts.items()]
    return sorted(found, key=lambda one: one.rank)


def _repeat(subject: str, counts: Mapping[int, int], *, known: int, limits: Limits) -> Repeat:
    weeks = tuple(counts.get(age, 0) for age in reversed(range(known)))
    before = weeks[:-1]
    usual = float(median(before)) if len(before) >= LEAST_WEEKS else None
    return Repeat(
        subject=subject,
        weeks=weeks,
        usual=usual,
        per_week=None if usual is None else _slope(weeks),
        course=_course(weeks, usual, limits),
    )


def _course(weeks: Sequence[int], usual: float | None, limits: Limits) -> Course:
    this_week = weeks[-1]
    if usual is not None and this_week >= limits.rising_at_least and this_week >= usual * (1 + limits.rising_share):
        return Course.RISING
    return Course.FREQUENT if sum(weeks) >= limits.at_least else Course.CALM


def _slope(weeks: Sequence[int]) -> float:
    """Return the median slope over all pairs of weeks."""
    return median((late - early) / (to - at) for (at, early), (to, late) in combinations(enumerate(weeks), 2))


def first_day(today: date, weeks: int) -> date:
    """Return the first day that is counted."""
    return today - timedelta(days=7 * weeks)
