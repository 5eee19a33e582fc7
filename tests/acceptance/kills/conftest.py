"""A site whose daemon is killed and started again, and what is seen of it from outside."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(sys.executable).with_name("opsrunner")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
HOUR = 3600
MOST_OFF_HOURS = 12
"""By more than a day since the last pass the clock would be in doubt, and for ten minutes nothing would be planned."""
IN_FLIGHT = "SELECT run, id, started_at FROM steps WHERE finished_at IS NULL AND kind <> 'task'"
Marked = tuple[int, bytes]
"""A process: its id, and the ticks at which it began."""

SITE = """\
site: Example Hosting
timezone: UTC
people:
  boss: {{name: The owner, email: owner@example.com, roles: [owner]}}
mail: {{from: ops@example.com, smtp: {{host: 127.0.0.1, port: {port}, security: none}}}}
digest: {{daily: "07:00", weekly: mon 07:00, to: [owner]}}
limits: {{grace: 1s}}
"""
COUNT = """\
    run: |
      echo "$OPS_RUN_ID $OPS_STEP $OPS_TRY" >> "$COUNTER"
      sync "$COUNTER"
      exec sleep 0.08
    env: {COUNTER: "COUNTER_FILE"}
"""
MAIL = '  - email: {to: owner, subject: "Report {{ run.id }}", body: "All is well."}\n    once: "report {{ run.id }}"\n'


def routine(name: str, words: str, *steps: str) -> str:
    return f"name: {name}\naccountable: owner\nschedule: {{every: {words}\nsteps:\n{''.join(steps)}"


def counted(step: str, *, again: bool) -> str:
    return f"  - id: {step}\n{COUNT}" + ("    after_crash: rerun\n" if again else "")


ONE, TWO = (counted(step, again=False) for step in ("one", "two"))
ONE_AGAIN, TWO_AGAIN, THREE_AGAIN = (counted(step, again=True) for step in ("one", "two", "three"))
ROUTINES = {
    "again": routine("Again", "1h}\ncatch_up: all", ONE_AGAIN, TWO_AGAIN, THREE_AGAIN),
    "asks": routine("Asks", "1h}\ncatch_up: all", ONE, TWO),
    "mails": routine("Mails", "2h}\ncatch_up: latest", ONE_AGAIN, MAIL, TWO),
    "people": routine("People", "3h}\ncatch_up: all", ONE, "  - task: Look at it\n", TWO_AGAIN),
    "waits": routine("Waits", "6h}\noverlap: queue", ONE_AGAIN, "  - task: Sign\n    wait: true\n", TWO),
    "skips": routine("Skips", "1h}\ncatch_up: skip", ONE),
}


@dataclass
class Seen:
    """What kills were seen to cut off, over the whole loop."""

    cut: set[tuple[int, str, str]] = field(default_factory=set)
    """Each step of each run that was in flight when the daemon died, with the moment at which it had begun."""
    alive: set[tuple[int, str]] = field(default_factory=set)
    """Each step of each run of which a process lived when the daemon died."""
    final: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    """How each run that had ended stood then: it must stand so for ever."""
    slowest_seconds: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)


class House:
    """A site whose daemon lives and dies, on a clock that is ahead of ours."""

    def __init__(self, root: Path, home: Path, dice: random.Random, postbox: Any) -> None:
        self.root, self.home, self.dice, self.postbox = root, home, dice, postbox
        self.ledger, self.counter = root / "var/ledger.db", home / f"counted-{root.name}"
        self.ahead_seconds = 0.0
        self.planned_at = time.time()
        self.orphans: set[Marked] = set()
        self.cut_off: set[tuple[int, str, str]] = set()
        self.seen = Seen()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, hours: float, killed_at_sync: int = 0) -> None:
        """Start the daemon with its clock some hours further, a moment before a full hour."""
        now = time.time() + self.ahead_seconds
        further = hours * HOUR if now < self.planned_at + MOST_OFF_HOURS * HOUR else 0.0
        self.ahead_seconds += further - (now + further) % -HOUR - self.dice.uniform(0.6, 1.6)
        own_clock = {"LD_PRELOAD": FAKETIME, "FAKETIME": f"+{self.ahead_seconds:.3f}", "DONT_FAKE_MONOTONIC": "1"}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}
        command = [str(SCRIPT), "serve", "--no-page"]
        if killed_at_sync:  # strace itself lives on our clock, and is no parent of the daemon
            command = [*strace(killed_at_sync), *(f"-E{name}={value}" for name, value in own_clock.items()), *command]
        else:
            environment |= own_clock
        with (self.root / "serve.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.root, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def log(self) -> str:
        return (self.root / "serve.log").read_text(encoding="utf-8")

    def is_up(self) -> bool:
        return " in force" in self.log()

    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self, kind: str) -> None:
        """Kill the daemon (if that has not happened already) and look at what it leaves."""
        assert self.process is not None
        assert self.process.poll() in (None, -signal.SIGKILL), self.log()
        self.process.kill()
        self.process.wait()
        forget_clock(self.process.pid)
        self.seen.kills[kind] += 1
        left = self.processes()
        self.orphans |= left.keys()
        self.seen.alive |= set(left.values())
        self.look()

    def look(self) -> None:
        """Read the dead daemon's ledger, from a copy: looking must not recover it."""
        if not self.ledger.exists():
            return
        copy = self.home / f"copy-{self.root.name}.db"
        shutil.copyfile(self.ledger, copy)
        journal = self.ledger.with_name("ledger.db-journal")
        if journal.exists():
            shutil.copyfile(journal, copy.with_name(f"{copy.name}-journal"))
        with Reader(copy) as books:
            if not books.all("SELECT 1 FROM sqlite_master LIMIT 1"):
                return
            assert books.all("PRAGMA integrity_check") == [("ok",)]
            for (planned,) in books.all("SELECT value FROM meta WHERE name = 'planned_at'"):
                self.planned_at = datetime.fromisoformat(planned).timestamp()
            self.cut_off = set(books.all(IN_FLIGHT))
            self.seen.cut |= self.cut_off
            for run, *how in books.all(
                "SELECT id, status, reason, finished_at FROM runs WHERE finished_at IS NOT NULL"
            ):
                assert self.seen.final.setdefault(run, tuple(how)) == tuple(how), f"run {run} had ended"

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the ledger itself; only while a daemon has it open, or after it has closed it."""
        with Reader(self.ledger) as books:
            return books.all(sql)

    def processes(self) -> dict[Marked, tuple[int, str]]:
        """Return what runs for this site's steps: each process with its run and step."""
        found: dict[Marked, tuple[int, str]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                lines = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            words = dict(line.split("=", 1) for line in lines if line.startswith("OPS_") and "=" in line)
            if words.get("OPS_SITE") == str(self.root):
                pid = int(folder.name)
                if began := began_at(pid):  # it may have ended since
                    found[pid, began] = (int(words["OPS_RUN_ID"]), words["OPS_STEP"])
        return found

    def is_accounted(self) -> bool:
        """Tell whether nothing of the dead daemon is left: no process, and no step that is still as it left it."""
        self.orphans = {orphan for orphan in self.orphans if began_at(orphan[0]) == orphan[1]}
        return not self.orphans and not self.cut_off & set(self.ask(IN_FLIGHT))

    def until(
        self, is_so: Callable[[], object], what: str, *, seconds: float, left: Callable[[], object] = tuple
    ) -> float:
        """Wait, and return how long it took since the daemon's start; `left` says what it still waits for."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            if is_so():
                return time.monotonic() - began
            assert self.lives(), self.log()
            time.sleep(0.05)
        lost = [(*orphan, _command_of(orphan[0])) for orphan in self.orphans]
        still = self.cut_off & set(self.ask(IN_FLIGHT))
        raise AssertionError(
            f"not within {seconds} s: {what}\nleft: {left()}\nlost: {lost}\nin flight: {still}\n{self.log()}"
        )


def _command_of(pid: int) -> str:
    """Return what a process is, in what state, and whose child."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return f"{words} {Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2][:20]}"
    except OSError:
        return "gone"


def began_at(pid: int) -> bytes:
    """Return the ticks at which a living process began, b'' where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return b""
    return b"" if fields[0] == b"Z" else fields[19]


def forget_clock(pid: int) -> None:
    """Remove what libfaketime leaves of a killed process: the next one with its number could not start."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        Path("/dev/shm", name).unlink(missing_ok=True)


def strace(number: int) -> list[str]:
    """Return the words before a command that has one of its threads killed at its sync of that number."""
    inject = f"inject=fsync,fdatasync:signal=SIGKILL:when={number}"
    return [
        "strace",
        "-D",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        inject,
    ]


class Reader:
    """A short look into a ledger."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, timeout=10)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()


@pytest.fixture
def killed_house(
    make_site: Callable[[Mapping[str, str]], Path], tmp_path: Path, open_postbox: Callable[[], Any]
) -> Iterator[Callable[[random.Random], House]]:
    """Make a house that counts what its steps do; whatever is left of it is ended."""
    made: list[House] = []

    def build(dice: random.Random) -> House:
        postbox = open_postbox()
        files = {f"routines/{name}.yaml": text for name, text in ROUTINES.items()}
        root = make_site({"opsrunner.yaml": SITE.format(port=postbox.port), **files})
        house = House(root, tmp_path, dice, postbox)
        for path in (root / "routines").iterdir():
            path.write_text(path.read_text().replace("COUNTER_FILE", str(house.counter)))
        made.append(house)
        return house

    yield build
    for house in made:
        if house.lives() and house.process is not None:
            house.process.kill()
            house.process.wait()
            forget_clock(house.process.pid)
        for pid, _ in house.processes():
            os.kill(pid, signal.SIGKILL)
