"""Stopping a run because a person asks: through the daemon where one lives, else in the ledger."""

from __future__ import annotations

import time

from opsrunner.clock import Clock
from opsrunner.engine.automated import run_token
from opsrunner.engine.state import StateLock
from opsrunner.errors import Refused, StateLocked
from opsrunner.fleet.processes import end_marked
from opsrunner.ledger.books import Books
from opsrunner.model.run import Run, RunStatus

FOLLOW_SECONDS = 0.2
PATIENCE_SECONDS = 45.0
"""A step that is told to stop has its own grace; after this the answer is that it is still stopping."""


def cancel_run(run_id: int, *, books: Books, clock: Clock, lock: StateLock, actor: str) -> Run:
    """Stop a run and return it as it then stands. Raises NotFound, or Refused where it has ended.

    Without a daemon nobody but us would ever look for the processes that a dead one left behind: they are ended.
    """
    run = books.runs.get(run_id)
    if run.status.is_final:
        raise Refused(f"run {run_id} has ended already: {run.status.value}")
    try:
        lock.take()
    except StateLocked:
        return _through_the_daemon(run_id, books=books, clock=clock, actor=actor)
    try:
        if run.status is RunStatus.RUNNING:
            end_marked(run_token(books.ledger.id, run_id))
        now = clock.now()
        with books.transaction():
            books.runs.finish(run_id, status=RunStatus.CANCELLED, reason="asked", at=now)
            books.audit.add("cancel", f"run {run_id}", actor=actor, at=now)
    finally:
        lock.release()
    return books.runs.get(run_id)


def _through_the_daemon(run_id: int, *, books: Books, clock: Clock, actor: str) -> Run:
    now = clock.now()
    with books.transaction():
        asked = books.requests.ask_to_cancel(run_id, actor=actor, at=now)
        books.audit.add("cancel", f"run {run_id}", actor=actor, at=now)
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while clock.monotonic() < deadline:
        request = books.requests.get(asked)
        if request is not None and request.answer:
            raise Refused(request.answer)
        run = books.runs.get(run_id)
        if run.status.is_final:
            return run
        time.sleep(FOLLOW_SECONDS)
    return books.runs.get(run_id)
