"""The alarm clock: wakes the daemon for the next due moment. APScheduler lives here and nowhere else.

APScheduler keeps absolute wall times and oversleeps after the clock was set back, so the daemon's own
wait is never longer than `LONGEST_SLEEP_SECONDS`; a wake-up always plans afresh.
"""

from __future__ import annotations

import threading
from datetime import datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.date import DateTrigger

LONGEST_SLEEP_SECONDS = 30.0


class AlarmClock:
    """One alarm for one moment."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
        self._set_for: datetime | None = None

    def start(self) -> None:
        """Begin to tick."""
        self._scheduler.start()

    def stop(self) -> None:
        """Stop ticking and wake whoever waits."""
        self._scheduler.shutdown(wait=False)
        self._woken.set()

    def set(self, moment: datetime | None) -> None:
        """Ring at `moment` (or not at all), instead of what was set before."""
        if moment == self._set_for:
            return
        self._set_for = moment
        self._scheduler.remove_all_jobs()
        if moment is not None:
            trigger = DateTrigger(run_date=moment, timezone="UTC")  # else it looks for the machine's own zone
            self._scheduler.add_job(self._woken.set, trigger, id="wake", replace_existing=True)

    def ring(self) -> None:
        """Wake the waiter now."""
        self._woken.set()

    def wait(self, seconds: float = LONGEST_SLEEP_SECONDS) -> bool:
        """Wait for the alarm, at most `seconds`; tell whether it rang."""
        rang = self._woken.wait(min(seconds, LONGEST_SLEEP_SECONDS))
        self._woken.clear()
        return rang
