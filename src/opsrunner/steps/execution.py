"""One local program from its start to its end, bounded in time and memory whatever it does."""

from __future__ import annotations

import os
import selectors
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed
from opsrunner.steps.base import Stopping
from opsrunner.steps.environment import Account
from opsrunner.steps.output import OutputSink
from opsrunner.steps.processes import GRACE_SECONDS, Process, end_all, find_family, find_writers
from opsrunner.steps.rows import ROWS_LIMIT_BYTES

LOOK_SECONDS = 0.25
"""Longest time between two looks at the clock and at the word to stop."""
LEFTOVER_SECONDS = 5.0
"""How long what the program left behind may still write, before it is ended."""
READ_BYTES = 65_536
LAST_READ_SECONDS = 0.2
UMASK = 0o022


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to start, where, as whom, and for how long at most."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    cwd: Path
    stdin: str
    account: Account
    try_mark: str
    timeout_seconds: float
    keep_stdout: bool
    """Standard output is wanted for rows; it then comes apart from standard error."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How it ended. `stopped` tells that we ended it: `timed_out` or `interrupted`."""

    exit_code: int
    """As a shell says it: 128 + the signal for what a signal ended."""
    signal: int | None
    seconds: float
    stopped: str
    leftovers: int
    """Processes that were left behind, held the output open and were ended."""
    stdout: bytes


class Execution:
    """Runs one Command: reads its output into a sink, watches the clock and the word to stop.

    The program gets a session of its own, so no terminal to ask at. It is over when the program has
    ended and its output is closed; processes that keep the output open are ended after LEFTOVER_SECONDS.
    """

    def __init__(self, command: Command, *, sink: OutputSink, clock: Clock, stopping: Stopping) -> None:
        self._command = command
        self._sink = sink
        self._clock = clock
        self._stopping = stopping
        self._selector = selectors.DefaultSelector()
        self._stdout = bytearray()
        self._family: set[Process] = set()
        self._inodes: frozenset[int] = frozenset()
        self._exited = False

    def run(self) -> Ending:
        """Run to the end. Raises StepFailed when the program cannot be started."""
        started = self._clock.monotonic()
        process = _start(self._command)
        pidfd = os.pidfd_open(process.pid)
        self._selector.register(pidfd, selectors.EVENT_READ, self._note_exit)
        self._watch_pipes(process)
        leftovers = 0
        try:
            stopped = self._wait_for_exit(deadline=started + self._command.timeout_seconds)
            if stopped:
                end_all(partial(self._find_all, process.pid), grace_seconds=GRACE_SECONDS, wait=self._read_for)
            else:
                leftovers = self._drain()
            self._read_for(LAST_READ_SECONDS)
            code = _reap(process)
        finally:
            self._close(process, pidfd)
        return Ending(
            exit_code=128 - code if code < 0 else code,
            signal=-code if code < 0 else None,
            seconds=round(self._clock.monotonic() - started, 3),
            stopped=stopped,
            leftovers=leftovers,
            stdout=bytes(self._stdout),
        )

    def _watch_pipes(self, process: subprocess.Popen[bytes]) -> None:
        inodes = set()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                inodes.add(os.fstat(stream.fileno()).st_ino)
                is_rows = self._command.keep_stdout and stream is process.stdout
                self._selector.register(stream, selectors.EVENT_READ, partial(self._read, stream, is_rows))
        self._inodes = frozenset(inodes)

    def _wait_for_exit(self, *, deadline: float) -> str:
        while not self._exited:
            remaining = deadline - self._clock.monotonic()
            if self._stopping.is_set():
                return "interrupted"
            if remaining <= 0:
                return "timed_out"
            self._read_for(min(LOOK_SECONDS, remaining))
        return ""

    def _drain(self) -> int:
        """Read what is still to come; return how many processes had to be ended for it to end."""
        deadline = self._clock.monotonic() + LEFTOVER_SECONDS
        while self._has_pipes() and self._clock.monotonic() < deadline and not self._stopping.is_set():
            self._read_for(LOOK_SECONDS)
        if not self._has_pipes():
            return 0
        ended = end_all(partial(find_writers, self._inodes), grace_seconds=GRACE_SECONDS, wait=self._read_for)
        return len(ended)

    def _find_all(self, leader: int) -> list[int]:
        family = find_family(leader, try_mark=self._command.try_mark, known=self._family)
        return sorted({*family, *find_writers(self._inodes)})

    def _has_pipes(self) -> bool:
        return bool(self._selector.get_map()) and any(
            key.data is not self._note_exit for key in self._selector.get_map().values()
        )

    def _read_for(self, seconds: float) -> None:
        """Read what comes for `seconds`, or until the program ends or all is closed."""
        deadline = self._clock.monotonic() + seconds
        had_exited = self._exited
        while self._selector.get_map() and self._exited == had_exited:
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0:
                return
            for key, _ in self._selector.select(remaining):
                act: Callable[[], None] = key.data
                act()

    def _read(self, stream: IO[bytes], is_rows: bool) -> None:
        data = os.read(stream.fileno(), READ_BYTES)
        if not data:
            self._selector.unregister(stream)
            return
        self._sink.write(data)
        if is_rows and len(self._stdout) <= ROWS_LIMIT_BYTES:
            self._stdout += data

    def _note_exit(self) -> None:
        self._exited = True
        for key in list(self._selector.get_map().values()):
            if key.data == self._note_exit:
                self._selector.unregister(key.fileobj)

    def _close(self, process: subprocess.Popen[bytes], pidfd: int) -> None:
        """Let go of everything; what still runs, because something unforeseen happened, is ended."""
        self._selector.close()
        if process.poll() is None:
            end_all(partial(self._find_all, process.pid), grace_seconds=0)
            process.poll()
        os.close(pidfd)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _start(command: Command) -> subprocess.Popen[bytes]:
    account = command.account
    stdin = _stdin(command.stdin)
    try:
        return subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env=command.environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if command.keep_stdout else subprocess.STDOUT,
            start_new_session=True,
            umask=UMASK,
            bufsize=0,
            user=account.uid if account.switch else None,
            group=account.gid if account.switch else None,
            extra_groups=account.groups if account.switch else None,
        )
    except FileNotFoundError as exc:
        raise StepFailed(f"command not found: {command.argv[0]}", permanent=True, facts={"exit_code": 127}) from exc
    except PermissionError as exc:
        raise StepFailed(
            f"cannot be executed: {command.argv[0]}: {exc.strerror}", permanent=True, facts={"exit_code": 126}
        ) from exc
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        raise StepFailed(f"cannot be started: {command.argv[0]}: {_reason(exc)}") from exc
    finally:
        os.close(stdin)


def _stdin(text: str) -> int:
    if not text:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    descriptor = os.memfd_create("stdin")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(text.encode(errors="replace"))  # half a surrogate pair in a row is no reason to stop
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _reap(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(timeout=2)
    except subprocess.TimeoutExpired as exc:
        raise StepFailed(
            f"process {process.pid} could not be ended; the kernel holds it", status="unknown", permanent=True
        ) from exc


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
