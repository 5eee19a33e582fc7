"""What the step kind `ssh` does: a command on many hosts at once, each judged by itself."""

from __future__ import annotations

from collections.abc import Sequence

from opsrunner.errors import StepFailed
from opsrunner.model.outcome import Outcome, Part, Row, StepStatus, worst
from opsrunner.model.site import Host
from opsrunner.records import dataclass
from opsrunner.secrets import Vault
from opsrunner.steps.base import HostAnswer, Means, StepCall
from opsrunner.steps.exit_codes import Verdict, describe_exit, judge_exit
from opsrunner.steps.fan_out import HostEnd, ask_hosts, at_fault, select_hosts
from opsrunner.steps.host_end import NEVER_TOLD, last_line
from opsrunner.steps.output import OutputSink, mask_bytes
from opsrunner.steps.rows import parse_rows
from opsrunner.steps.ssh import Options

NAMED_IN_MESSAGE = 3

_STATUS = {
    Verdict.SUCCEEDED: StepStatus.SUCCEEDED,
    Verdict.WARNING: StepStatus.WARNING,
    Verdict.FAILED: StepStatus.FAILED,
}


@dataclass(frozen=True, kw_only=True)
class HostResult:
    """The end of the command on one host."""

    part: Part
    answer: HostAnswer | None = None
    """None: the command did not start."""
    rows: tuple[Row, ...] = ()


def run(call: StepCall, means: Means) -> Outcome:
    """Run the command on all hosts at once, at most `max_parallel` at a time; none stops the others.

    Raises StepFailed where no host is meant. `timeout_seconds` holds for all hosts together.
    """
    options: Options = call.options
    hosts = select_hosts(options.hosts, means.hosts)
    ends = ask_hosts(call, means, hosts, command=options.run, most_at_once=options.max_parallel)
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        results = []
        for end in ends:
            result = _result(end, call, means.vault)
            _write(result, sink)
            results.append(result)
    finally:
        sink.close()
    return sink.judged(_outcome(results))


def _result(end: HostEnd, call: StepCall, vault: Vault) -> HostResult:
    """Judge the end on one host; what trips us up on it must not cost the others theirs."""
    none = end.not_run
    if end.answer is not None:
        try:
            return _judge(end.host, end.answer, call, vault)
        except Exception as exc:  # noqa: BLE001 - see above
            none = at_fault(end.host, call, exc)
    assert none is not None  # noqa: S101  an end has one of the two
    return HostResult(part=Part(key=end.host.name, status=none.status, message=none.message, facts=none.facts))


def _judge(host: Host, answer: HostAnswer, call: StepCall, vault: Vault) -> HostResult:
    status, message = _verdict(answer, call.options)
    rows: tuple[Row, ...] = ()
    if call.rows_as is not None and status in (StepStatus.SUCCEEDED, StepStatus.WARNING):  # else it is half of them
        try:
            rows = _rows(host, answer, call, vault)
        except StepFailed as exc:
            status, message = StepStatus.FAILED, exc.message
    if status is not StepStatus.SUCCEEDED:
        last = last_line(answer, vault)
        message = f"{message}: {last}" if last else message
    facts = {"exit_code": answer.exit_code, "seconds": round(answer.seconds, 3), "truncated": answer.truncated}
    return HostResult(part=Part(key=host.name, status=status, message=message, facts=facts), answer=answer, rows=rows)


def _verdict(answer: HostAnswer, options: Options) -> tuple[StepStatus, str]:
    if answer.status is not None:
        return answer.status, answer.message
    if answer.exit_code is None:
        return StepStatus.UNKNOWN, NEVER_TOLD
    verdict = judge_exit(
        answer.exit_code,
        ok_codes=options.ok_codes,
        warn_codes=options.warn_codes,
        preset=None,
        by_signal=False,
    )
    return _STATUS[verdict], "" if verdict is Verdict.SUCCEEDED else describe_exit(answer.exit_code)


def _rows(host: Host, answer: HostAnswer, call: StepCall, vault: Vault) -> tuple[Row, ...]:
    if answer.truncated:
        raise StepFailed("the output is longer than limits.output, and rows need all of it")
    rows = parse_rows(mask_bytes(answer.stdout, vault), call.rows_as or "lines")
    return tuple({"host": host.name, **{name: row[name] for name in row if name != "host"}} for row in rows)


def _write(result: HostResult, sink: OutputSink) -> None:
    """Add the host's section: what it said, standard error apart."""
    part, answer = result.part, result.answer
    said = f": {part.message}" if part.message else ""
    took = f" in {answer.seconds:.1f} s" if answer else ""
    sink.write(f"=== {part.key} {part.status}{took}{said}\n".encode())
    if answer is None:
        return
    sink.write(_whole_lines(answer.stdout))
    if answer.stderr:
        sink.write(b"--- standard error\n" + _whole_lines(answer.stderr))


def _whole_lines(stream: bytes) -> bytes:
    return stream if not stream or stream.endswith(b"\n") else stream + b"\n"


def _outcome(results: Sequence[HostResult]) -> Outcome:
    parts = tuple(result.part for result in results)
    status = worst([part.status for part in parts])
    fine = [part for part in parts if part.status in (StepStatus.SUCCEEDED, StepStatus.WARNING)]
    unknown = [part for part in parts if part.status is StepStatus.UNKNOWN]
    return Outcome(
        status=status,
        reason=status.value if status.is_bad else "",
        message=_message(parts, fine_count=len(fine)),
        rows=tuple(row for result in results for row in result.rows),
        facts={
            "hosts": len(parts),
            "ok": len(fine),
            "failed": len(parts) - len(fine) - len(unknown),
            "unknown": len(unknown),
        },
        parts=parts,
    )


def _message(parts: Sequence[Part], *, fine_count: int) -> str:
    noun = "host" if len(parts) == 1 else "hosts"
    told = [f"{part.key}: {part.message}" for part in parts if part.status is not StepStatus.SUCCEEDED]
    more = [f"and {len(told) - NAMED_IN_MESSAGE} more"] if len(told) > NAMED_IN_MESSAGE else []
    return "; ".join([f"{fine_count} of {len(parts)} {noun} fine", *told[:NAMED_IN_MESSAGE], *more])
