"""The start of a local program: quick, marked, and every refusal of the system in one line."""

from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from opsrunner.errors import StepFailed
from opsrunner.fleet.account import Account
from opsrunner.fleet.marks import LimitForChildren, try_limit

UMASK = 0o022
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


def start(command: Command, *, apart: bool) -> subprocess.Popen[bytes]:
    """Start the program in a session of its own; `apart`: standard error gets a pipe of its own.

    As our own user it is started by vfork(2), at the price of a bare Popen whatever our own size.
    Raises StepFailed with what a shell would say.
    """
    account = command.account
    stdin = _stdin(command.stdin)
    try:
        with LimitForChildren(try_limit(command.run_token, command.try_mark)):
            return subprocess.Popen(
                command.argv,
                cwd=str(command.cwd),
                env=command.environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if apart else subprocess.STDOUT,
                start_new_session=True,
                umask=UMASK,
                bufsize=0,
                user=account.uid if account.switch else None,
                group=account.gid if account.switch else None,
                extra_groups=account.groups if account.switch else None,
            )
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        raise _not_started(command, exc) from exc
    finally:
        os.close(stdin)


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
    if not text:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    descriptor = os.memfd_create("stdin")
    with os.fdopen(os.dup(descriptor), "wb") as file:
        file.write(text.encode(errors="replace"))  # half a surrogate pair in a row is no reason to stop
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
