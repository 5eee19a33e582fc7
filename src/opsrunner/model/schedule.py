"""When a routine is due: the parsed rules, and what they yield."""

from __future__ import annotations

from dataclasses import field
from datetime import date, datetime, time
from typing import Literal, TypeAlias

from opsrunner.records import dataclass

OnHoliday: TypeAlias = Literal["run", "skip", "next business day", "previous business day"]
Every: TypeAlias = Literal["day", "business day", "weekday", "week", "month", "quarter", "year"]
ShortMonths: TypeAlias = Literal["last day", "skip"]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What every rule may say beside its own words. Dates are local to `timezone`, both included."""

    timezone: str
    calendar: str = "business"
    on_holiday: OnHoliday = "run"
    from_: datetime | None = None
    """Naive local moment: nothing is due before it, and intervals are anchored at it."""
    until: date | None = None
    except_: tuple[date, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CalendarRule:
    """`every: day | business day | weekday | week | month | quarter | year` at wall-clock times."""

    every: Every
    at: tuple[time, ...]
    on: tuple[str, ...] = ()
    """Normalised words: `monday`, `15`, `last day`, `first tuesday`, `last business day`, `24 dec`."""
    short_months: ShortMonths | None = None
    frame: Frame
    type: Literal["calendar"] = "calendar"


@dataclass(frozen=True, kw_only=True)
class IntervalRule:
    """`every: 15m`: equal spacing in elapsed time, anchored at `frame.from_`, else the Unix epoch."""

    seconds: int
    between: tuple[time, time] | None = None
    """Wall-clock window in the rule's zone; start included, end excluded; may pass midnight."""
    frame: Frame
    type: Literal["interval"] = "interval"


@dataclass(frozen=True, kw_only=True)
class CronRule:
    """`cron: "30 2 * * 1-5"`, with the meaning of Debian's cron."""

    expression: str
    frame: Frame
    type: Literal["cron"] = "cron"


@dataclass(frozen=True, kw_only=True)
class OnceRule:
    """`once: 2026-12-01T02:00`: a single naive local moment."""

    moment: datetime
    frame: Frame
    type: Literal["once"] = "once"


@dataclass(frozen=True, kw_only=True)
class OffsetRule:
    """`{of: NAME, offset: -8d}`: relative to the nominal moments of another routine, or to a maintenance window."""

    of: str
    offset_seconds: int
    frame: Frame
    type: Literal["offset"] = "offset"


Rule: TypeAlias = CalendarRule | IntervalRule | CronRule | OnceRule | OffsetRule


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """All rules of a routine; none at all means: by hand only."""

    rules: tuple[Rule, ...] = ()
    only_in: tuple[str, ...] = ()
    """Maintenance windows; what is due outside of all of them is left out."""
    avoid: tuple[str, ...] = ()
    """Maintenance windows; what is due inside one of them waits for its end."""


@dataclass(frozen=True, kw_only=True, order=True)
class Occurrence:
    """One due time. Both moments are UTC.

    `planned_at` differs from `nominal_at` only by a holiday shift, by a maintenance window that was moved, and by one
    that it waits for.
    """

    planned_at: datetime
    nominal_at: datetime
    skip_reason: str = ""
    """`holiday` where the rule says `on_holiday: skip` and the day is one; `outside` of the windows it belongs in;
    `cancelled` with the window that it goes by."""
    shift: str = ""
    """Why it was moved, in words: `Christmas Day, moved to the next business day`."""


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Which days are business days. Weekends are Saturday and Sunday."""

    name: str = "business"
    country: str | None = None
    subdivision: str | None = None
    working_hours: tuple[time, time] = (time(8), time(17))
    days_off: tuple[date, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """A period, both days included, that holds every routine with one of `tags`."""

    from_: date
    until: date
    tags: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class CatchUp:
    """What to do about due times that passed while nobody was there."""

    policy: Literal["latest", "all", "skip"] = "latest"
    within_seconds: int | None = None
    """None: the shorter of one period and seven days (for `all`: seven days)."""


@dataclass(frozen=True, kw_only=True)
class DigestTimes:
    """When each series goes out; None switches a series off."""

    daily: Schedule | None = None
    weekly: Schedule | None = None
    monthly: Schedule | None = None
    to: tuple[str, ...] = field(default=("owner",))
