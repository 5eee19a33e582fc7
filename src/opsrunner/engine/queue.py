"""Runs that wait for their turn: behind a run of their own routine, for the end of a window, or for a free worker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from opsrunner.engine.frozen import frozen_routine
from opsrunner.engine.held import World, held_now
from opsrunner.engine.renaming import may_be_renamed
from opsrunner.engine.stranded import EDITED
from opsrunner.errors import NotFound, StateError
from opsrunner.ledger.books import Books
from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.run import Run, RunStatus, Trigger
from opsrunner.model.site import Site
from opsrunner.schedules.window_rules import free_from, windows_of

PLANNED = (Trigger.SCHEDULE, Trigger.CATCH_UP)


def start_next(books: Books, site: Site, world: World, *, most_for_rows: int, now: datetime) -> Iterator[int]:
    """Move the runs whose turn it is to `running`, and yield them.

    What was due, and not asked for by hand, is looked at once more: it is skipped where its routine is held by now,
    and goes on waiting while a window is on that its routine avoids. Where a mistake puts its routine out of force,
    it waits until that is mended; where the file is gone, the routine holds as it was. Of runs for rows at most
    `most_for_rows` run.
    """
    queued = books.active_runs.next_queued()
    holds: dict[str, list[Hold]] = defaultdict(list)
    for hold in books.holds.live(now) if queued else ():
        holds[hold.routine].append(hold)
    for run_id in queued:
        run = books.runs.get(run_id)
        if run.trigger in PLANNED:
            routine = site.routines.get(run.routine)
            if routine is None and (run.routine in site.broken or may_be_renamed(books.routines, site.broken)):
                continue
            routine = routine or _as_it_was(books, run, world)
            if reason := held_now(routine, holds[run.routine], world, now=now) if routine else EDITED:
                books.runs.finish(run_id, status=RunStatus.SKIPPED, reason=reason, at=now)
                continue
            if routine and free_from(routine.schedule, now, world.almanac) > now:
                continue
        yield from _started(books, run_id, now=now)
    for run_id in books.active_runs.next_for_rows(most=most_for_rows):
        yield from _started(books, run_id, now=now)


def _as_it_was(books: Books, run: Run, world: World) -> Routine | None:
    """Return the routine as a run goes by it; None where it cannot be judged any more, as a window of it is gone."""
    try:
        routine = frozen_routine(books, run)
    except (NotFound, StateError):  # forgotten, or written by another version
        return None
    return routine if windows_of(routine.schedule) <= world.almanac.windows.keys() else None


def _started(books: Books, run_id: int, *, now: datetime) -> Iterator[int]:
    if books.runs.start_queued(run_id, at=now):
        yield run_id
