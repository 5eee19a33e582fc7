"""Prints how long the spine takes, on this machine: `make bench`. Figures to compare, not promises."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsrunner.config.loader import SiteLoader
from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.model.run import RunStatus, Trigger
from opsrunner.schedules.almanac import Almanac
from opsrunner.schedules.due import occurrences

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("opsrunner")
START = datetime(2026, 1, 1, tzinfo=UTC)
ROUTINES = 300
RUNS = 500


def main() -> None:
    """Measure each part and print a line for it."""
    tell("opsrunner --help", lambda: start("--help"))
    tell("opsrunner next --cron", lambda: start("next", "--cron", "30 2 * * 1-5", "--count", "5"))
    tell("opsrunner check, the sample site", lambda: start("check", "--site", str(ROOT)))
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(Path(folder))
        loader = SiteLoader(site)
        tell(f"read a site of {ROUTINES} routines", lambda: SiteLoader(site).load(), times=3)
        loader.load()
        tell("look at it again, nothing changed", loader.load)
    tell("a year of due times, the sample site", a_year)
    with tempfile.TemporaryDirectory() as folder:
        books = Books.open(Path(folder) / "ledger.db")
        took = tell(f"{RUNS} runs claimed and closed, each on the disk", lambda: keep_runs(books), times=1)
        print(f"{'':>46}  {2 * RUNS / took:8.0f} commits/s")


def tell(what: str, act: Callable[[], object], *, times: int = 7) -> float:
    """Print the median of several tries in milliseconds, and return it in seconds."""
    seconds = []
    for _ in range(times):
        before = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - before)
    median = statistics.median(seconds)
    print(f"{what:>46}  {median * 1000:8.1f} ms")
    return median


def start(*arguments: str) -> None:
    """Run the program as a person does."""
    subprocess.run([PROGRAM, *arguments], check=True, capture_output=True)


def write_site(folder: Path) -> Path:
    """Write a site of many routines."""
    folder.chmod(0o700)
    (folder / "routines").mkdir(mode=0o700)
    people = "people: {boss: {name: Boss, email: boss@example.com, roles: [owner]}}\n"
    files = {"opsrunner.yaml": f"site: Many\ntimezone: Europe/Oslo\n{people}"}
    for number in range(ROUTINES):
        files[f"routines/routine-{number}.yaml"] = (
            f'name: Routine {number}\naccountable: owner\nschedule: {{every: day, at: "{number % 24:02}:30"}}\n'
            "steps:\n  - run: [echo, hello]\n  - task: Read it\n    done_when: steps.run.status == 'succeeded'\n"
        )
    for name, text in files.items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    return folder


def a_year() -> int:
    """Count what is due on the sample site in a year."""
    site = SiteLoader(ROOT).load().site
    assert site is not None
    almanac = Almanac(calendars=site.calendars)
    until = START + timedelta(days=365)
    return sum(
        1
        for routine in site.routines.values()
        for _ in occurrences(routine.schedule, after=START, until=until, almanac=almanac)
    )


def keep_runs(books: Books) -> None:
    """Claim and close runs, one transaction each."""
    for number in range(RUNS):
        at = START + timedelta(minutes=number)
        new = NewRun(routine="bench", nominal_at=at, planned_at=at, trigger=Trigger.SCHEDULE, status=RunStatus.RUNNING)
        run = books.runs.claim(new, at=at)
        assert run is not None
        books.runs.finish(run.id, status=RunStatus.SUCCEEDED, reason="", at=at)


if __name__ == "__main__":
    main()
