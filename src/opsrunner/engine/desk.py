"""What the human half of the engine stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from opsrunner.ledger.books import Books
from opsrunner.model.site import Site
from opsrunner.schedules.almanac import Almanac


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The ledger, the site that is in force, and where files lie. It reads no clock: moments are handed in."""

    books: Books
    site: Callable[[], Site]
    almanac: Callable[[], Almanac]
    state: Path
    """The state folder; evidence and checklists lie below it."""
    reports: tuple[Path, ...]
    """Where mail templates lie, the site's own first."""


def routine_names(desk: Desk) -> dict[str, str]:
    """Return the display name of every routine that is in force or ever was, by id."""
    known = {watched.id: watched.name for watched in desk.books.routines.all().values()}
    return known | {routine.id: routine.name for routine in desk.site().routines.values()}
