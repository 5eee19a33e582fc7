"""What the human half of the engine stands on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from opsrunner.ledger.books import Books
from opsrunner.model.site import Site
from opsrunner.records import dataclass
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


class RoutineNames:
    """How routines are called, also those that are gone; the ledger is asked once, and only where one is."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def of(self, routine: str | None) -> str:
        """Return the display name of a routine; its id where nobody knows it, '' for none."""
        if routine is None:
            return ""
        found = self._desk.site().routines.get(routine)
        return found.name if found is not None else self._gone.get(routine, routine)

    def all(self) -> dict[str, str]:
        """Return the display name of every routine that is in force or ever was, by id."""
        return self._gone | {routine.id: routine.name for routine in self._desk.site().routines.values()}

    @cached_property
    def _gone(self) -> dict[str, str]:
        return {watched.id: watched.name for watched in self._desk.books.routines.all().values()}
