"""One command on one open connection: both streams drained, our own clock, a truthful end."""

from __future__ import annotations

import time
from contextlib import suppress

from paramiko import Channel, Transport
from paramiko.ssh_exception import SSHException

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed
from opsrunner.fleet.capture import Capture
from opsrunner.fleet.deadline import Deadline
from opsrunner.fleet.environment import KILL_AFTER_SECONDS, bootstrap, whole_seconds
from opsrunner.fleet.watch import Watch
from opsrunner.model.fleet import HostAnswer, Stopping
from opsrunner.model.outcome import StepStatus
from opsrunner.secrets import Vault

OWN_MARGIN_SECONDS = 2
"""How long after the time limit we tell the host to end the command, where its own `timeout` has not."""
END_SECONDS = KILL_AFTER_SECONDS + 1.5
"""How long the host may take to end it then; with the margin, less than ten seconds after the limit."""
QUIET_SECONDS = 2
"""A command has ended when it has an exit code and its streams are closed, or were quiet this long: a
daemon that it left behind may hold them open for ever."""
SHORTEST_PAUSE_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 0.1
OPEN_SECONDS = 15
CHUNK_BYTES = 1 << 16


class RemoteCommand:
    """Runs one script on a connection that is signed in."""

    def __init__(
        self,
        transport: Transport,
        *,
        host_name: str,
        clock: Clock,
        timeout_seconds: float,
        limit_bytes: int,
        vault: Vault,
    ) -> None:
        self._transport = transport
        self._host_name = host_name
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._limit_seconds = whole_seconds(timeout_seconds)
        self._stdout = Capture(limit_bytes, vault=vault)
        self._stderr = Capture(limit_bytes, vault=vault)
        self._channel: Channel
        self._started = clock.monotonic()
        self._last_heard = self._started

    def run(self, script: bytes, *, stopping: Stopping) -> HostAnswer:
        """Run `script` to its end. Raises StepFailed where the host does not start it."""
        patience = self._timeout_seconds + OWN_MARGIN_SECONDS + END_SECONDS
        with Watch(self._transport, clock=self._clock, patience_seconds=patience):
            self._start(script)
            ended_by_us = self._follow(stopping)
            return self._answer(ended_by_us)

    def _start(self, script: bytes) -> None:
        try:
            self._channel = self._transport.open_session(timeout=min(OPEN_SECONDS, self._limit_seconds))
            self._channel.exec_command(bootstrap(script))
        except (SSHException, EOFError, OSError) as exc:
            raise StepFailed(f"{self._host_name}: the host does not start a command: {exc}") from exc
        with suppress(SSHException, EOFError, OSError):  # cut, or ended early: following it tells which
            self._channel.sendall(script)

    def _follow(self, stopping: Stopping) -> StepStatus | None:
        """Drain until the end. Return how we ended it, None where it ended by itself."""
        patience = Deadline(self._clock, self._timeout_seconds + OWN_MARGIN_SECONDS)
        while not self._drained_to_the_end():
            if stopping.is_set():
                return self._end(StepStatus.INTERRUPTED)
            if patience.passed:
                return self._end(StepStatus.TIMED_OUT)
        return None

    def _end(self, status: StepStatus) -> StepStatus:
        """Ask the host to end the command. Closing the channel would leave it running."""
        with suppress(SSHException, EOFError, OSError):
            self._channel.sendall(b"stop\n")
        patience = Deadline(self._clock, END_SECONDS)
        while not patience.passed:
            if self._drained_to_the_end():
                return status if self._link_holds() else StepStatus.UNKNOWN
        return StepStatus.UNKNOWN

    def _drained_to_the_end(self) -> bool:
        """Take what has come, or wait a little for more; tell whether the command is over."""
        over = self._is_over()
        if self._drain():
            self._last_heard = self._clock.monotonic()
            return False
        if over:
            return True
        silence = self._clock.monotonic() - self._last_heard
        if self._channel.status_event.wait(min(max(silence, SHORTEST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)):
            time.sleep(SHORTEST_PAUSE_SECONDS)
        return False

    def _is_over(self) -> bool:
        channel = self._channel
        if channel.closed:
            return True
        if not channel.exit_status_ready():
            return False
        return bool(channel.eof_received) or self._clock.monotonic() - self._last_heard > QUIET_SECONDS

    def _drain(self) -> bool:
        channel = self._channel
        heard = False
        if channel.recv_ready():
            self._stdout.add(channel.recv(CHUNK_BYTES))
            heard = True
        if channel.recv_stderr_ready():
            self._stderr.add(channel.recv_stderr(CHUNK_BYTES))
            heard = True
        return heard

    def _answer(self, ended_by_us: StepStatus | None) -> HostAnswer:
        seconds = self._clock.monotonic() - self._started
        told = self._channel.exit_status
        exit_code = told if told >= 0 else None
        status = ended_by_us or self._status_of(exit_code, seconds)
        return HostAnswer(
            exit_code=exit_code if status is None else None,
            stdout=self._stdout.content(),
            stderr=self._stderr.content(),
            seconds=seconds,
            truncated=self._stdout.truncated or self._stderr.truncated,
            status=status,
            message=self._message_of(status),
        )

    def _status_of(self, exit_code: int | None, seconds: float) -> StepStatus | None:
        if exit_code is None:
            return StepStatus.FAILED if self._link_holds() else StepStatus.UNKNOWN
        if exit_code in (124, 137) and seconds >= self._limit_seconds - LONGEST_PAUSE_SECONDS:
            return StepStatus.TIMED_OUT  # what timeout(1) answers
        return None

    def _link_holds(self) -> bool:
        """Tell whether the connection outlives its channel; a dying one closes its channels first."""
        self._transport.join(0.5)
        return self._transport.is_active()

    def _message_of(self, status: StepStatus | None) -> str:
        match status:
            case StepStatus.FAILED:
                return "the command was ended by a signal"
            case StepStatus.TIMED_OUT:
                return f"no end within {self._limit_seconds} s; the command was ended"
            case StepStatus.INTERRUPTED:
                return "ended because the run was stopped"
            case StepStatus.UNKNOWN:
                return "no word from the host; the command may still run there"
            case _:
                return ""
