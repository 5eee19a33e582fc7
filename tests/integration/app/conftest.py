"""A whole site with a real ledger, a clock that is moved by hand, and no daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsrunner.app import App, open_app
from opsrunner.engine.daemon import Daemon
from opsrunner.engine.workers import Workers
from opsrunner.model.run import Run
from opsrunner.testing import FakeClock

from . import announced
from .announced import RESELLERS, SERVICES, WINDOWS, Scene

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner], login: boss}
  ops1: {name: First technician, email: ops1@example.com, roles: [sysadmin, support], login: ops1}
mail: {from: ops@example.com}
"""
START = datetime(2026, 11, 20, 12, tzinfo=UTC)


class House:
    """An opened site whose daemon is driven pass by pass."""

    def __init__(self, root: Path, clock: FakeClock) -> None:
        self.root, self.clock = root, clock
        self.open()

    def open(self) -> None:
        """Open the site (again, as after a restart)."""
        self.app: App = open_app(self.root, clock=self.clock)
        service = self.app.daemon_parts()
        self.daemon: Daemon = service.daemon
        self.workers: Workers = service.workers
        self.daemon.begin()

    def work(self) -> None:
        """Do a pass and the other duties, and let every run go as far as it goes."""
        for _ in range(2):  # a pass that starts something leaves the other duties to the next look
            self.daemon.work_once()
            self.settle()

    def settle(self) -> None:
        """Wait until no run goes further."""
        for _ in range(500):
            if not self.workers.busy() and not self.app.looks.busy():
                return
            self.app.draining.wait(0.02)
        raise AssertionError(f"runs {self.workers.busy()} do not end")

    def at(self, text: str) -> None:
        """Let time pass until a moment of UTC, then work."""
        self.clock.set(datetime.fromisoformat(text).replace(tzinfo=UTC))
        self.work()
        self.work()

    def write(self, name: str, text: str) -> None:
        """Write a file of the site."""
        path = self.root / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)

    def runs(self, routine: str) -> list[Run]:
        """Return a routine's runs, oldest first."""
        return self.app.books.runs.listed(routine=routine, limit=1000)[::-1]

    def told(self, routine: str) -> list[str]:
        """Return `status reason trigger` of each run."""
        return [f"{run.status.value} {run.reason or run.trigger.value}" for run in self.runs(routine)]

    def close(self) -> None:
        """Let go of everything."""
        self.app.draining.set()
        self.workers.close(grace_seconds=0, hurry=self.app.hurry)
        self.app.close()


@pytest.fixture
def house(make_site: Callable[[Mapping[str, str]], Path]) -> Iterator[Callable[..., House]]:
    """Open a house on the routines given: `house(**{"backups": "name: …"})`."""
    made: list[House] = []

    def build(routines: Mapping[str, str], *, site: str = SITE) -> House:
        files = {"opsrunner.yaml": site, **{f"routines/{name}.yaml": text for name, text in routines.items()}}
        made.append(House(make_site(files), FakeClock(START)))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def reopened() -> Iterator[Callable[[Path, FakeClock], House]]:
    """Open a house on a site that is there already."""
    made: list[House] = []

    def build(root: Path, clock: FakeClock) -> House:
        made.append(House(root, clock))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture
def scene(make_site: Callable[[Mapping[str, str]], Path], reopened: Callable[..., House]) -> Callable[..., Scene]:
    """Open a site whose customers hear of windows and incidents; `windows` and `services` may say something else."""

    def build(
        windows: str = WINDOWS,
        services: str = SERVICES,
        extra: Mapping[str, str] | None = None,
        start: datetime = announced.START,
    ) -> Scene:
        files = {
            "opsrunner.yaml": announced.SITE,
            "maintenance.yaml": windows,
            "data/services.csv": services,
            "data/resellers.csv": RESELLERS,
            "routines/other.yaml": 'name: Other\naccountable: owner\nsteps: [{run: ["true"]}]\n',
            **(extra or {}),
        }
        return Scene(reopened(make_site(files), FakeClock(start)))

    return build
