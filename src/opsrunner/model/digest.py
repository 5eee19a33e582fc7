"""What a digest says, before it is words on a page."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, TypeAlias

from opsrunner.records import dataclass

Series: TypeAlias = Literal["daily", "weekly", "monthly"]
Tone: TypeAlias = Literal["failed", "look", "fine", "live", "nothing"]


@dataclass(frozen=True, kw_only=True)
class OpenItem:
    """Something that somebody must act on, or has in hand."""

    tone: Tone
    word: str
    """`Overdue`, `Failed`, `Missed`, `Look`, `Approve`, `Decide`, `Not done`."""
    title: str
    facts: str
    """One or two plain sentences: why, since when, what was the last good one."""
    with_whom: str
    """`First technician (on-call), open since Thursday`."""
    age_days: int = 0
    task: int | None = None
    run: int | None = None
    url: str = ""
    short: str = ""
    """A few words for the subject line."""
    command: str = ""
    """What to type next, where neither its task nor its run says it."""
    action: str = ""
    """The words on its button: `Answer it`, `Approve the list`; empty: `Open`."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of the house line; `text` stands as it is: `38 of 40 hosts reachable`. None is fine by default."""

    name: str
    text: str
    tone: Tone


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One routine's line in `what went as planned`."""

    name: str
    text: str
    tone: Tone = "fine"


@dataclass(frozen=True, kw_only=True)
class Coming:
    """One line of what comes."""

    at: datetime
    when: str
    """`Sun`, `Mon 09:00`."""
    text: str


@dataclass(frozen=True, kw_only=True)
class DayMark:
    """The worst of one day, for the strip of the last 14; `text` says it: `1 run failed`."""

    day: date
    tone: Tone
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Digest:
    """A whole digest. Moments are UTC; `zone` is the site's."""

    series: Series
    site: str
    zone: str
    from_: datetime
    until: datetime
    headline: str
    """`One thing needs you. Two are in hand. 37 are fine.`"""
    subject: str
    preheader: str
    needs_you: tuple[OpenItem, ...]
    in_hand: tuple[OpenItem, ...]
    house: tuple[Figure, ...]
    counts: str
    """`37 routines, 214 runs, 17 of 18 tasks.`"""
    planned: tuple[Planned, ...]
    planned_left_out: int = 0
    coming: tuple[Coming, ...] = ()
    muted: tuple[str, ...] = ()
    """What is paused, frozen, skipped or accepted, and until when."""
    gaps: tuple[str, ...] = ()
    """`The scheduler was down from 03:10 to 07:40.`"""
    days: tuple[DayMark, ...] = ()
    """The last days, oldest first, the digest's own last; empty: no strip."""
    footer: str = ""
    runs: int = 0
    """How many final runs this digest accounts for."""
    through: int = 0
    """The newest end of a run that it accounts for; the next of its series begins after that."""
