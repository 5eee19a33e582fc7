"""The start of a local program: quick, marked, and every refusal of the system in one line."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections import deque
from pathlib import Path

from opsrunner.children import STARTING
from opsrunner.errors import StepFailed
from opsrunner.fleet.account import Account
from opsrunner.fleet.marks import LimitForChildren, try_limit
from opsrunner.records import dataclass

UMASK = 0o022
LONGEST_FOR_OTHERS_SECONDS = 0.25
"""How long one thread starts the programs of others, while its own runs already."""
TOO_LONG = (
    "Argument list too long: Linux takes 128 kB of one argument or variable, and about 2 MB of all; "
    "hand it over in a file or as stdin"
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """What to start, where, as whom, and for how long at most."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    cwd: Path
    stdin: str = ""
    account: Account
    run_token: str
    try_mark: str
    timeout_seconds: float


@dataclass(eq=False, kw_only=True)
class _Start:
    """A start that is asked for, and what came of it."""

    command: Command
    apart: bool
    stdin: int
    process: subprocess.Popen[bytes] | None = None
    error: Exception | None = None

    def is_answered(self) -> bool:
        return self.process is not None or self.error is not None


_ASKED: deque[_Start] = deque()


def start(command: Command, *, apart: bool) -> subprocess.Popen[bytes]:
    """Start the program in a session of its own; `apart`: standard error gets a pipe of its own.

    As our own user it is started by vfork(2), at the price of a bare Popen whatever our own size. Where many threads
    ask at once, one starts for all: handing the lock from thread to thread takes longer than a start.
    Raises StepFailed with what a shell would say.
    """
    asked = _Start(command=command, apart=apart, stdin=_stdin(command.stdin))
    _ASKED.append(asked)
    try:
        with STARTING:
            if not asked.is_answered():
                _start_all(asked)
    finally:
        if asked.stdin != subprocess.DEVNULL:
            os.close(asked.stdin)
    if asked.process is not None:
        return asked.process
    if isinstance(asked.error, (OSError, ValueError, subprocess.SubprocessError)):
        raise _not_started(command, asked.error) from asked.error
    raise asked.error or AssertionError("a start was asked for, and nobody answered")


def _start_all(own: _Start) -> None:
    """Start what was asked for up to and with `own`, and what came since, for LONGEST_FOR_OTHERS_SECONDS."""
    until = time.monotonic() + LONGEST_FOR_OTHERS_SECONDS
    while _ASKED and not (own.is_answered() and time.monotonic() > until):
        asked = _ASKED.popleft()
        try:
            asked.process = _popen(asked)
        except Exception as exc:  # noqa: BLE001 (it belongs to who asked, and is raised there)
            asked.error = exc


def _popen(asked: _Start) -> subprocess.Popen[bytes]:
    command, account = asked.command, asked.command.account
    with LimitForChildren(try_limit(command.run_token, command.try_mark)):
        return subprocess.Popen(
            command.argv,
            cwd=str(command.cwd),
            env=command.environment,
            stdin=asked.stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if asked.apart else subprocess.STDOUT,
            start_new_session=True,
            umask=UMASK,
            bufsize=0,
            user=account.uid if account.switch else None,
            group=account.gid if account.switch else None,
            extra_groups=account.groups if account.switch else None,
        )


def _not_started(command: Command, error: Exception) -> StepFailed:
    program = command.argv[0]
    reason = getattr(error, "strerror", None) or str(error)
    if getattr(error, "filename", None) == str(command.cwd) and program != str(command.cwd):
        what = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be entered: {reason}"
        return StepFailed(f"the folder {str(command.cwd)!r} {what}", permanent=True)
    if isinstance(error, FileNotFoundError):
        return StepFailed(f"command not found: {program}", permanent=True, facts={"exit_code": 127})
    if isinstance(error, PermissionError):
        return StepFailed(f"cannot be executed: {program}: {reason}", permanent=True, facts={"exit_code": 126})
    if getattr(error, "errno", None) == errno.E2BIG:
        return StepFailed(f"cannot be started: {program}: {TOO_LONG}", permanent=True)
    return StepFailed(f"cannot be started: {program}: {reason}")


def _stdin(text: str) -> int:
    """Return a descriptor that is read to the end of `text`, or subprocess.DEVNULL."""
    if not text:
        return subprocess.DEVNULL
    descriptor = os.memfd_create("stdin")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(text.encode(errors="replace"))  # half a surrogate pair in a row is no reason to stop
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
