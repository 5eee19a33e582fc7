"""Runs that wait for their turn: behind a run of their own routine, for the end of a window, or for a free worker."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from opsrunner.engine.held import World, held_now
from opsrunner.ledger.books import Books
from opsrunner.ledger.holds import Hold
from opsrunner.model.routine import Routine
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.schedules.window_rules import free_from

PLANNED = (Trigger.SCHEDULE, Trigger.CATCH_UP)


def start_next(
    books: Books, routines: Mapping[str, Routine], world: World, *, most_for_rows: int, now: datetime
) -> Iterator[int]:
    """Move the runs whose turn it is to `running`, and yield them.

    What was due, and not asked for by hand, is looked at once more: it is skipped where its routine is held by now,
    and goes on waiting while a window is on that its routine avoids. Of runs for rows at most `most_for_rows` run.
    """
    queued = books.active_runs.next_queued()
    holds: dict[str, list[Hold]] = defaultdict(list)
    for hold in books.holds.live(now) if queued else ():
        holds[hold.routine].append(hold)
    for run_id in queued:
        run = books.runs.get(run_id)
        routine = routines.get(run.routine) if run.trigger in PLANNED else None
        if routine is not None and (reason := held_now(routine, holds[run.routine], world, now=now)):
            books.runs.finish(run_id, status=RunStatus.SKIPPED, reason=reason, at=now)
        elif routine is None or free_from(routine.schedule, now, world.almanac) <= now:
            yield from _started(books, run_id, now=now)
    for run_id in books.active_runs.next_for_rows(most=most_for_rows):
        yield from _started(books, run_id, now=now)


def _started(books: Books, run_id: int, *, now: datetime) -> Iterator[int]:
    if books.runs.start_queued(run_id, at=now):
        yield run_id
