"""What open pages are told: that something was written. They look again by themselves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from opsrunner.errors import OpsrunnerError, Refused
from opsrunner.ledger.database import Ledger
from opsrunner.model.session import Session

LOOK_SECONDS = 0.5
QUIET_SECONDS = 15.0
"""A line goes then, also where nothing changed, so that a broken line is noticed on both sides."""
STREAM_HEADERS = {"X-Accel-Buffering": "no"}
"""Asks a proxy to hand on each event as it comes."""
MOST_STREAMS = 60
"""So many may be open in one session: each is an open file of the daemon, which needs its own to run steps."""


class Changes:
    """Looks whether the ledger has changed: once, however many pages are open, and never where none is."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._version = 0
        self._followers = 0
        self._changed = asyncio.Event()
        """Set with the next change, and another one then takes its place: who waits for it holds no lock."""
        self._watcher: asyncio.Task[None] | None = None
        self._number = 0
        self._held: Counter[int] = Counter()
        self.is_over = False

    async def end(self) -> None:
        """Let every page go that follows: the daemon ends."""
        self.is_over = True
        self._changed.set()

    async def after(self, number: int) -> int:
        """Wait until something has changed after `number`, at most QUIET_SECONDS; return the number it has now."""
        self._begin()
        self._followers += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET_SECONDS):
                    while not self.is_over and self._number <= number:
                        await self._changed.wait()
        finally:
            self._followers -= 1
        return self._number

    def stream(self, events: AsyncIterator[str], *, session: Session) -> Response:
        """Return a stream of server-sent events. Raises Refused where a session holds MOST_STREAMS already."""
        if self._held[session.id] >= MOST_STREAMS:
            raise Refused("too many windows follow what happens: close some")

        async def counted() -> AsyncIterator[str]:
            self._held[session.id] += 1
            try:
                async for event in events:
                    yield event
            finally:
                self._held[session.id] -= 1

        return StreamingResponse(counted(), media_type="text/event-stream", headers=STREAM_HEADERS)

    @property
    def number(self) -> int:
        """How many changes have been seen."""
        return self._number

    def _begin(self) -> None:
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        idle = 0.0
        while idle < QUIET_SECONDS and not self.is_over:
            idle = 0.0 if self._followers else idle + LOOK_SECONDS
            if self._has_changed():
                self._number += 1
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()
            await asyncio.sleep(LOOK_SECONDS)

    def _has_changed(self) -> bool:
        try:
            version = self._ledger.version()
        except OpsrunnerError:
            return False  # the daemon says so; pages stand as they are
        before, self._version = self._version, version
        return version != before


def follow(changes: Changes, request: Request, *, session: Session, is_still_in: Callable[[], bool]) -> Response:
    """Return a stream of `changed` after each change, to who is still signed in then. Raises Refused."""

    async def events() -> AsyncIterator[str]:
        number = changes.number
        yield "retry: 2000\n\n"
        while not changes.is_over and not await request.is_disconnected():
            before, number = number, await changes.after(number)
            if not is_still_in():
                return
            yield "event: changed\ndata: \n\n" if number > before else ": nothing new\n\n"

    return changes.stream(events(), session=session)
