"""A state that cannot be written for a while: it is said once, what is to be written waits, and all goes on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import field
from typing import TypeVar

from opsrunner.clock import Clock
from opsrunner.errors import LedgerConflict, LedgerDamaged, LedgerGone, LedgerNewer, OpsrunnerError, StateError
from opsrunner.records import dataclass

LOGGER = logging.getLogger("opsrunner")
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 2.0
CALM_SECONDS = 5.0
"""Without a failure for so long it is over: a disk with a little room takes one write and not the next."""
HOPELESS = (LedgerDamaged, LedgerGone, LedgerNewer)
"""What no waiting mends: somebody has to look."""
_Result = TypeVar("_Result")


@dataclass(kw_only=True)
class Outage:
    """Shared by all that write for the daemon."""

    clock: Clock
    draining: threading.Event
    """Set when the daemon stops: then nothing is waited for."""
    _since: float | None = field(default=None, init=False)
    _last: float = field(default=0.0, init=False)
    _said: set[str] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def patiently(self, write: Callable[[], _Result], *, seconds: float | None = None) -> _Result:
        """Do what can be done again without harm until it works; at most for `seconds`, where they are given.

        Raises the StateError where waiting is over, and at once what waiting does not mend.
        """
        started = self.clock.monotonic()
        wait_seconds = FIRST_WAIT_SECONDS
        while True:
            try:
                return write()
            except StateError as exc:
                waited = self.clock.monotonic() - started
                is_over = seconds is not None and waited >= seconds
                if isinstance(exc, (*HOPELESS, LedgerConflict)) or is_over or self.draining.is_set():
                    raise
                if seconds is None:
                    self.failed(exc)
            self.draining.wait(wait_seconds)
            wait_seconds = min(2 * wait_seconds, LONGEST_WAIT_SECONDS)

    def failed(self, error: OpsrunnerError) -> None:
        """Note a failure, and say it where it was not said since all was well."""
        with self._lock:
            self._last = self.clock.monotonic()
            if self._since is None:
                self._since = self._last
            is_news = str(error) not in self._said
            self._said.add(str(error))
        if is_news:
            LOGGER.error("%s; opsrunner goes on by itself when that is over", error, extra={"action": "pass_failed"})

    def passed(self) -> None:
        """Note that a whole pass went well, and say so where that was not so for a while."""
        with self._lock:
            now = self.clock.monotonic()
            if self._since is None or now - self._last < CALM_SECONDS:
                return
            lasted, self._since = self._last - self._since, None
            self._said.clear()
        LOGGER.warning("opsrunner goes on after %d s", round(lasted), extra={"action": "outage_over"})
