"""What a running step writes, as it comes: a stream of server-sent events that a page appends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from time import monotonic

from pydantic import Field
from starlette.responses import Response

from opsrunner.engine.outputs import Piece, output_since
from opsrunner.web.visit import Fields, Visit

LOOK_SECONDS = 0.3
QUIET_SECONDS = 15.0
"""A line goes then, also where nothing was written, so that a broken line is noticed on both sides."""
STEP_SECONDS = 2.0
"""How often it is looked up whether the step still runs, while it writes nothing."""
LONGEST_FILE = 2**40
_TOLD = re.compile("[0-9]{1,12}")


class _From(Fields):
    step: str = Field(min_length=1, max_length=200)
    after: int = Field(default=0, ge=0, le=LONGEST_FILE)


async def follow(visit: Visit) -> Response:
    """Stream what a step of a run writes after the first `after` bytes; each event's id is where it ends.

    A browser that lost the line comes again with `Last-Event-ID`, and gets nothing twice.
    """
    asked, run = visit.query(_From), visit.app.books.runs.get(visit.number("run"))
    told = visit.request.headers.get("last-event-id", "")
    begin = int(told) if _TOLD.fullmatch(told) else asked.after
    pieces = _pieces(visit, run.id, asked.step, begin)
    return visit.changes.stream(pieces, session=visit.guest.session)


async def _pieces(visit: Visit, run_id: int, step: str, begin: int) -> AsyncIterator[str]:
    state, upto, waited = visit.app.state, begin, False
    spoke, looked = monotonic(), 0.0
    yield "retry: 2000\n\n"
    while not visit.changes.is_over and not await visit.request.is_disconnected():
        piece = output_since(state, run_id, step, from_=upto, whole_lines=not waited)
        waited = piece.end == upto and not waited  # what stands without the end of its line comes a look later
        if piece.end > upto:
            if not visit.is_still_in:
                break
            upto, spoke = piece.end, monotonic()
            yield _event(visit, piece)
            continue
        if not waited and monotonic() - looked > STEP_SECONDS:
            looked = monotonic()
            if not _still_runs(visit, run_id, step):
                last = output_since(state, run_id, step, from_=upto, whole_lines=False)
                if last.end > upto and visit.is_still_in:
                    yield _event(visit, last)
                break
        if monotonic() - spoke > QUIET_SECONDS:
            if not visit.is_still_in:
                break
            spoke = monotonic()
            yield ": nothing new\n\n"
        await asyncio.sleep(LOOK_SECONDS)
    yield "event: over\ndata: \n\n"


def _event(visit: Visit, piece: Piece) -> str:
    lines = visit.app.vault.mask(piece.text).split("\n")
    return f"event: wrote\nid: {piece.end}\n" + "".join(f"data: {line}\n" for line in lines) + "\n"


def _still_runs(visit: Visit, run_id: int, step: str) -> bool:
    records = visit.app.books.steps.of_run(run_id)
    return any(record.id == step and record.finished_at is None for record in records)
