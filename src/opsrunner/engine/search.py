"""Finds routines, runs, tasks and shift notes again. Each look is bounded, and says how far back it went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from opsrunner.engine.desk import Desk, RoutineNames
from opsrunner.engine.matching import has_all
from opsrunner.errors import NotFound
from opsrunner.ledger.search import NoteHit, Place, TaskFilter, TaskHit
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run, RunStatus
from opsrunner.model.task import TaskStatus
from opsrunner.records import dataclass

WINDOW = timedelta(days=90)
"""Without a day to begin at, closed tasks are looked through for so long."""
STRETCH = 2_000
"""Rows between two looks at whether enough was found."""
MOST_ROWS = 10_000
MOST_OPEN = 50
MOST_ROUTINES = 50
"""Runs are looked up of so many routines whose names match."""
NEWEST = 2**62
_FOREVER = datetime(9999, 12, 31, tzinfo=UTC)
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_Hit = TypeVar("_Hit")
_Row = TypeVar("_Row", TaskHit, NoteHit)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is looked for. `since` (in) and `until` (out) bound the moment; None as statuses: none can match."""

    words: tuple[str, ...] = ()
    number: int | None = None
    routine: str = ""
    run_statuses: tuple[RunStatus, ...] | None = ()
    task_statuses: tuple[TaskStatus, ...] | None = ()
    since: datetime | None = None
    until: datetime | None = None
    before: int = NEWEST
    """Go on below the run, task or note of this number."""

    def is_in(self, *texts: str) -> bool:
        """Tell whether all words stand in the texts."""
        return has_all(self.words, *texts)


@dataclass(frozen=True, kw_only=True)
class Found(Generic[_Hit]):
    """What was found."""

    hits: tuple[_Hit, ...] = ()
    older: int | None = None
    """The number to go on below; None: all was looked through that was to be."""
    is_full: bool = False
    """Tells that more was found than is told."""
    looked_back_to: datetime | None = None
    """How far a look went that ended before the rows did; None: to the end."""


class Finder:
    """Looks for things at a moment."""

    def __init__(self, desk: Desk, *, now: datetime) -> None:
        self._desk, self._now = desk, now
        self._search = desk.books.search

    def routines(self, wanted: Wanted) -> list[Routine]:
        """Return the routines in force whose name, id, about or tags hold all words, by name."""
        known = sorted(self._desk.site().routines.values(), key=lambda one: one.name.casefold())
        return [
            one
            for one in known
            if wanted.routine in ("", one.id) and wanted.is_in(one.name, one.id, one.about, *one.tags)
        ]

    def runs(self, wanted: Wanted, *, limit: int) -> Found[Run]:
        """Return the newest runs of routines whose name or id holds all words, also of those that are gone."""
        if wanted.run_statuses is None:
            return Found()
        numbered = self._run_of_number(wanted)
        routines = self._routines_named(wanted)
        strips = self._desk.books.strips
        first = 1 if wanted.since is None else strips.first_since(wanted.since)
        end = wanted.before if wanted.until is None else min(wanted.before, strips.first_since(wanted.until))
        found = self._search.runs(
            routines=routines, statuses=wanted.run_statuses, numbers=(first, end), limit=limit + 1
        )
        others = [run for run in found if run not in numbered]
        hits = [*numbered, *others][:limit]
        is_full = len(numbered) + len(others) > limit
        return Found(hits=tuple(hits), older=hits[-1].id if is_full else None, is_full=is_full)

    def tasks(self, wanted: Wanted, *, limit: int) -> Found[TaskHit]:
        """Return open tasks, then at most `limit` closed ones: their title, key or note holds all words.

        The newest come first. Without a `since`, WINDOW bounds the look.
        """
        if wanted.task_statuses is None:
            return Found()
        meant = TaskFilter(
            words=wanted.words, is_meant=wanted.is_in, routine=wanted.routine, statuses=wanted.task_statuses
        )
        opened = self._open_tasks(wanted, meant)
        if wanted.task_statuses == (TaskStatus.OPEN,):
            return Found(hits=tuple(opened[:MOST_OPEN]), is_full=len(opened) > MOST_OPEN)
        since = wanted.since or min(self._now, wanted.until or self._now) - WINDOW
        start = self._start(wanted, self._search.place_of_task)
        if wanted.since is None and wanted.before < NEWEST:
            since = start.at - WINDOW
        walk = _Walk(
            rows=lambda place: self._search.closed_tasks(
                meant, since=since, place=place, rows=STRETCH, limit=limit + 1
            ),
            end=lambda place: self._search.closed_after_rows(since=since, place=place, rows=STRETCH),
        )
        found = walk.go(start, limit=limit)
        if found.older is None and self._has_closed_before(since):
            found = replace(found, looked_back_to=since)
        is_full = found.is_full or len(opened) > MOST_OPEN
        return replace(found, hits=(*opened[:MOST_OPEN], *found.hits), is_full=is_full)

    def notes(self, wanted: Wanted, *, limit: int) -> Found[NoteHit]:
        """Return the newest shift notes that hold all words."""
        if wanted.routine:
            return Found()
        since = wanted.since or _EVER
        walk = _Walk(
            rows=lambda place: self._search.notes(wanted.words, wanted.is_in, since=since, place=place, rows=STRETCH),
            end=lambda place: self._search.notes_after_rows(since=since, place=place, rows=STRETCH),
        )
        return walk.go(self._start(wanted, self._search.place_of_note), limit=limit)

    def _run_of_number(self, wanted: Wanted) -> list[Run]:
        if wanted.number is None or wanted.before < NEWEST:
            return []
        try:
            run = self._desk.books.runs.get(wanted.number)
        except NotFound:
            return []
        statuses = wanted.run_statuses or tuple(RunStatus)
        is_in_time = _is_within(run.created_at, wanted)
        return [run] if wanted.routine in ("", run.routine) and run.status in statuses and is_in_time else []

    def _routines_named(self, wanted: Wanted) -> list[str] | None:
        """Return the ids of the routines whose runs are meant; None: of all."""
        if not wanted.words:
            return [wanted.routine] if wanted.routine else None
        named = [
            routine
            for routine, name in RoutineNames(self._desk).all().items()
            if wanted.routine in ("", routine) and wanted.is_in(name, routine)
        ]
        return sorted(named)[:MOST_ROUTINES]

    def _open_tasks(self, wanted: Wanted, meant: TaskFilter) -> list[TaskHit]:
        """Return the open tasks that are meant; they stand on the first page, by the moment at which they opened."""
        if wanted.before < NEWEST or (wanted.task_statuses and TaskStatus.OPEN not in wanted.task_statuses):
            return []
        found = self._search.open_tasks(meant, limit=MOST_ROWS)
        return [hit for hit in found if _is_within(hit.opened_at, wanted)][: MOST_OPEN + 1]

    def _start(self, wanted: Wanted, place_of: Callable[[int], Place | None]) -> Place:
        """Return where a look begins. Raises NotFound where the number to go on below is none."""
        top = Place(at=wanted.until or _FOREVER, id=0 if wanted.until else NEWEST)
        if wanted.before >= NEWEST:
            return top
        place = place_of(wanted.before)
        if place is None:
            raise NotFound(f"there is nothing with the number {wanted.before} to go on from")
        return min(place, top, key=lambda one: (one.at, one.id))

    def _has_closed_before(self, moment: datetime) -> bool:
        return self._search.closed_after_rows(since=_EVER, place=Place(at=moment, id=0), rows=1) is not None


@dataclass(frozen=True, kw_only=True)
class _Walk(Generic[_Row]):
    """A look through rows, stretch by stretch, until enough is found or so many were looked at."""

    rows: Callable[[Place], Sequence[_Row]]
    """What is meant of the stretch of rows that begins at a place."""
    end: Callable[[Place], Place | None]
    """The last row of that stretch; None where the rows end in it."""

    def go(self, place: Place, *, limit: int) -> Found[_Row]:
        """Return what was found, and where to go on."""
        hits: list[_Row] = []
        for _ in range(MOST_ROWS // STRETCH):
            end = self.end(place)
            hits += self.rows(place)
            if len(hits) > limit:
                return Found(hits=tuple(hits[:limit]), older=hits[limit - 1].id, is_full=True)
            if end is None:
                return Found(hits=tuple(hits))
            place = end
        return Found(hits=tuple(hits), older=place.id, looked_back_to=place.at)


def _is_within(moment: datetime, wanted: Wanted) -> bool:
    return (wanted.since is None or moment >= wanted.since) and (wanted.until is None or moment < wanted.until)
