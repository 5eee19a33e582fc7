"""A disk that fails on the n-th call: strace puts the error in, on the program as it is installed."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

LONGEST_CALL_SECONDS = 60

# A call of the program without the half second that its imports take: they are done once, each call is a fork.
DOOR = """
import importlib, json, os, signal, sys
import opsrunner.app, opsrunner.cli.log_lines
from opsrunner.cli.main import call
from opsrunner.cli.verbs import VERBS
for verb in VERBS.values():
    importlib.import_module("opsrunner.cli." + verb.place.partition(":")[0])
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(asked["folder"])
        for number, name in ((0, "/dev/null"), (1, asked["stdout"]), (2, asked["stderr"])):
            opened = os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(opened, number)
            os.close(opened)
        os.kill(os.getpid(), signal.SIGSTOP)
        sys.argv = ["opsrunner", *asked["arguments"]]
        code = 99
        try:
            code = call(asked["arguments"])
        finally:
            os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Fault:
    """`error` on the `when`-th of `calls`, counted in each thread; `5+` means from the fifth on."""

    calls: str
    error: str
    when: str

    @property
    def options(self) -> list[str]:
        return ["-f", "-e", f"trace={self.calls}", "-e", f"inject={self.calls}:error={self.error}:when={self.when}"]


@dataclass(frozen=True)
class Answer:
    """What one call came to; `faults` are the calls of the kernel that failed."""

    code: int
    stdout: str
    stderr: str
    faults: list[str] = field(default_factory=list)


class Door:
    """Calls of the program, each in a process of its own, with or without a fault."""

    def __init__(self, notes: Path) -> None:
        self._notes = notes
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(notes),
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", DOOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def call(self, site: Path, *arguments: str, fault: Fault | None = None) -> Answer:
        stdout, stderr = self._notes / "stdout", self._notes / "stderr"
        asked = {"folder": str(site), "arguments": arguments, "stdout": str(stdout), "stderr": str(stderr)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        child = self._number()
        wait_until_stopped(child)
        strace = None if fault is None else Strace(child, fault, notes=self._notes)
        guard = threading.Timer(LONGEST_CALL_SECONDS, os.kill, (child, signal.SIGKILL))
        guard.start()
        os.kill(child, signal.SIGCONT)
        code = self._number()
        guard.cancel()
        faults = [] if strace is None else strace.end()
        return Answer(code=code, stdout=stdout.read_text(), stderr=stderr.read_text(), faults=faults)

    def close(self) -> None:
        self._process.communicate(timeout=30)

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


class Strace:
    """A fault in a process that runs, from now on."""

    def __init__(self, process: int, fault: Fault, *, notes: Path) -> None:
        self._trace = notes / f"trace-{process}"
        self._strace = subprocess.Popen(
            ["strace", *fault.options, "-e", "signal=none", "-o", str(self._trace), "-p", str(process)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._strace.stderr is not None
        said = self._strace.stderr.readline()
        assert "attached" in said, said

    def faults(self) -> list[str]:
        """Return the calls that failed until now."""
        return [line for line in self._trace.read_text(errors="replace").splitlines() if "(INJECTED)" in line]

    def end(self) -> list[str]:
        """Take the fault away; return the calls that failed."""
        if self._strace.poll() is None:
            self._strace.send_signal(signal.SIGINT)
        self._strace.communicate(timeout=30)
        return self.faults()


def wait_until_stopped(process: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Call the program with a fault: `door.call(site, "tasks", fault=Fault(WRITES, "EIO", "3"))`."""
    opened = Door(tmp_path_factory.mktemp("door"))
    yield opened
    opened.close()


@pytest.fixture
def fault_of() -> Callable[..., Fault]:
    """Make a fault: `fault_of("fsync,fdatasync", "EIO", 3)` fails the third of them."""
    return lambda calls, error, when: Fault(calls, error, str(when))


@pytest.fixture
def rows() -> Callable[..., list[Any]]:
    """Read a site's ledger past the program: `rows(site, "SELECT …")`; it is intact, else the test fails."""

    def read(site: Path, sql: str) -> list[Any]:
        with closing(sqlite3.connect(site / "var" / "ledger.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return connection.execute(sql).fetchall()

    return read
