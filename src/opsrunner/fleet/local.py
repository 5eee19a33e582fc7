"""The host `local`: the same contract as over SSH, without SSH."""

from __future__ import annotations

import os
import pwd
import selectors
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed
from opsrunner.fleet.capture import Capture
from opsrunner.fleet.deadline import Deadline
from opsrunner.fleet.environment import KILL_AFTER_SECONDS, check_environment
from opsrunner.model.fleet import HostAnswer, Stopping
from opsrunner.model.outcome import StepStatus
from opsrunner.secrets import Vault

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
POLL_SECONDS = 0.1
QUIET_SECONDS = 2
CHUNK_BYTES = 1 << 16
RUN_TOKEN = "OPS_RUN_TOKEN"  # noqa: S105  the name of a variable that marks the processes of a run


def run_here(
    command: str,
    *,
    env: Mapping[str, str],
    timeout_seconds: float,
    stopping: Stopping,
    clock: Clock,
    limit_bytes: int,
    vault: Vault,
) -> HostAnswer:
    """Run `command` through a shell of this machine, in a process group of its own."""
    check_environment(env)
    shell = ["bash", "-o", "pipefail", "-c"] if shutil.which("bash") else ["sh", "-c"]
    try:
        process = subprocess.Popen(
            [*shell, command],
            env={**_login_environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as exc:
        raise StepFailed(f"local: the command does not start: {exc.strerror}") from exc
    captures = Capture(limit_bytes, vault=vault), Capture(limit_bytes, vault=vault)
    running = _LocalCommand(process, clock=clock, captures=captures, run_token=env.get(RUN_TOKEN, ""))
    return running.follow(timeout_seconds, stopping)


class _LocalCommand:
    def __init__(
        self, process: subprocess.Popen[bytes], *, clock: Clock, captures: tuple[Capture, Capture], run_token: str
    ) -> None:
        self._process = process
        self._run_token = run_token
        self._clock = clock
        self._started = self._last_heard = clock.monotonic()
        self._streams = selectors.DefaultSelector()
        self._stdout, self._stderr = captures
        self._follow_stream(process.stdout, self._stdout)
        self._follow_stream(process.stderr, self._stderr)

    def follow(self, timeout_seconds: float, stopping: Stopping) -> HostAnswer:
        deadline = Deadline(self._clock, timeout_seconds)
        try:
            while not self._drained_to_the_end():
                if stopping.is_set():
                    return self._end(StepStatus.INTERRUPTED, "ended because the run was stopped")
                if deadline.passed:
                    message = f"no end within {timeout_seconds:g} s; the command was ended"
                    return self._end(StepStatus.TIMED_OUT, message)
            return self._answer()
        finally:
            self._streams.close()
            for stream in (self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()

    def _follow_stream(self, stream: IO[bytes] | None, capture: Capture) -> None:
        assert stream is not None  # noqa: S101  Popen made both pipes
        self._streams.register(stream, selectors.EVENT_READ, capture)

    def _drained_to_the_end(self) -> bool:
        """Take what has come, or wait a little for more; tell whether the command is over."""
        if not self._streams.get_map():
            return self._exited(POLL_SECONDS)
        quiet_seconds = self._clock.monotonic() - self._last_heard
        ready = self._streams.select(POLL_SECONDS)
        for key, _ in ready:
            self._take(key)
        return not ready and quiet_seconds > QUIET_SECONDS and self._process.poll() is not None

    def _take(self, key: selectors.SelectorKey) -> None:
        chunk = os.read(key.fd, CHUNK_BYTES)
        if not chunk:
            self._streams.unregister(key.fileobj)
            return
        self._last_heard = self._clock.monotonic()
        key.data.add(chunk)

    def _exited(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _end(self, status: StepStatus, message: str) -> HostAnswer:
        """End the process group and whatever left it, politely first."""
        for number, seconds in ((signal.SIGTERM, KILL_AFTER_SECONDS), (signal.SIGKILL, 1)):
            self._signal(number)
            patience = Deadline(self._clock, seconds)
            while not patience.passed and not self._drained_to_the_end():
                pass
        return self._answer(status, message)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
        for stray in _processes_marked(self._run_token):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(stray, number)

    def _answer(self, status: StepStatus | None = None, message: str = "") -> HostAnswer:
        code = self._process.returncode
        if code is not None and code < 0:
            code = 128 - code  # as shells tell that a signal ended it
        return HostAnswer(
            exit_code=code if status is None else None,
            stdout=self._stdout.content(),
            stderr=self._stderr.content(),
            seconds=self._clock.monotonic() - self._started,
            truncated=self._stdout.truncated or self._stderr.truncated,
            status=status,
            message=message,
        )


def _login_environment() -> dict[str, str]:
    """Return what a login would give; nothing of our own environment is passed on."""
    try:
        entry = pwd.getpwuid(os.geteuid())
        name, home = entry.pw_name, entry.pw_dir
    except KeyError:
        name, home = str(os.geteuid()), "/"
    return {"PATH": PATH, "HOME": home, "USER": name, "LOGNAME": name, "LANG": "C.UTF-8"}


def _processes_marked(run_token: str) -> list[int]:
    """Return the processes that carry the run's token, wherever they went."""
    if not run_token:
        return []
    mark = f"{RUN_TOKEN}={run_token}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
