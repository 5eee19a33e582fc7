"""APScheduler's turn of `starts`: runs in the peers' environment, imports nothing of opsrunner."""

import importlib
import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger

entered: list[float] = []


def note() -> None:
    entered.append(time.time())


def main(store: str, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scheduler = BackgroundScheduler(timezone="UTC", job_defaults={"misfire_grace_time": None})
        if store == "sql":
            scheduler.add_jobstore("sqlalchemy", url=f"sqlite:///{Path(folder) / 'jobs.db'}")
        scheduler.start(paused=True)
        lead = 40 if store == "sql" else 5
        due = (datetime.now(UTC) + timedelta(seconds=lead)).replace(microsecond=0)
        for number in range(count):
            trigger = CronTrigger(hour=due.hour, minute=due.minute, second=due.second, timezone="UTC")
            scheduler.add_job("peer_starts:note", trigger, id=str(number))
        assert datetime.now(UTC) < due, "setting up took longer than the lead"
        scheduler.resume()
        while len(sys.modules["peer_starts"].entered) < count:
            time.sleep(0.05)
        scheduler.shutdown(wait=True)
    print(json.dumps([1000 * (moment - due.timestamp()) for moment in sys.modules["peer_starts"].entered]))


if __name__ == "__main__":
    importlib.import_module("peer_starts").main(sys.argv[1], int(sys.argv[2]))  # so that its jobs can be named
