"""Copies of data: what was made, how it was proven, and what is to be kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from opsrunner.model.foreign import Checked, ForeignDrill
from opsrunner.records import dataclass

TRIED = "_try/"
"""What the names of a try's copies begin with; no routine is called like that."""
AHEAD = timedelta(hours=1)
"""A copy that was made later than this from now bears the mark of a clock that was wrong."""
MOVED = "its store is another place now, and it does not lie there"
"""Why a copy is gone that may lie where its store once was."""


class CopyState(StrEnum):
    """What is known of a copy. Only `good` ones count as copies that somebody has."""

    GOOD = "good"
    """The store has whole what was sent, and nothing speaks against it."""
    DOUBTFUL = "doubtful"
    """It is whole, but what was copied may not be: `doubts` says why, or `why` where a drill found it."""
    DAMAGED = "damaged"
    """It was read again, and is not what was sent."""
    GONE = "gone"
    """It was removed, by us or by somebody else."""


@dataclass(frozen=True, kw_only=True)
class NewCopy:
    """A copy that a store has received whole."""

    name: str
    """As it lies in the store; the same in each store that has it."""
    store: str
    routine: str
    step: str
    run: int
    made_at: datetime
    """When it was begun: what it holds is as old as this."""
    received_at: datetime
    checked_by: str
    """By what the store's own view of it was compared with ours."""
    size_bytes: int
    """As it lies in the store."""
    plain_bytes: int
    files: int
    manifest_sha256: str
    of: str
    """What was copied, in words."""
    key: str = ""
    """What it is about, where a step copies for each row: a host, a database."""
    doubts: tuple[str, ...] = ()
    reread_at: datetime | None = None
    """When every byte of it was last fetched and hashed again, and was right."""


@dataclass(frozen=True, kw_only=True)
class Copy(NewCopy):
    """A copy as the catalogue knows it."""

    id: int
    state: CopyState
    restored_at: datetime | None = None
    """When something of it was last restored and compared, and was right."""
    ended_at: datetime | None = None
    """When it went."""
    why: str = ""
    """Why it is damaged or gone, or what a drill found missing or wrong in it."""

    def is_ahead(self, now: datetime) -> bool:
        """Tell whether it is dated ahead: the clock was wrong when it was made, or is wrong now."""
        return self.made_at > now + AHEAD


@dataclass(frozen=True, kw_only=True)
class PastCopies:
    """What stays known of the copies of a step in a store, for one row's key, though they are gone."""

    first_made_at: datetime
    """When the first of them was begun."""
    restored_at: datetime | None = None
    """When something of any of them was last restored and compared, and was right."""


@dataclass(frozen=True, kw_only=True)
class Reread:
    """Every byte of a copy was fetched and hashed again; `problem` is empty where it is what was sent."""

    copy: int
    at: datetime
    problem: str = ""
    was_gone: bool = False
    """It was known as gone when reading began: where it is right, it lies there again."""


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A copy does not lie in its store any more, or is not to be counted on."""

    copy: int
    at: datetime
    why: str


@dataclass(frozen=True, kw_only=True)
class Drill:
    """Something of a copy was restored into a scratch folder and compared."""

    copy: int
    at: datetime
    files: int
    bytes: int
    seconds: float
    is_whole: bool
    """Everything was restored, not a sample: of a copy that was found damaged only this says that it is right."""
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Doubted:
    """A drill found that a copy does not hold what it should, though it may well be what was sent.

    It is in doubt, for what `drill.problem` says, until a drill of it goes well.
    """

    drill: Drill


CopyNote: TypeAlias = NewCopy | Reread | Gone | Drill | Doubted | Checked | ForeignDrill
"""What a step or a verb tells the catalogue."""


@dataclass(frozen=True, kw_only=True)
class Keep:
    """How many copies to keep: the newest `last`, and the newest of each of so many days, weeks, months, years."""

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0


def copy_name(object_name: str) -> str:
    """Return the name of the copy that an object of a store is of: no dot stands in its last word."""
    folder, slash, word = object_name.rpartition("/")
    return f"{folder}{slash}{word.partition('.')[0]}"
