"""What the step kind `run` does: a command on this machine, to its end."""

from __future__ import annotations

import os
from typing import Any

from opsrunner.errors import StepFailed
from opsrunner.fleet.account import SHELL, find_account
from opsrunner.fleet.execution import Ending, Execution
from opsrunner.fleet.own_process import handed_down
from opsrunner.fleet.starting import Command
from opsrunner.model.outcome import Outcome, Row, StepStatus
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.environment import build_environment, recorded
from opsrunner.steps.exit_codes import Verdict, describe_exit, judge_exit
from opsrunner.steps.output import OutputSink, mask_bytes
from opsrunner.steps.rows import ROWS_LIMIT_BYTES, TOO_LONG, parse_rows
from opsrunner.steps.run import Options


def run(call: StepCall, means: Means) -> Outcome:
    """Run the command to its end and judge its exit code. Raises StepFailed."""
    options: Options = call.options
    account = find_account(options.user)
    try_mark = os.urandom(16).hex()
    environment = build_environment(call, means.vault, account=account, try_mark=try_mark)
    command = Command(
        argv=_argv(options),
        environment=environment,
        cwd=call.site_root / options.cwd if options.cwd else call.site_root,
        stdin=options.stdin,
        account=account,
        run_token=call.run_token,
        try_mark=try_mark,
        timeout_seconds=call.timeout_seconds,
    )
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    stdout = bytearray()
    try:
        ending = _execute(command, call, means, sink=sink, stdout=stdout)
    finally:
        sink.close()
    facts = _facts(ending, sink)
    if call.row is None:
        facts["environment"] = recorded(environment, call, means.vault)
        facts["handed_down"] = handed_down()
    status, message = _judge(call, ending, sink=sink, facts=facts)
    rows = _rows(call, means, bytes(stdout), facts=facts)
    return sink.judged(Outcome(status=status, message=message, rows=rows, facts=facts))


def _execute(command: Command, call: StepCall, means: Means, *, sink: OutputSink, stdout: bytearray) -> Ending:
    """Run the command; where rows are wanted, standard output comes apart and is kept in `stdout` as well."""

    def keep(data: bytes) -> None:
        sink.write(data)
        if len(stdout) <= ROWS_LIMIT_BYTES:
            stdout.extend(data)

    if call.rows_as is None:
        return Execution(command, take_stdout=sink.write, clock=means.clock, stopping=means.stopping).run()
    return Execution(
        command, take_stdout=keep, take_stderr=sink.write, clock=means.clock, stopping=means.stopping
    ).run()


def _judge(call: StepCall, ending: Ending, *, sink: OutputSink, facts: dict[str, Any]) -> tuple[StepStatus, str]:
    """Return the status and the message of a step that is no failure; raise StepFailed for one that is."""
    options: Options = call.options
    if ending.stopped:
        raise _stopped(call, ending, sink=sink, facts=facts)
    verdict = judge_exit(
        ending.exit_code,
        ok_codes=options.ok_codes,
        warn_codes=options.warn_codes,
        preset=options.preset,
        by_signal=ending.signal is not None,
    )
    described = describe_exit(ending.exit_code, signal_number=ending.signal, preset=options.preset)
    if verdict is Verdict.FAILED:
        raise StepFailed(_with_last_line(described, sink), facts=facts)
    notes = _notes(ending)
    if verdict is Verdict.WARNING:
        return StepStatus.WARNING, "; ".join([_with_last_line(described, sink), *notes])
    return StepStatus.SUCCEEDED, "; ".join(notes)


def _stopped(call: StepCall, ending: Ending, *, sink: OutputSink, facts: dict[str, Any]) -> StepFailed:
    """Return the failure of a step that we ended; one that goes on in spite of it is not tried again."""
    is_late = ending.stopped == "timed_out"
    why = f"no end after {call.timeout_seconds:g} s" if is_late else "stopped before its end"
    if ending.alive:
        message = f"{why}; could not be ended: {', '.join(ending.alive)}"
        return StepFailed(message, status="unknown" if is_late else "interrupted", permanent=True, facts=facts)
    message = f"{why}; its processes were ended"
    if not is_late:
        return StepFailed(message, status="interrupted", permanent=True, facts=facts)
    return StepFailed(_with_last_line(message, sink), status="timed_out", facts=facts)


def _rows(call: StepCall, means: Means, stdout: bytes, *, facts: dict[str, Any]) -> tuple[Row, ...]:
    if call.rows_as is None:
        return ()
    if len(stdout) > ROWS_LIMIT_BYTES:  # as it came: masks make it shorter
        raise StepFailed(TOO_LONG, facts=facts)
    try:
        return parse_rows(mask_bytes(stdout, means.vault), call.rows_as)
    except StepFailed as exc:
        raise StepFailed(exc.message, facts=facts) from exc


def _facts(ending: Ending, sink: OutputSink) -> dict[str, Any]:
    return {
        "exit_code": ending.exit_code,
        "signal": ending.signal,
        "seconds": ending.seconds,
        "output_bytes": sink.total_bytes,
        "truncated": sink.left_out_bytes > 0,
    }


def _notes(ending: Ending) -> list[str]:
    notes = []
    if ending.leftovers:
        count = "a process" if ending.leftovers == 1 else f"{ending.leftovers} processes"
        what = f"could not be ended: {', '.join(ending.alive)}" if ending.alive else "ended"
        notes.append(f"it left {count} behind that kept its output open; {what}")
    return notes


def _with_last_line(message: str, sink: OutputSink) -> str:
    last_line = sink.last_line()
    return f"{message}: {last_line}" if last_line else message


def _argv(options: Options) -> tuple[str, ...]:
    if isinstance(options.run, str):
        return (SHELL, "-o", "pipefail", "-c", options.run)
    return options.run
