"""The host `local`: the same contract as over SSH, without SSH."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from opsrunner.clock import Clock
from opsrunner.fleet.account import SHELL, login_environment, own_account
from opsrunner.fleet.capture import Capture
from opsrunner.fleet.environment import check_environment
from opsrunner.fleet.execution import Ending, Execution
from opsrunner.fleet.marks import RUN_MARK, TRY_MARK
from opsrunner.fleet.starting import Command
from opsrunner.fleet.taker import NOT_WHOLE, Take
from opsrunner.model.fleet import HostAnswer, Stopping
from opsrunner.model.outcome import StepStatus
from opsrunner.secrets import Vault


def run_here(
    command: str,
    *,
    env: Mapping[str, str],
    timeout_seconds: float,
    stopping: Stopping,
    clock: Clock,
    limit_bytes: int,
    vault: Vault,
    take: Take | None = None,
) -> HostAnswer:
    """Run `command` through a shell of this machine, as a login of our own user would.

    With `take` its standard output goes there, and is not kept.
    """
    check_environment(env)
    account = own_account(os.geteuid())
    try_mark = os.urandom(16).hex()
    stdout, stderr = Capture(limit_bytes, vault=vault), Capture(limit_bytes, vault=vault)
    shell_command = Command(
        argv=(SHELL, "-o", "pipefail", "-c", command),
        environment={**login_environment(account), **env, TRY_MARK: try_mark},
        cwd=Path(account.home if Path(account.home).is_dir() else "/"),
        account=account,
        run_token=env.get(RUN_MARK, ""),
        try_mark=try_mark,
        timeout_seconds=timeout_seconds,
    )
    execution = Execution(
        shell_command,
        take_stdout=take or stdout.add,
        take_stderr=stderr.add,
        clock=clock,
        stopping=stopping,
        streams=take is not None,
    )
    ending = execution.run()
    status, message = _judge(ending, timeout_seconds, whole=ending.whole or take is None)
    return HostAnswer(
        exit_code=ending.exit_code if status is None else None,
        stdout=stdout.content(),
        stderr=stderr.content(),
        seconds=ending.seconds,
        truncated=stdout.truncated or stderr.truncated,
        status=status,
        message=message,
    )


def _judge(ending: Ending, timeout_seconds: float, *, whole: bool) -> tuple[StepStatus | None, str]:
    if not ending.stopped:
        return (None, "") if whole else (StepStatus.UNKNOWN, NOT_WHOLE)
    is_late = ending.stopped == "timed_out"
    if ending.alive:
        status = StepStatus.UNKNOWN if is_late else StepStatus.INTERRUPTED
        return status, f"could not be ended: {', '.join(ending.alive)}"
    if is_late:
        return StepStatus.TIMED_OUT, f"no end within {timeout_seconds:g} s; the command was ended"
    return StepStatus.INTERRUPTED, "ended because the run was stopped"
