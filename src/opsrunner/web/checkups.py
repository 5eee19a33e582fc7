"""The doctor's look for a page: made in a thread, at most every few seconds, and waited for a moment only."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from opsrunner.app import App
from opsrunner.engine.checkup import Checkup, look_after

GOOD_FOR = timedelta(seconds=10)
"""An open page is looked at again at every change of the ledger; the doctor is not."""
PATIENCE_SECONDS = 3.0
LATE_GOOD_FOR = timedelta(minutes=1)
"""A look that took longer than anybody waits is good for so long: an open page comes again every half minute."""


class Checkups:
    """One look at a time, whoever asks: a disk that hangs holds up one thread, and no page."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="web-doctor")
        self._under_way: Future[Checkup] | None = None
        self._last: Checkup | None = None

    async def newest(self, now: datetime) -> Checkup | None:
        """Return the newest look, made anew where it is too old; None where it takes too long."""
        if self._last is not None and abs(now - self._last.at) < GOOD_FOR:
            return self._last
        if self._under_way is not None and self._under_way.done():
            ended, self._under_way = self._under_way, None
            if ended.exception() is None and abs(now - ended.result().at) < LATE_GOOD_FOR:
                return ended.result()
        if self._under_way is None:
            self._under_way = self._thread.submit(self._look)
        look = self._under_way
        waiting = asyncio.wrap_future(look)
        await asyncio.wait([waiting], timeout=PATIENCE_SECONDS)
        if not waiting.done():
            return None
        if self._under_way is look:
            self._under_way = None
        self._last = waiting.result()
        return self._last

    def _look(self) -> Checkup:
        return look_after(self._app.patient(brief=True))
