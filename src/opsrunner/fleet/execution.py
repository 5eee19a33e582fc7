"""One local program from its start to its end, bounded in time and memory whatever it does."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed
from opsrunner.fleet.processes import (
    GRACE_SECONDS,
    Ended,
    Process,
    describe_process,
    end_all,
    find_family,
    find_writers,
    pause,
    send_signal,
)
from opsrunner.fleet.starting import Command, start
from opsrunner.fleet.taker import Take
from opsrunner.model.fleet import Stopping
from opsrunner.records import dataclass

LOOK_SECONDS = 0.25
"""Longest time between two looks at the clock and at the word to stop."""
LEFTOVER_SECONDS = 5.0
"""How long what the program left behind may still write, before it is ended."""
READ_BYTES = 65_536
STREAM_BYTES = 1 << 20
"""What the pipe of a stream holds, where the system grants it, and what is read of it at once."""
LAST_READ_SECONDS = 0.2
"""How long what the ended have written is waited for, where somebody still holds the output open."""
REAP_SECONDS = 1.0


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
    alive: tuple[str, ...]
    """Processes that could not be ended, in words."""
    whole: bool
    """The output was read to its end, and its end came by itself."""


class Execution:
    """Runs one Command: hands on its output as it comes, watches the clock and the word to stop.

    The program gets a session of its own, so no terminal to ask at. It is over when the program has
    ended and its output is closed; processes that keep the output open are ended after LEFTOVER_SECONDS.
    Without `take_stderr` both streams come as one, in their order.
    With `streams` the output is what matters: it comes in pieces of up to STREAM_BYTES, and those who hold it open
    are ended only when nothing came for LEFTOVER_SECONDS, or the time is up. The program waits while it is taken.
    """

    def __init__(
        self,
        command: Command,
        *,
        take_stdout: Take,
        take_stderr: Take | None = None,
        clock: Clock,
        stopping: Stopping,
        streams: bool = False,
    ) -> None:
        self._command = command
        self._take_stdout = take_stdout
        self._take_stderr = take_stderr
        self._clock = clock
        self._stopping = stopping
        self._streams = streams
        self._heard_at = 0.0
        self._poll = select.poll()
        self._acts: dict[int, Callable[[], None]] = {}
        self._family: set[Process] = set()
        self._exited = False
        self._given_up = False

    def run(self) -> Ending:
        """Run to the end. Raises StepFailed when the program cannot be started, or not be ended."""
        started = self._clock.monotonic()
        process = start(self._command, apart=self._take_stderr is not None)
        try:
            self._watch(process)
            deadline = started + self._command.timeout_seconds
            stopped = self._wait_for_exit(deadline=deadline)
            ended = self._end(process) if stopped else self._drain(process, deadline=deadline)
            if self._acts:
                self._read_for(LAST_READ_SECONDS)
            is_whole = not stopped and not ended.found and not self._acts
            code = self._reap(process)
        finally:
            self._close(process)
        return Ending(
            exit_code=128 - code if code < 0 else code,
            signal=-code if code < 0 else None,
            seconds=round(self._clock.monotonic() - started, 3),
            stopped=stopped,
            leftovers=0 if stopped else len(ended.found),
            alive=tuple(describe_process(pid) for pid in ended.left),
            whole=is_whole,
        )

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        try:
            pidfd = os.pidfd_open(process.pid)
        except ProcessLookupError:
            self._exited = True
        else:
            self._register(pidfd, partial(self._note_exit, pidfd))
        for stream, take in ((process.stdout, self._take_stdout), (process.stderr, self._take_stderr)):
            if stream is not None and take is not None:
                self._register(stream.fileno(), partial(self._read, stream.fileno(), take))
        if self._streams and process.stdout is not None:
            with suppress(OSError):  # the system bounds what the pipes of one user hold: pipe(7)
                fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, STREAM_BYTES)

    def _register(self, descriptor: int, act: Callable[[], None]) -> None:
        self._poll.register(descriptor, select.POLLIN)
        self._acts[descriptor] = act

    def _unregister(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._acts[descriptor]

    def _wait_for_exit(self, *, deadline: float) -> str:
        while not self._exited:
            remaining = deadline - self._clock.monotonic()
            if self._stopping.is_set():
                return "interrupted"
            if remaining <= 0:
                return "timed_out"
            self._read_for(min(LOOK_SECONDS, remaining))
        return ""

    def _end(self, process: subprocess.Popen[bytes], *, grace_seconds: float = GRACE_SECONDS) -> Ended:
        """End the program with all that came of it."""
        command, pipes = self._command, _inodes(process)

        def find_all() -> list[int]:
            family = find_family(
                process.pid,
                run_token=command.run_token,
                try_mark=command.try_mark,
                account_uid=command.account.uid,
                known=self._family,
            )
            return sorted({*family, *find_writers(pipes)})

        return end_all(find_all, grace_seconds=grace_seconds, wait=self._read_for, group=process.pid)

    def _drain(self, process: subprocess.Popen[bytes], *, deadline: float) -> Ended:
        """Read what is still to come, of a stream until `deadline`; end those that keep it from ending."""
        self._heard_at = self._clock.monotonic()
        patience = self._heard_at + LEFTOVER_SECONDS
        while self._acts and self._clock.monotonic() < patience and not self._stopping.is_set():
            self._read_for(LOOK_SECONDS)
            if self._streams:
                patience = min(self._heard_at + LEFTOVER_SECONDS, deadline)
        if not self._acts:
            return Ended(found=[], left=[])
        ended = end_all(partial(find_writers, _inodes(process)), grace_seconds=GRACE_SECONDS, wait=self._read_for)
        self._read_for(LAST_READ_SECONDS)
        if self._acts:
            send_signal([-process.pid], signal.SIGKILL)  # what hops from child to child is never found in time
        return ended

    def _read_for(self, seconds: float) -> None:
        """Read what comes for `seconds`, or until the program ends."""
        deadline = self._clock.monotonic() + seconds
        had_exited = self._exited
        while self._exited == had_exited:
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0:
                return
            if not self._acts:
                pause(remaining)
                return
            for descriptor, _ in self._poll.poll(remaining * 1000):
                self._acts[descriptor]()
            if not self._acts:
                return

    def _read(self, descriptor: int, take: Take) -> None:
        data = os.read(descriptor, STREAM_BYTES if self._streams else READ_BYTES)
        if data:
            take(data)
            self._heard_at = self._clock.monotonic()
        else:
            self._unregister(descriptor)

    def _note_exit(self, pidfd: int) -> None:
        self._exited = True
        self._unregister(pidfd)
        os.close(pidfd)

    def _reap(self, process: subprocess.Popen[bytes]) -> int:
        """Collect the program and return how it ended, as Popen says it."""
        deadline = self._clock.monotonic() + REAP_SECONDS
        while (code := _collect(process)) is None:
            if self._clock.monotonic() > deadline:
                self._given_up = True
                message = f"could not be ended: {describe_process(process.pid)}"
                raise StepFailed(message, status="unknown", permanent=True)
            pause(0.02)
        return code

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        """Let go of everything; what still runs, because something unforeseen happened, is ended."""
        if process.returncode is None and not self._given_up:
            self._end(process, grace_seconds=0)
            process.poll()
        streams = [stream for stream in (process.stdout, process.stderr) if stream is not None]
        for pidfd in self._acts.keys() - {stream.fileno() for stream in streams}:
            os.close(pidfd)
        self._acts.clear()
        for stream in streams:
            stream.close()


def _collect(process: subprocess.Popen[bytes]) -> int | None:
    """Return how a child ended, None where it has not. Popen itself would take a lost end for a success."""
    try:
        end = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG)
    except ChildProcessError as exc:
        process.returncode = 0
        message = "it ended, and the system did not keep its exit code"
        raise StepFailed(message, status="unknown", permanent=True) from exc
    if end is None:
        return None
    process.returncode = end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
    return process.returncode


def _inodes(process: subprocess.Popen[bytes]) -> frozenset[int]:
    return frozenset(os.fstat(stream.fileno()).st_ino for stream in (process.stdout, process.stderr) if stream)
