"""B60: months of runs under a short memory: the ledger stays small, and no due time drifts.

The short form is a month; `make soak` has the year.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from opsrunner.app import App, open_app
from opsrunner.engine.daemon import Daemon
from opsrunner.engine.workers import Workers
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.testing import FakeClock, ScriptedStep, scripted_kind

START = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(minutes=26)
"""20,215 runs a year."""
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner, sysadmin]}}
mail: {{from: ops@example.com}}
limits: {{keep_runs: {days}d, keep_tasks: {days}d}}
digest: {digest}
"""
ROUTINE = """\
name: Probe
accountable: owner
schedule: {every: 26m, from: 2026-01-01T00:00}
steps:
  - scripted: {say: probe}
"""
LIST = """\
name: Morning round
accountable: sysadmin
schedule: {every: day, at: "09:00"}
steps:
  - {task: Look at the graphs, remind: [0m], due: +1h}
  - task: Read the log
"""
TABLES = ("runs", "steps", "tasks", "rungs", "outbox", "digests", "requests", "gaps", "holds", "frozen", "last_good")


class Year:
    """A site in memory whose daemon is driven from due time to due time."""

    def __init__(self, root: Path, *, keep_days: int, digest: str) -> None:
        self.root, self.clock = root, FakeClock(START)
        for name, text in (
            ("opsrunner.yaml", SITE.format(days=keep_days, digest=digest)),
            ("routines/probe.yaml", ROUTINE),
            ("routines/round.yaml", LIST),
        ):
            path = root / name
            path.parent.mkdir(exist_ok=True, mode=0o700)
            path.write_text(text, encoding="utf-8")
        self.app: App = open_app(root, clock=self.clock)
        service = self.app.daemon_parts()
        self.daemon: Daemon = service.daemon
        self.workers: Workers = service.workers
        self.daemon.begin()
        self.daemon.work_once()

    def live(self, *, until: datetime) -> None:
        """Let time pass, one due time after the other; every mail goes out."""
        while self.clock.now() + EVERY <= until:
            self.clock.set(self.clock.now() + EVERY)
            self.work()
            self.app.deliver()

    def work(self) -> None:
        self.daemon.work_once()
        self.daemon.work_once()  # a pass that starts something leaves the rest to the next look
        limit = time.monotonic() + 30
        while self.workers.busy():
            assert time.monotonic() < limit
            time.sleep(0.0005)

    def edit(self, number: int) -> None:
        """Change a routine's text, as people do: each version of it is kept with the runs that ran under it."""
        (self.root / "routines/round.yaml").write_text(LIST.replace("graphs", f"graphs of {number}"))

    def counts(self) -> dict[str, int]:
        """Return how many rows each table has; of frozen texts those that still have their text."""
        found = {}
        for table in TABLES:
            where = " WHERE body <> ''" if table == "frozen" else ""
            row = self.app.books.ledger.one(f"SELECT count(*) FROM {table}{where}")
            found[table] = int(row[0]) if row else 0
        return found

    def files(self) -> int:
        """Return how many files and folders the state has, mails left out: a Maildir is theirs who read it."""
        return sum(1 for path in self.app.state.rglob("*") if "maildir" not in path.parts)

    def close(self) -> None:
        self.app.draining.set()
        self.workers.close(grace_seconds=0, hurry=self.app.hurry)
        self.app.close()


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory: what is asked is not how fast a disk is."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:  # noqa: PTH112
        yield Path(folder)


def resident_bytes() -> int:
    """Return how much memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def live_through(root: Path, *, days: int, keep_days: int, digest: str, longest_period_days: int) -> None:
    """Live for some days, and compare the state at the end with that in the middle.

    Runs wait for the digest that tells of them, so for the longest period of one at the most.
    """
    count = 0

    def sometimes(*_: object) -> Outcome:
        nonlocal count
        count += 1
        step.calls.clear()  # what a test remembers is not what opsrunner does
        status = StepStatus.FAILED if count % 50 == 0 else StepStatus.SUCCEEDED
        return Outcome(status=status, message="probed", facts={"answer": "x" * 300})

    with scripted_kind(ScriptedStep(answers=[sometimes])) as step:
        year = Year(root, keep_days=keep_days, digest=digest)
        try:
            middle, end = START + timedelta(days=days / 2), START + timedelta(days=days)
            seen: list[tuple[dict[str, int], int, int, int]] = []
            for moment in (middle, end):
                for part in range(4):
                    year.edit(part + days)
                    year.live(until=moment - timedelta(days=days / 2) * (3 - part) / 4)
                seen.append((year.counts(), ledger_bytes(year), year.files(), resident_bytes()))
            days_kept = max(keep_days, longest_period_days) + 1
            assert_bounded(*seen, runs_kept=int(timedelta(days=days_kept) / EVERY) + days_kept)
            assert_no_drift(year, count)
        finally:
            year.close()


def ledger_bytes(year: Year) -> int:
    return year.app.books.ledger.path.stat().st_size


def assert_bounded(
    middle: tuple[dict[str, int], int, int, int], end: tuple[dict[str, int], int, int, int], *, runs_kept: int
) -> None:
    print(f"\nmiddle {middle}\nend    {end}")
    assert end[0]["runs"] <= runs_kept
    for table, rows in end[0].items():
        assert rows <= middle[0][table] * 1.3 + 40, table
    assert end[1] <= middle[1] * 1.3
    assert end[2] <= middle[2] * 1.3 + 40
    assert end[3] - middle[3] < 20_000_000


def assert_no_drift(year: Year, ran: int) -> None:
    """Every due time that is still remembered came when it was due, and none was left out."""
    runs = year.app.books.runs.listed(routine="probe", limit=100_000)[::-1]
    due = [run.nominal_at for run in runs if run.nominal_at is not None]
    assert all(later - earlier == EVERY for earlier, later in pairwise(due))
    assert all((moment - START) % EVERY == timedelta() for moment in due)
    assert all(run.late_seconds == 0 for run in runs)
    assert due[-1] == year.clock.now()
    assert ran == (year.clock.now() - START) // EVERY


def test_weeks_of_runs_leave_a_small_state_and_no_due_time_drifts(memory: Path) -> None:
    live_through(memory, days=12, keep_days=2, digest='{daily: "07:00"}', longest_period_days=1)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_year_of_twenty_thousand_runs_leaves_a_small_state_and_no_due_time_drifts(memory: Path) -> None:
    everything = '{daily: "07:00", weekly: "mon 07:00", monthly: "1 07:00"}'
    live_through(memory, days=365, keep_days=30, digest=everything, longest_period_days=31)
