"""A site with its daemon, and small disks to put under it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(sys.executable).with_name("opsrunner")
SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {name: The owner, email: owner@example.com, roles: [owner]}
mail: {from: ops@example.com}
limits: {grace: 2s}
"""


def traced(process: subprocess.Popen[bytes] | None) -> bool:
    if process is None or process.poll() is not None:
        return False
    tasks = Path(f"/proc/{process.pid}/task").glob("*/status")
    return any("TracerPid:\t0\n" not in task.read_text() for task in tasks)


class Disks:
    """Small disks in memory, mounted where a test wants them and unmounted in any case."""

    def __init__(self) -> None:
        self._mounted: list[Path] = []

    def mount(self, place: Path, *options: str, source: Path | None = None) -> None:
        """Mount a tmpfs (or bind `source`) over a folder."""
        what = ["-t", "tmpfs", "tmpfs"] if source is None else ["--bind", str(source)]
        more = ["-o", ",".join(("mode=700", *options))] if source is None else []
        subprocess.run(["mount", *what, *more, str(place)], check=True)
        self._mounted.append(place)

    def remount(self, place: Path, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)

    def unmount(self, place: Path) -> None:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        self._mounted.remove(place)

    def unmount_all(self) -> None:
        for place in reversed(self._mounted[:]):
            self.unmount(place)


@pytest.fixture
def disks() -> Iterator[Disks]:
    """Mount small disks: `disks.mount(folder, "size=1m")`. Mark tests with needs("root")."""
    made = Disks()
    yield made
    made.unmount_all()


class Served:
    """A site with its daemon, the program as it is installed."""

    def __init__(self, root: Path, home: Path, door: Any) -> None:
        self.root, self.state = root, root / "var"
        self._door = door
        self._asking: list[subprocess.Popen[Any]] = []
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
        self._log = home / f"{root.name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the daemon and wait until it is there."""
        self.launch()
        self.until(lambda: " in force" in self.log(), "the daemon starts")

    def launch(self, *, fault: Any = None) -> None:
        """Start the daemon, come what may; with a fault from its first call on."""
        self._trace = self._log.with_suffix(".trace")
        strace = (
            []
            if fault is None
            else ["strace", "-D", "-I", "2", *fault.options, "-e", "signal=none", "-o", str(self._trace)]
        )
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*strace, str(SCRIPT), "serve", "--no-page"],
                cwd=self.root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def begin_fault(self, fault: Any) -> None:
        """Put a fault into the daemon that runs."""
        assert self.process is not None
        self._trace = self._log.with_suffix(".trace")
        said = self._log.with_suffix(".strace")
        with said.open("wb") as told:
            arguments = [*fault.options, "-e", "signal=none", "-o", str(self._trace), "-p", str(self.process.pid)]
            self._asking.append(subprocess.Popen(["strace", *arguments], stderr=told))
        self.until(lambda: "attached" in said.read_text(), "strace is there")

    def end_fault(self) -> list[str]:
        """Take the fault away; return the calls that failed."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        tracer = int(status.partition("TracerPid:")[2].split()[0])
        os.kill(tracer, signal.SIGINT)
        self.until(lambda: not traced(self.process), "strace lets go")
        return self.faults()

    def faults(self) -> list[str]:
        """Return the calls that failed, as far as the trace tells yet."""
        return [line for line in self._trace.read_text(errors="replace").splitlines() if "(INJECTED)" in line]

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def ask(self, *arguments: str) -> Any:
        return self._door.call(self.root, *arguments)

    def ask_in_background(self, *arguments: str) -> None:
        self._asking.append(
            subprocess.Popen(
                [str(SCRIPT), *arguments],
                cwd=self.root,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def end(self) -> None:
        """End whatever still runs."""
        for process in (self.process, *self._asking):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()

    def runs(self) -> list[dict[str, Any]]:
        answer = self.ask("runs", "--json", "--limit", "1000")
        assert answer.code == 0, answer.stderr
        found: list[dict[str, Any]] = json.loads(answer.stdout)
        return found[::-1]

    def until(self, is_so: Callable[[], object], what: str, *, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if is_so():
                return
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {what}\n{self.log()}")

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=40)

    def ended(self, *, seconds: float = 60) -> int:
        """Return the exit code of a daemon that ends by itself."""
        assert self.process is not None
        return self.process.wait(timeout=seconds)


@pytest.fixture
def served(
    make_site: Callable[[Mapping[str, str]], Path], tmp_path: Path, door: Any
) -> Iterator[Callable[..., Served]]:
    """Make a site with these routines; `start()` it then: `served(work="name: …")`."""
    made: list[Served] = []

    def build(site: str = SITE, **routines: str) -> Served:
        files = {f"routines/{name}.yaml": text for name, text in routines.items()}
        made.append(Served(make_site({"opsrunner.yaml": site, **files}), tmp_path, door))
        return made[-1]

    yield build
    for one in made:
        one.end()
