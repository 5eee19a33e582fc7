"""What the doctor looks at, and what a look finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from opsrunner.engine.state import StateLock
from opsrunner.ledger.books import Books
from opsrunner.model.site import Host, Problem, Site
from opsrunner.records import dataclass

Level = Literal["fine", "look", "failed"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found."""

    level: Level
    what: str
    """One line: `the state folder is private`."""
    where: str = ""
    advice: str = ""
    """What to do about it; empty where it is fine."""


@dataclass(frozen=True, kw_only=True)
class Patient:
    """What the doctor looks at."""

    site: Site
    problems: Sequence[Problem]
    warnings: Sequence[Problem]
    state: Path
    books: Books
    lock: StateLock
    now: datetime
    pinned: Callable[[Host], bool]
    """Tells whether a host's key is trusted."""
    every_page: bool = False
    """Read all of a long ledger: nobody writes to it meanwhile."""
    try_mail: Callable[[], str]
    """Reaches the mail transport without sending; returns what it reached, raises MailFailed."""
    brief: bool = False
    """Somebody waits for a page: no server is reached, and no file read from end to end."""
