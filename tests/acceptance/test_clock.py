"""Clocks that lie to a living daemon: libfaketime moves the wall clock of `serve` alone; all others keep theirs.

The scenes take a minute each and mostly wait, so that they are played at the same time, each on a site of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ..front_door import FrontDoor

pytestmark = [pytest.mark.needs("faketime"), pytest.mark.timeout(300)]

SCRIPT = Path(sys.executable).with_name("opsrunner")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
mail: {from: ops@example.com}
limits: {grace: 1s}
"""
ROUTINE = """\
name: Minutely
accountable: owner
schedule: {every: 1m}
steps:
  - run: ["true"]
"""
DAILY = ROUTINE.replace("{every: 1m}", '{every: day, at: "02:30"}')
HOUR, YEARS = 3600.0, 3700 * 86400.0
MINUTE = timedelta(minutes=1)


class Served:
    """A site whose daemon has a clock of its own, `ahead` seconds of ours."""

    def __init__(self, folder: Path, routine: str, door: FrontDoor) -> None:
        self._door = door
        self.root, self.offset = folder / "site", folder / "offset"
        for name, text in {"opsrunner.yaml": SITE, "routines/it.yaml": routine}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_text(text, encoding="utf-8")
            path.chmod(0o600)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
        self.ahead = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def set_clock(self, ahead: float) -> None:
        self.ahead = ahead
        new = self.offset.with_suffix(".new")
        new.write_text(f"{ahead:+.3f}\n", encoding="ascii")
        new.rename(self.offset)

    def set_clock_to(self, moment: datetime) -> None:
        self.set_clock((moment - datetime.now(UTC)).total_seconds())

    def launch(self) -> None:
        own_clock = {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(self.offset),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        with (self.root / "serve.log").open("wb") as log:
            self.process = subprocess.Popen(
                [str(SCRIPT), "serve", "--no-page"],
                cwd=self.root,
                env=self.environment | own_clock,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def start(self, *, before: datetime | None = None) -> None:
        """Start the daemon, and have its clock some seconds before a moment then, however long that took."""
        if before is not None:
            self.set_clock_to(before - timedelta(seconds=55))
        self.launch()
        self.until(lambda: " in force" in self.log(), "the daemon starts")
        if before is not None:
            self.set_clock_to(before - timedelta(seconds=5))

    def log(self) -> str:
        return (self.root / "serve.log").read_text(encoding="utf-8")

    def ask(self, *arguments: str) -> Any:
        answer = self._door.call(*arguments, "--json", folder=self.root, environment=self.environment)
        return json.loads(answer.stdout)

    def runs(self) -> list[dict[str, Any]]:
        """Return the runs, oldest first."""
        found: list[dict[str, Any]] = self.ask("runs", "--limit", "1000")
        return sorted(found, key=lambda run: run["id"])

    def succeeded(self) -> list[datetime]:
        return [datetime.fromisoformat(run["nominal_at"]) for run in self.runs() if run["status"] == "succeeded"]

    def until(self, is_so: Callable[[], object], what: str, *, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if is_so():
                return
            time.sleep(0.3)
        raise AssertionError(f"not within {seconds} s: {what}\n{self.log()}\n{self.runs()}")

    def goes_on(self) -> None:
        """See that a minutely routine runs again within its minute."""
        since = self.now()
        due = since.replace(second=0, microsecond=0) + MINUTE
        self.until(lambda: due in self.succeeded(), f"what is due at {due} runs", seconds=75)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def begun(site: Served) -> datetime:
    """Start a daemon some seconds before a full minute, and wait for what is due then."""
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    site.start(before=noon)
    site.until(lambda: site.succeeded() == [noon], "the first minute runs")
    return noon


def two_hours_ahead(site: Served) -> None:
    noon = begun(site)
    site.set_clock(site.ahead + 2 * HOUR)
    site.until(lambda: len(site.succeeded()) > 1, "the latest of what was skipped is caught up")
    site.goes_on()
    runs = site.runs()
    nominals = [datetime.fromisoformat(run["nominal_at"]) for run in runs]
    assert {later - earlier for earlier, later in pairwise(nominals)} == {MINUTE}
    assert nominals[0] == noon
    assert len(nominals) > 120
    missed = [run["reason"] for run in runs if run["status"] == "missed"]
    assert set(missed) == {"coalesced"}
    assert 118 <= len(missed) <= 120


def half_an_hour_back(site: Served) -> None:
    noon = begun(site)
    site.set_clock(site.ahead - HOUR / 2)
    site.goes_on()
    nominals = site.succeeded()
    assert len(set(nominals)) == len(nominals)
    assert nominals[0] == noon
    assert all(noon - timedelta(minutes=31) < nominal < noon - timedelta(minutes=27) for nominal in nominals[1:])


def in_2037(site: Served, *, seconds: float) -> None:
    noon = begun(site)
    true_ahead = site.ahead
    site.set_clock(site.ahead + YEARS)
    site.until(lambda: "by the steady clock it is" in site.log(), "the daemon doubts its clock")
    words = " ".join(finding["what"] for finding in site.ask("doctor")["findings"])
    assert "the daemon holds everything: the clock says 203" in words
    time.sleep(seconds)
    assert site.succeeded() == [noon]
    site.set_clock(true_ahead)
    site.goes_on()
    nominals = [datetime.fromisoformat(run["nominal_at"]) for run in site.runs()]
    assert {nominal.year for nominal in nominals} == {noon.year}
    assert {later - earlier for earlier, later in pairwise(nominals)} == {MINUTE}  # caught up or missed, never lost
    assert "digest" not in site.log()
    assert "the clock is believed again" in site.log()
    assert "holds everything" not in " ".join(finding["what"] for finding in site.ask("doctor")["findings"])


def boot_in_1970(site: Served) -> None:
    noon = begun(site)
    true_ahead = site.ahead
    site.set_clock(-time.time() + 60)
    site.until(lambda: "before this program was" in site.log(), "the living daemon doubts it")
    site.stop()
    site.launch()
    assert site.process is not None
    assert site.process.wait(timeout=30) == 1
    assert "set the machine's clock first, nothing was opened" in " ".join(site.log().split())
    assert site.succeeded() == [noon]
    site.set_clock(true_ahead)
    site.start()
    site.goes_on()
    assert min(site.succeeded()) == noon


def stopped(site: Served, *, seconds: float) -> None:
    """B19."""
    due = datetime.now(UTC).replace(hour=2, minute=30, second=0, microsecond=0)
    site.start(before=due)
    assert site.process is not None
    site.process.send_signal(signal.SIGSTOP)
    stopped_at = site.now()
    assert stopped_at < due
    time.sleep(seconds)
    site.process.send_signal(signal.SIGCONT)
    woken_at = site.now()
    site.until(site.succeeded, "what was due in the meantime runs")
    (run,) = site.runs()
    assert datetime.fromisoformat(run["nominal_at"]) == due
    started_at = datetime.fromisoformat(run["started_at"])
    assert woken_at - timedelta(seconds=1) < started_at < woken_at + timedelta(seconds=15)
    assert run["trigger"] == ("catch_up" if started_at - due > MINUTE else "schedule")


Scene = Callable[[Served], None]
SCENES: Mapping[str, tuple[str, Scene]] = {
    "two hours ahead": (ROUTINE, two_hours_ahead),
    "half an hour back": (ROUTINE, half_an_hour_back),
    "in 2037": (ROUTINE, lambda site: in_2037(site, seconds=25)),
    "boot in 1970": (ROUTINE, boot_in_1970),
    "stopped": (DAILY, lambda site: stopped(site, seconds=75)),
}
LONG_SCENES: Mapping[str, tuple[str, Scene]] = {
    "a whole minute in 2037": (ROUTINE, lambda site: in_2037(site, seconds=60)),
    "stopped for 90 seconds": (DAILY, lambda site: stopped(site, seconds=90)),
}


@pytest.fixture(scope="module")
def play(
    tmp_path_factory: pytest.TempPathFactory, front_door: FrontDoor
) -> Iterator[Callable[..., dict[str, Future[None]]]]:
    """Play scenes at the same time; each future raises what its scene did."""
    sites: list[Served] = []
    played: dict[int, dict[str, Future[None]]] = {}
    pool = ThreadPoolExecutor(max_workers=len(SCENES))

    def begin(scenes: Mapping[str, tuple[str, Scene]]) -> dict[str, Future[None]]:
        if id(scenes) not in played:
            futures = played[id(scenes)] = {}
            for name, (routine, scene) in scenes.items():
                sites.append(Served(tmp_path_factory.mktemp("clock"), routine, front_door))
                futures[name] = pool.submit(scene, sites[-1])
        return played[id(scenes)]

    yield begin
    pool.shutdown(wait=True, cancel_futures=True)
    for site in sites:
        site.stop()


@pytest.mark.parametrize("scene", SCENES)
def test_it_survives_a_clock_that_lies(play: Callable[..., dict[str, Future[None]]], scene: str) -> None:
    play(SCENES)[scene].result(timeout=200)


@pytest.mark.soak
@pytest.mark.parametrize("scene", LONG_SCENES)
def test_it_survives_a_clock_that_lies_for_longer(play: Callable[..., dict[str, Future[None]]], scene: str) -> None:
    play(LONG_SCENES)[scene].result(timeout=400)
