"""The daemon as people start it: in a process of its own, with files edited under it, killed and stopped."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ..front_door import Answer, FrontDoor
from ..patience import within

SCRIPT = Path(sys.executable).with_name("opsrunner")
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
mail: {from: ops@example.com}
limits: {grace: 2s}
"""
SLOW = """\
name: Slow
accountable: owner
steps:
  - id: one
    run: ["true"]
  - id: two
    run: sleep 300 & sleep 300
    AFTER
  - id: three
    run: ["true"]
"""
FAST = """\
name: Fast
accountable: owner
steps:
  - run: ["true"]
"""


class Served:
    """A site with its daemon."""

    def __init__(self, root: Path, home: Path, door: FrontDoor) -> None:
        self.root, self._door = root, door
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
        self.process: subprocess.Popen[str] | None = None
        self.asking: list[subprocess.Popen[bytes]] = []

    def start(self, *before: str) -> None:
        """Start the daemon, with the words of another command before its own, and wait until it is there."""
        with (self.root / "serve.log").open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [*before, str(SCRIPT), "serve", "--no-page"],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )
        self.until(lambda: " in force" in self.log(), "the daemon starts")

    def log(self) -> str:
        return (self.root / "serve.log").read_text(encoding="utf-8")

    def ask(self, *arguments: str) -> Answer:
        return self._door.call(*arguments, folder=self.root, environment=self.environment)

    def ask_in_background(self, *arguments: str) -> None:
        self.asking.append(
            subprocess.Popen(
                [str(SCRIPT), *arguments],
                cwd=self.root,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ask("runs", "--json").stdout)
        return found

    def steps(self, run: int) -> list[str]:
        shown = json.loads(self.ask("show", str(run), "--json").stdout)
        return [f"{step['id']} {step['status']}" for step in shown["steps"]]

    def until(self, is_so: Callable[[], object], what: str, *, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if is_so():
                return
            time.sleep(0.1)
        raise AssertionError(f"not within {seconds} s: {what}\n{self.log()}")

    def stop(self, number: signal.Signals = signal.SIGTERM, *, seconds: float = 20) -> int:
        """Send a signal and return the exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout=seconds)

    def children(self, word: str = "sleep 300") -> list[int]:
        """Return the processes of this site's runs whose command line is `word`."""
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").strip().decode()
            except OSError:
                continue
            if f"OPS_SITE={self.root}".encode() in environment and command == word:
                found.append(int(folder.name))
        return found


@pytest.fixture
def served(
    make_site: Callable[[Mapping[str, str]], Path], tmp_path: Path, front_door: FrontDoor
) -> Iterator[Callable[..., Served]]:
    """Make a site with the routines given and start its daemon."""
    made: list[Served] = []

    def build(**routines: str) -> Served:
        files = {f"routines/{name}.yaml": text for name, text in routines.items()}
        one = Served(make_site({"opsrunner.yaml": SITE, **files}), tmp_path, front_door)
        made.append(one)
        one.start()
        return one

    yield build
    for one in made:
        for asking in one.asking:
            asking.kill()
            asking.wait()
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        for child in one.children():
            os.kill(child, signal.SIGKILL)


def in_step_two(site: Served) -> None:
    """Run `slow` until its second step is under way."""
    site.ask_in_background("run", "slow")
    site.until(lambda: len(site.children()) == 2, "step two runs")


def test_a_second_daemon_leaves_at_once_and_names_the_first(served: Callable[..., Served]) -> None:
    """B25."""
    site = served(fast=FAST)
    assert site.process is not None

    def start_another() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPT), "serve"], cwd=site.root, env=site.environment, capture_output=True, text=True, check=False
        )

    second = within(2, start_another, tries=5)
    assert second.returncode == 1
    assert str(site.process.pid) in second.stderr
    assert "Traceback" not in second.stderr


def test_a_run_by_hand_goes_through_the_daemon(served: Callable[..., Served]) -> None:
    site = served(fast=FAST)
    answer = site.ask("run", "fast")
    assert answer.returncode == 0, answer.stderr
    assert [(run["status"], run["trigger"]) for run in site.runs()] == [("succeeded", "manual")]


@pytest.mark.needs("root", "unshare")
def test_as_the_first_process_of_a_container_it_works_and_says_that_it_wants_an_init(
    served: Callable[..., Served],
) -> None:
    site = served(fast=FAST)
    assert "process 1" not in site.log()
    assert site.stop() == 0
    site.start("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    assert site.log().count("opsrunner is process 1 here, so nobody collects what programs of steps leave behind") == 1
    assert site.ask("run", "fast").returncode == 0
    assert site.process is not None
    (daemon,) = Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
    os.kill(int(daemon), signal.SIGTERM)
    assert site.process.wait(timeout=20) == 0


def test_a_routine_added_by_hand_fires_without_a_restart(served: Callable[..., Served]) -> None:
    site = served(fast=FAST)
    path = site.root / "routines" / "added.yaml"
    path.write_text(FAST.replace("steps:", "schedule: {every: 1m}\nsteps:"), encoding="utf-8")
    path.chmod(0o600)
    site.until(lambda: any(run["routine"] == "added" for run in site.runs()), "the new routine ran", seconds=75)
    assert {run["trigger"] for run in site.runs()} == {"schedule"}


def test_a_broken_file_is_named_within_five_seconds_and_stops_nothing(served: Callable[..., Served]) -> None:
    """B32."""
    site = served(fast=FAST)
    path, lines = site.root / "routines" / "broken.yaml", iter(range(4, 20))

    def break_it() -> None:
        line = next(lines)
        path.write_text(
            "\n" * (line - 4) + "name: Broken\naccountable: owner\nsteps:\n  - runn: date\n", encoding="utf-8"
        )
        path.chmod(0o600)
        site.until(lambda: f"routines/broken.yaml:{line}:5: steps[0].runn" in site.log(), "the file is named")

    within(5, break_it)
    assert site.ask("run", "fast").returncode == 0
    doctor = site.ask("doctor")
    assert doctor.returncode == 1
    assert re.search(r"routines/broken\.yaml:\d:5", doctor.stdout)


def test_while_the_sites_own_file_is_broken_people_go_on_with_the_last_good_one(served: Callable[..., Served]) -> None:
    site = served(fast=FAST, round="name: Round\naccountable: owner\nsteps:\n  - task: Look around\n")
    assert site.ask("run", "round").returncode == 0
    path = site.root / "opsrunner.yaml"
    path.write_text(SITE.replace("people:", "people: ["), encoding="utf-8")
    site.until(lambda: "opsrunner.yaml:5:1: the [ … ] is not closed" in site.log(), "the file is named")

    ticked = site.ask("tick", "1", "--as", "boss")
    answers = [ticked, *(site.ask(*verb.split()) for verb in ("run fast", "runs", "tasks", "digest", "calendar"))]
    doctor = site.ask("doctor")
    site.stop()
    answers.append(site.ask("run", "fast"))
    site.start()
    answers.append(site.ask("run", "fast"))

    assert [answer.returncode for answer in answers] == [0] * 8
    for answer in (*answers, doctor):
        (line,) = answer.stderr.splitlines()
        assert line.startswith("opsrunner: opsrunner.yaml:5:1: the [ … ] is not closed, ")
        assert line.endswith("; its last good version stays in force (see: opsrunner check)")
    assert doctor.returncode == 1
    assert "opsrunner.yaml:5:1: the [ … ] is not closed" in doctor.stdout
    assert [run["status"] for run in site.runs() if run["routine"] == "fast"] == ["succeeded"] * 3
    assert "opsrunner.yaml:5:1: the [ … ] is not closed" in site.log(), "a start names it too"


def test_after_kill_9_the_run_is_interrupted_and_its_children_are_ended(served: Callable[..., Served]) -> None:
    """B33."""
    site = served(slow=SLOW.replace("AFTER", "after_crash: ask"))
    in_step_two(site)
    site.stop(signal.SIGKILL)
    assert len(site.children()) == 2, "a killed daemon cannot clean up"
    site.start()
    site.until(lambda: site.runs()[0]["status"] == "interrupted", "the run is interrupted", seconds=30)
    assert site.steps(1) == ["one succeeded", "two interrupted", "three skipped"]
    assert site.children() == []
    assert "See how far two of Slow came" in site.ask("tasks").stdout
    assert "Slow" in site.ask("digest").stdout


def test_after_kill_9_a_step_that_may_rerun_is_resumed(served: Callable[..., Served]) -> None:
    """B33."""
    site = served(slow=SLOW.replace("AFTER", "after_crash: rerun"))
    in_step_two(site)
    before = set(site.children())
    site.stop(signal.SIGKILL)
    site.start()
    site.until(lambda: len(set(site.children()) - before) == 2, "step two runs again", seconds=30)
    assert site.runs()[0]["status"] == "running"
    assert len(site.runs()) == 1


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, id="asked"), pytest.param(signal.SIGHUP, id="its terminal is closed")]
)
def test_a_signal_ends_a_running_step_within_grace_and_leaves_no_child(
    served: Callable[..., Served], number: signal.Signals
) -> None:
    """B37."""
    site = served(slow=SLOW.replace("AFTER", "after_crash: ask"))
    in_step_two(site)
    started = time.monotonic()
    assert site.stop(number) == 0
    assert time.monotonic() - started < 2 + 5
    assert site.children() == []
    (run,) = site.runs()
    assert (run["status"], run["reason"]) == ("interrupted", "shutdown")


def test_a_second_sigterm_does_not_wait(served: Callable[..., Served]) -> None:
    """B37."""
    site = served(slow=SLOW.replace("AFTER", "after_crash: ask"))
    (site.root / "opsrunner.yaml").write_text(SITE.replace("grace: 2s", "grace: 60s"), encoding="utf-8")
    site.stop()
    site.start()
    in_step_two(site)
    assert site.process is not None
    started = time.monotonic()
    while site.process.poll() is None and time.monotonic() - started < 10:
        site.process.send_signal(signal.SIGTERM)  # two that come together are one
        time.sleep(0.5)
    assert site.process.wait(timeout=0) == 0
    assert site.children() == []


def test_a_waiting_run_goes_on_after_a_restart_and_an_edit(served: Callable[..., Served]) -> None:
    waits = (
        "name: Waits\naccountable: owner\nsteps:\n  - task: Sign\n    wait: true\n  - id: after\n    run: echo first\n"
    )
    site = served(waits=waits)
    assert site.ask("run", "waits").returncode == 0
    site.stop()
    (site.root / "routines" / "waits.yaml").write_text(waits.replace("echo first", "exit 1"), encoding="utf-8")
    site.start()
    answer = site.ask("tick", "1", "--as", "boss")
    assert answer.returncode == 0, answer.stderr
    site.until(lambda: site.runs()[0]["status"] == "succeeded", "the run goes on 30 s later", seconds=50)
    assert site.steps(1) == ["task succeeded", "after succeeded"]
