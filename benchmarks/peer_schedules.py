"""The peer of `schedules`: APScheduler's memory store and its own triggers through the same simulated day.

Run in the peers' environment. Reads the schedules as JSON from standard input and prints seconds and counts as JSON.
What is counted is what `BaseScheduler._process_jobs` does between waking up and sleeping again, with `now` simulated
and without its logging, events and executors: get the due jobs, their run times, the next fire time of each, and put
them back into the store.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.job import Job
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.base import BaseScheduler
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def nothing() -> None:
    """The function of every job."""


def trigger_of(rule: dict[str, Any]) -> Any:
    """Return the trigger that means what `rule` says."""
    zone = ZoneInfo(rule["zone"])
    if "seconds" in rule:
        return IntervalTrigger(seconds=rule["seconds"], start_date=EPOCH, timezone=UTC)
    triggers = [CronTrigger(**fields, timezone=zone) for fields in rule["fields"]]
    return triggers[0] if len(triggers) == 1 else OrTrigger(triggers)


def run_day(jobs: list[Job], start: datetime, end: datetime) -> tuple[float, float, int]:
    """Return the seconds to plan all jobs, those of the day, and how many times something was due."""
    store, fired = MemoryJobStore(), 0
    before = time.process_time()
    for job in jobs:
        job._modify(next_run_time=job.trigger.get_next_fire_time(None, start))
        store.add_job(job)
    planned = time.process_time()
    now = store.get_next_run_time()
    while now <= end:
        for job in store.get_due_jobs(now):
            times = job._get_run_times(now)
            fired += len(times)
            job._modify(next_run_time=job.trigger.get_next_fire_time(times[-1], now))
            store.update_job(job)
        now = store.get_next_run_time()
    return planned - before, time.process_time() - planned, fired


def main() -> None:
    """Print what one day took."""
    asked = json.load(sys.stdin)
    start = datetime.fromisoformat(asked["start"])
    scheduler = type("Quiet", (BaseScheduler,), {"wakeup": None, "shutdown": None})()
    jobs = [
        Job(
            scheduler,
            id=f"job-{number}",
            func=nothing,
            args=(),
            kwargs={},
            name="nothing",
            trigger=trigger_of(rule),
            executor="default",
            misfire_grace_time=None,
            coalesce=False,
            max_instances=1,
        )
        for number, rule in enumerate(asked["rules"])
    ]
    planned, day, fired = run_day(jobs, start, start + timedelta(days=1))
    print(json.dumps({"planned": planned, "day": day, "fired": fired}))


if __name__ == "__main__":
    main()
