"""One command on one open connection: both streams drained, our own clock, a truthful end."""

from __future__ import annotations

import threading
from contextlib import suppress

from paramiko import Channel
from paramiko.ssh_exception import SSHException

from opsrunner.clock import Clock
from opsrunner.errors import StepFailed
from opsrunner.fleet.beginning import Beginning
from opsrunner.fleet.capture import Capture
from opsrunner.fleet.deadline import Deadline
from opsrunner.fleet.environment import CUT_CODE, KILL_AFTER_SECONDS, filler, start_request, whole_seconds
from opsrunner.fleet.taker import NOT_WHOLE, Take
from opsrunner.fleet.transport import LeanTransport
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
PAUSE_SECONDS = 0.1
"""Longest time between two looks at the clock and at the word to stop."""
SEND_SECONDS = 15
"""How long a host may not take what we send it, before the command has begun."""
BEGIN_SECONDS = 15
"""How long a host may take to come to the command before we ask whether it has the whole script."""
ENDED_BY_HOST = (124, 137, 143)
"""The exit codes of what a host has ended at the limit: that of timeout(1), and those of SIGKILL and SIGTERM."""
CHUNK_BYTES = 1 << 16
PIECES = 8
"""After how many pieces of output that came they are taken, where PAUSE_SECONDS are not over before."""
STREAM_BYTES = 1 << 20
STREAM_WINDOW_BYTES = 4 << 20
"""How much of a stream the host may send before it was taken: what we hold of it at the most."""
STREAM_QUIET_SECONDS = 20
"""What QUIET_SECONDS is for a stream: its last bytes may come late, and are missed when nobody waits for them."""


class RemoteCommand:
    """Runs one script on a channel of a connection, and closes the channel."""

    def __init__(
        self,
        transport: LeanTransport,
        channel: Channel,
        *,
        host_name: str,
        clock: Clock,
        timeout_seconds: float,
        limit_bytes: int,
        vault: Vault,
        take: Take | None = None,
    ) -> None:
        """With `take` standard output goes there, all of it, and is not kept; the host waits while it is taken."""
        self._transport = transport
        self._channel = channel
        self._host_name = host_name
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._limit_seconds = whole_seconds(timeout_seconds)
        self._stdout = Capture(limit_bytes, vault=vault)
        self._stderr = Capture(limit_bytes, vault=vault)
        self._streams = take is not None
        self._take = take or self._stdout.add
        self._out = Beginning(self._take_output)
        self._err = Beginning(self._stderr.add)
        self._news = threading.Event() if self._streams else _News(channel)
        self._has_lost = False
        self._started = clock.monotonic()
        self._last_heard = self._started
        self._ended: float | None = None
        self._filler = b""

    def run(self, script: bytes, *, stopping: Stopping) -> HostAnswer:
        """Run `script` to its end. Raises StepFailed where the host does not start it."""
        try:
            self._start(script)
            ended_by_us = self._follow(stopping)
            if ended_by_us is None:
                self._require_begun()
            return self._answer(ended_by_us)
        finally:
            with suppress(SSHException, EOFError, OSError):
                self._channel.close()

    def _start(self, script: bytes) -> None:
        self._channel.in_buffer.set_event(self._news)
        self._channel.in_stderr_buffer.set_event(self._news)
        self._channel.settimeout(min(SEND_SECONDS, self._limit_seconds))
        self._filler = filler(script)
        try:
            self._transport.exec_at_once(self._channel, start_request(script))
            self._send(script)
        except TimeoutError as exc:
            raise StepFailed(f"{self._host_name}: the host does not start a command: it does not take it") from exc
        except (SSHException, EOFError, OSError) as exc:
            raise StepFailed(f"{self._host_name}: the host does not start a command: {exc}") from exc

    def _send(self, script: bytes) -> None:
        try:
            self._channel.sendall(script)
        except TimeoutError:
            raise
        except (SSHException, EOFError, OSError):
            return  # cut, or ended early: following it tells which

    def _require_begun(self) -> None:
        """Raise StepFailed where the host told the end of a command that never began."""
        if self._out.has_begun or not self._link_holds():
            return
        code = self._channel.exit_status
        said = self._out.last_line_before() or self._err.last_line_before()
        ended = f"its login shell ended with exit code {code}" if code >= 0 else "it refuses commands"
        if code == CUT_CODE:
            ended = "a startup file of the account reads it away; none may read from standard input"
        why = f"{ended}{f' and said: {said}' if said else ''}"
        raise StepFailed(f"{self._host_name}: the host does not start a command: {why}")

    def _follow(self, stopping: Stopping) -> StepStatus | None:
        """Drain until the end. Return how we ended it, None where it ended by itself."""
        patience = Deadline(self._clock, self._timeout_seconds + OWN_MARGIN_SECONDS)
        beginning = Deadline(self._clock, BEGIN_SECONDS)
        while not self._drained_to_the_end():
            if beginning.passed and not self._out.has_begun:
                self._fill_up()
                beginning = Deadline(self._clock, BEGIN_SECONDS)
            if stopping.is_set():
                return self._end(StepStatus.INTERRUPTED)
            if patience.passed:
                return self._end(StepStatus.TIMED_OUT)
        return None

    def _end(self, status: StepStatus) -> StepStatus:
        """Ask the host to end the command. Closing the channel would leave it running."""
        if self._streams:
            self._take = _let_go  # it is cut short; taking more of it would only use up the patience
        had_begun = self._out.has_begun
        self._say_stop()
        patience = Deadline(self._clock, END_SECONDS)
        while not patience.passed:
            if self._drained_to_the_end():
                return status if self._link_holds() else StepStatus.UNKNOWN
            if self._out.has_begun and not had_begun:  # its shell may have read the word away with the script
                had_begun = True
                self._say_stop()
        return StepStatus.UNKNOWN

    def _fill_up(self) -> None:
        """See to it that a shell that waits for the rest of the script waits no longer; never wait for the host."""
        with suppress(SSHException, EOFError, OSError):
            if self._channel.send_ready():
                self._channel.send(self._filler)

    def _say_stop(self) -> None:
        if not self._out.has_begun:
            self._fill_up()
        with suppress(SSHException, EOFError, OSError):
            self._channel.sendall(b"stop\n")

    def _take_output(self, piece: bytes) -> None:
        self._take(piece)

    def _drained_to_the_end(self) -> bool:
        """Take what has come, or wait a little for more; tell whether the command is over."""
        over = self._is_over()
        if self._drain():
            self._last_heard = self._clock.monotonic()
            return False
        if over:
            return True
        news = self._channel.status_event if self._channel.eof_received else self._news
        news.wait(PAUSE_SECONDS)
        return False

    def _is_over(self) -> bool:
        channel = self._channel
        if channel.closed:
            return True
        if not channel.exit_status_ready():
            return False
        if self._ended is None:
            self._ended = self._clock.monotonic()
        quiet_seconds = STREAM_QUIET_SECONDS if self._streams else QUIET_SECONDS
        return bool(channel.eof_received) or self._clock.monotonic() - self._last_heard > quiet_seconds

    def _drain(self) -> bool:
        channel = self._channel
        heard = False
        if channel.recv_ready():
            try:
                piece = channel.recv(STREAM_BYTES if self._streams else CHUNK_BYTES)
            except (SSHException, EOFError, OSError):  # it took the piece, and the host can be told of no room for more
                piece, self._has_lost = b"", True
            self._out.add(piece)
            heard = True
        if channel.recv_stderr_ready():
            self._err.add(channel.recv_stderr(CHUNK_BYTES))
            heard = True
        return heard

    def _answer(self, ended_by_us: StepStatus | None) -> HostAnswer:
        if self._out.has_begun:  # a command of the host's own, to which our key is bound, may mark its output alone
            self._err.give_up()
        seconds = self._clock.monotonic() - self._started
        told = self._channel.exit_status
        exit_code = told if told >= 0 else None
        status = ended_by_us or self._status_of(exit_code, (self._ended or self._clock.monotonic()) - self._started)
        is_cut = status is StepStatus.UNKNOWN and ended_by_us is None and exit_code is not None
        return HostAnswer(
            exit_code=exit_code if status is None else None,
            stdout=self._stdout.content(),
            stderr=self._stderr.content(),
            seconds=seconds,
            truncated=self._stdout.truncated or self._stderr.truncated,
            status=status,
            message=NOT_WHOLE if is_cut else self._message_of(status),
        )

    def _status_of(self, exit_code: int | None, ran_seconds: float) -> StepStatus | None:
        was_late = ran_seconds >= self._limit_seconds - PAUSE_SECONDS
        if exit_code is None:
            if not self._link_holds():
                return StepStatus.UNKNOWN
            return StepStatus.TIMED_OUT if was_late else StepStatus.FAILED
        if was_late and (exit_code in ENDED_BY_HOST or ran_seconds >= self._limit_seconds):
            return StepStatus.TIMED_OUT  # told to end, a command may end in any way
        return None if self._is_whole() else StepStatus.UNKNOWN

    def _is_whole(self) -> bool:
        """Tell whether nothing of a stream can be missing: it ended, or the host closed the channel after it."""
        if self._has_lost:
            return False
        if not self._streams or self._channel.eof_received:
            return True
        return self._channel.closed and self._link_holds()

    def _link_holds(self) -> bool:
        """Tell whether the connection outlives its channel; a dying one closes its channels first."""
        self._transport.join(0.5)
        return self._transport.is_active()

    def _message_of(self, status: StepStatus | None) -> str:
        match status:
            case StepStatus.FAILED:
                return "the command was ended by a signal"
            case StepStatus.TIMED_OUT:
                what = "the command was ended" if self._out.has_begun else "its login shell never came to the command"
                return f"no end within {self._limit_seconds} s; {what}"
            case StepStatus.INTERRUPTED:
                return "ended because the run was stopped"
            case StepStatus.UNKNOWN:
                return "no word from the host; the command may still run there"
            case _:
                return ""


class _News(threading.Event):
    """Is set when a command has said much, or all: who takes what it says is not woken for every few bytes."""

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self._channel = channel
        self._pieces = 0

    def set(self) -> None:
        """Note that a piece has come (of 32 kB at the most), or the end."""
        self._pieces += 1
        channel = self._channel
        is_over = channel.closed or (channel.eof_received and channel.exit_status_ready())
        if is_over or self._pieces % PIECES == 0:
            super().set()


def _let_go(_: bytes) -> None:
    """Take a piece that nobody needs any more."""
