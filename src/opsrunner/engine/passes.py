"""When the planner looks: for each due moment a little before it comes, and every thirty seconds in any case.

A pass that starts many routines takes its time. So it begins ahead of its moment, by what the passes before have
cost, makes everything ready inside its transaction, and commits when the moment is there: what is due is entered then,
not a second later.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from opsrunner.clock import Clock
from opsrunner.engine.planner import Verdict
from opsrunner.engine.planning import LeftOut, Planning
from opsrunner.engine.scheduler import AlarmClock
from opsrunner.engine.workers import Workers

LOGGER = logging.getLogger("opsrunner")
PLAN_EVERY = timedelta(seconds=30)
HUNG_AFTER_SECONDS = 120.0
"""Passes come every 30 s at least; the longest waits for the ledger and writes a digest."""
LONGEST_LEAD_SECONDS = 0.5
"""A pass holds the ledger's writers off for so long at most before its moment."""
SMALLEST_LEAD_SECONDS = 0.004
FIRST_PACE_SECONDS = 0.002
"""What planning one routine is taken to cost until it has been measured."""
MARGIN = 1.3
QUIET_BEFORE_SECONDS = 0.3
"""Nothing else is begun so shortly before a pass."""
SLICE_SECONDS = 0.05


class Passes:
    """The planner's passes over the routines in force, each at its time."""

    def __init__(
        self,
        *,
        clock: Clock,
        planning: Planning,
        workers: Workers,
        alarm: AlarmClock,
        draining: threading.Event,
    ) -> None:
        self._clock, self._planning, self._workers = clock, planning, workers
        self._alarm, self._draining = alarm, draining
        self._is_wanted = True
        """Whether one has been called for, whatever the time."""
        self._next_at: datetime | None = None
        """The next due moment; None where there is none, or it is to be looked up anew."""
        self._lead = timedelta()
        self._pace_seconds = FIRST_PACE_SECONDS
        self._last_at: datetime | None = None
        self._succeeded_seconds: float | None = None
        """When the last pass succeeded, on the steady clock; None after one that did not."""

    def are_healthy(self) -> bool:
        """Tell whether passes succeed, and none hangs."""
        last = self._succeeded_seconds
        return last is not None and self._clock.monotonic() - last < HUNG_AFTER_SECONDS

    def failed(self) -> None:
        """Note that a pass, or what comes before it, did not succeed."""
        self._succeeded_seconds = None

    def call_for_one(self) -> None:
        """Have a pass as soon as may be: what is in force has changed."""
        self._is_wanted, self._next_at = True, None

    def see(self, now: datetime | None) -> None:
        """Take in what the clock says: a doubt (None) is followed by a pass, a step back by a new look at all."""
        if now is None:
            self.failed()
            self.call_for_one()
        elif self._last_at is not None and now < self._last_at:
            self._planning.look_again()
            self.call_for_one()

    def is_due(self, now: datetime) -> bool:
        """Tell whether to begin the pass for the next due moment."""
        return self._next_at is not None and now >= self._next_at - self._lead

    def is_close(self, now: datetime) -> bool:
        """Tell whether such a pass is about to begin."""
        if self._next_at is None:
            return False
        return 0 < (self._next_at - self._lead - now).total_seconds() < QUIET_BEFORE_SECONDS

    def is_called_for(self, now: datetime) -> bool:
        """Tell whether it is time for a pass, due or not."""
        if self._is_wanted or self._last_at is None or self.is_due(now):
            return True
        return now < self._last_at or now >= self._last_at + PLAN_EVERY

    def run(self, now: datetime) -> int:
        """Plan for the next due moment if its pass begins now, else for `now`; return how many runs it started."""
        moment = max(now, self._next_at) if self._next_at is not None and self.is_due(now) else now
        began, count = self._clock.monotonic(), self._planning.due_at(moment)
        waited = 0.0

        def until_due() -> None:
            nonlocal waited
            waited = self._wait_until(moment)

        self._workers.make_room(count)
        done = self._planning.run(
            now=moment,
            prepare=self._workers.prepare,
            until_due=until_due,
        )
        started = self._workers.hand_over(done.started)
        self._last_at = min(moment, self._clock.now())
        self._succeeded_seconds = self._clock.monotonic()
        if count:
            self._pace_seconds = (self._pace_seconds + (self._succeeded_seconds - began - waited) / count) / 2
        self._is_wanted = False
        self._set_alarm(done.next_at)
        _log_left_out(done.left_out)
        return started

    def _wait_until(self, moment: datetime) -> float:
        """Wait for a moment that is close, and return for how many seconds; no step of the clock makes it long."""
        began = self._clock.monotonic()
        while (seconds := (moment - self._clock.now()).total_seconds()) > 0:
            is_long = self._clock.monotonic() - began > LONGEST_LEAD_SECONDS
            if is_long or self._draining.wait(min(seconds, SLICE_SECONDS)):
                break
        return self._clock.monotonic() - began

    def _set_alarm(self, next_at: datetime | None) -> None:
        """Be woken for a moment, so much before it as its pass will take."""
        self._next_at = next_at
        if next_at is None:
            self._alarm.set(None)
            return
        seconds = SMALLEST_LEAD_SECONDS + MARGIN * self._pace_seconds * self._planning.due_at(next_at)
        self._lead = timedelta(seconds=min(LONGEST_LEAD_SECONDS, seconds))
        self._alarm.set(next_at - self._lead)


def _log_left_out(left_out: Sequence[LeftOut]) -> None:
    """Say what does not run now, and why: one line a routine and reason, however long nobody was here."""
    for alike in left_out:
        times = f" and {alike.count - 1} before" if alike.count > 1 else ""
        LOGGER.log(
            logging.WARNING if alike.verdict is Verdict.MISSED else logging.INFO,
            "%s, due %s UTC%s: %s (%s)",
            alike.routine,
            f"{alike.last_at:%Y-%m-%d %H:%M}",
            times,
            alike.verdict.value,
            alike.reason,
            extra={"action": f"occurrence_{alike.verdict.value}", "routine": alike.routine},
        )
