"""Backups that other tools make: what is expected, what lies there, and what is missing."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from opsrunner.records import dataclass


class ForeignState(StrEnum):
    """What a check found of one account, host or database."""

    FINE = "fine"
    NEW = "new"
    """It is younger than a backup may be old: none is due yet."""
    SMALL = "small"
    """The newest is suspiciously small."""
    EMPTY = "empty"
    """The newest has no bytes at all."""
    STALE = "stale"
    """The newest is older than it may be, or is dated later than now, so that nobody knows how old it is."""
    MISSING = "missing"

    @property
    def is_gap(self) -> bool:
        """Tell whether somebody has to look."""
        return self not in (ForeignState.FINE, ForeignState.NEW)


@dataclass(frozen=True, kw_only=True)
class Found:
    """One backup that lies there, whole as far as a list can tell."""

    key: str
    """Whose it is."""
    name: str
    """As it is called where it lies: a path, an object, the id of a snapshot."""
    made_at: datetime
    size_bytes: int | None
    """None where the tool's list does not tell."""
    store: str = ""
    """The store that it lies in; '' where it lies elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What should have a backup."""

    key: str
    since: datetime | None = None
    """When it came to be, where that is known."""


@dataclass(frozen=True, kw_only=True)
class FreshnessRule:
    """When a backup is good enough."""

    fresh_within: timedelta
    at_least_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class ForeignBackup:
    """How the backups of one key stand."""

    key: str
    state: ForeignState
    words: str = ""
    """What is wrong, in a few words; '' where nothing is."""
    copies: int = 0
    """How many lie there."""
    newest: Found | None = None
    sizes: tuple[tuple[datetime, int], ...] = ()
    """When the last ones that nothing spoke against were made, and how large they were, newest first."""


@dataclass(frozen=True, kw_only=True)
class KnownForeign(ForeignBackup):
    """A foreign backup as the catalogue knows it."""

    checked_at: datetime
    first_seen_at: datetime
    """When it was first expected."""
    since: datetime | None = None
    """Since when there is a gap."""
    tried_at: datetime | None = None
    """When somebody last tried to restore one of them."""
    restored_at: datetime | None = None
    """When one of them was last restored, and was right."""
    problem: str = ""
    """What the last drill found wrong; '' where nothing was."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A step has looked: how everything stands that it expects. What it knew beside these is expected no more."""

    routine: str
    step: str
    at: datetime
    backups: tuple[ForeignBackup, ...]


@dataclass(frozen=True, kw_only=True)
class ForeignDrill:
    """Somebody restored a backup of another tool: a step by a command, or a person."""

    routine: str
    """Whose check knows the backup."""
    step: str
    key: str
    at: datetime
    by: str
    """The run or the person."""
    name: str = ""
    """Which of them; '' where that is not known."""
    files: int = 0
    bytes: int = 0
    seconds: float = 0
    problem: str = ""
    """Why it is no proof."""
    is_theirs: bool = True
    """Whether that speaks against the backup, and is no trouble of ours: no room, nobody there."""
    note: str = ""
    """What a person said of it."""
