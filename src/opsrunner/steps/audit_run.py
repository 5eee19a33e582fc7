"""One audit of hosts: a script on each, what it said read into findings, and how they stood before."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TypeAlias

from opsrunner.model.finding import Audited, Cause, Finding, HostReport, KnownFinding, Severity
from opsrunner.model.fleet import HostAnswer
from opsrunner.model.outcome import Outcome, Part, Row, StepStatus, worst
from opsrunner.records import dataclass
from opsrunner.steps.audit_options import AuditOptions
from opsrunner.steps.base import Means, StepCall
from opsrunner.steps.fan_out import HostEnd, NotRun, ask_hosts, at_fault, select_hosts
from opsrunner.steps.host_end import NEVER_TOLD, last_line
from opsrunner.steps.output import OutputSink, cut, mask_bytes, printable

MOST_ROWS = 5_000
"""Of more findings than this the worst become rows; the ledger has them all."""
MOST_NAMED = 3
LOOK_AT = Severity.MEDIUM
"""From here on a finding keeps its host from being green."""

Reader: TypeAlias = Callable[[HostEnd, bytes], HostReport]
"""Turns the answer of a host, and its standard output with secrets masked, into a report."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What is asked of each host, and how its answer is read."""

    script: str
    read: Reader
    causes: Mapping[str, Cause]
    env: Mapping[str, str] = field(default_factory=dict)
    wanted: frozenset[str] | None = None
    """The causes to report; None: all."""


def run_audit(call: StepCall, means: Means, audit: Audit) -> Outcome:
    """Ask all hosts, tell the ledger what was found, and answer with one row a finding.

    A host is green only where all was looked at and nothing that is not accepted wants a look. Raises StepFailed
    where no host is meant.
    """
    options: AuditOptions = call.options
    hosts = select_hosts(options.hosts, means.hosts)
    ends = ask_hosts(call, means, hosts, command=audit.script, most_at_once=options.max_parallel, env=audit.env)
    run = _AuditRun(call, means, audit)
    sink = OutputSink(call.output, limit_bytes=call.output_limit_bytes, vault=means.vault)
    try:
        for end in ends:
            sink.write(run.take(end))
    finally:
        sink.close()
    return sink.judged(run.outcome())


class _AuditRun:
    """The reports as they come, beside what was known before."""

    def __init__(self, call: StepCall, means: Means, audit: Audit) -> None:
        self._call, self._means, self._audit = call, means, audit
        self._options: AuditOptions = call.options
        self._now = means.clock.now()
        known = means.findings(call.routine, call.step)
        self._known = {one.finding.key: one for one in known}
        self._reports: list[HostReport] = []
        self._parts: list[Part] = []

    def take(self, end: HostEnd) -> bytes:
        """Read the end on one host; return its section of the output."""
        report, none = self._read(end)
        if report is None:
            assert none is not None  # noqa: S101  there is a report, or a reason for none
            part = Part(key=end.host.name, status=none.status, message=none.message, facts=none.facts)
        else:
            self._reports.append(report)
            part = self._part(report)
        self._parts.append(part)
        return _section(part, end.answer, report)

    def outcome(self) -> Outcome:
        """Tell the ledger of all reports, and return the step's end."""
        self._means.found(
            Audited(
                routine=self._call.routine,
                step=self._call.step,
                run=self._call.run_id,
                at=self._now,
                reports=tuple(self._reports),
                hosts=frozenset(part.key for part in self._parts),
                causes={name: cause for name, cause in self._audit.causes.items() if self._is_wanted(name)},
                tasks=self._options.tasks.rule,
            )
        )
        found = sorted(
            (finding for report in self._reports for finding in report.findings),
            key=lambda finding: (finding.severity.rank, finding.name, finding.host),
        )
        status = worst([part.status for part in self._parts])
        return Outcome(
            status=status,
            reason=status.value if status.is_bad else "",
            message=self._message(found),
            rows=tuple(self._row(finding) for finding in found[:MOST_ROWS]),
            facts=self._facts(found),
            parts=tuple(self._parts),
        )

    def _read(self, end: HostEnd) -> tuple[HostReport | None, NotRun | None]:
        answer = end.answer
        if answer is None:
            return None, end.not_run
        try:
            wrong = self._not_answered(answer)
            if wrong is not None:
                return None, wrong
            said = mask_bytes(answer.stdout, self._means.vault)
            return self._narrowed(self._audit.read(end, said)), None
        except Exception as exc:  # noqa: BLE001 - a report that trips us up must not cost the other hosts theirs
            return None, at_fault(end.host, self._call, exc)

    def _narrowed(self, report: HostReport) -> HostReport:
        """Return a report without the causes that nobody asked for."""
        examined = frozenset(filter(self._is_wanted, report.examined))
        findings = tuple(finding for finding in report.findings if self._is_wanted(finding.cause))
        return replace(report, examined=examined, findings=findings)

    def _is_wanted(self, cause: str) -> bool:
        return self._audit.wanted is None or cause in self._audit.wanted

    def _not_answered(self, answer: HostAnswer) -> NotRun | None:
        """Return why an answer says nothing: the script did not end by itself, or was not understood at all."""
        if answer.status is not None:
            return NotRun(status=answer.status, message=self._with_last_line(answer.message, answer))
        if answer.exit_code is None:
            return NotRun(status=StepStatus.UNKNOWN, message=NEVER_TOLD)
        if answer.exit_code and not answer.stdout.strip():
            message = f"the host does not run the script: exit code {answer.exit_code}"
            return NotRun(status=StepStatus.FAILED, message=self._with_last_line(message, answer))
        return None

    def _with_last_line(self, message: str, answer: HostAnswer) -> str:
        last = last_line(answer, self._means.vault)
        return f"{message}: {last}" if last else message

    def _part(self, report: HostReport) -> Part:
        open_ = [finding for finding in report.findings if not self._is_accepted(finding)]
        looks = [finding for finding in open_ if finding.severity.rank <= LOOK_AT.rank]
        status = StepStatus.WARNING if looks or report.problems else StepStatus.SUCCEEDED
        said = [*(printable(problem) for problem in report.problems), *_counted(open_)]
        facts = {**report.facts, "findings": len(report.findings), "problems": len(report.problems)}
        return Part(key=report.host, status=status, message=cut("; ".join(said)), facts=facts)

    def _is_accepted(self, finding: Finding) -> bool:
        known = self._known.get(finding.key)
        if known is None or known.accepted is None or known.finding.mark != finding.mark:
            return False
        return finding.severity.rank >= known.finding.severity.rank

    def _message(self, found: Sequence[Finding]) -> str:
        parts, whole = self._parts, [part for part in self._parts if not part.facts.get("problems", 1)]
        open_ = [finding for finding in found if not self._is_accepted(finding)]
        noun = "host" if len(parts) == 1 else "hosts"
        wanting = [part for part in parts if part.status.is_bad or part.facts.get("problems")]
        told = [f"{part.key}: {part.message}" for part in sorted(wanting, key=lambda part: not part.status.is_bad)]
        more = [f"and {len(told) - MOST_NAMED} more"] if len(told) > MOST_NAMED else []
        partly = len(self._reports) - len(whole)
        in_part = f", {partly} more in part" if partly else ""
        words = [f"{len(whole)} of {len(parts)} {noun} audited{in_part}", *told[:MOST_NAMED], *more]
        return "; ".join([*words, *self._on_hosts(open_)])

    def _on_hosts(self, found: Sequence[Finding]) -> list[str]:
        """Return `security on 3 hosts` for each cause, the worst first."""
        hosts: dict[str, set[str]] = {}
        for finding in found:
            hosts.setdefault(finding.cause, set()).add(finding.host)
        return [f"{cause} on {_names(names)}" for cause, names in hosts.items()]

    def _row(self, finding: Finding) -> Row:
        known = self._known.get(finding.key)
        since = known.first_seen_at if known else self._now
        accepted = known.accepted if known is not None and self._is_accepted(finding) else None
        return {
            "host": finding.host,
            "name": finding.name,
            "cause": finding.cause,
            "subject": finding.subject,
            "severity": finding.severity.value,
            "detail": finding.detail,
            "since": since,
            "days": (self._now - since).days,
            "is_new": known is None,
            "accepted_until": accepted.until if accepted else None,
        }

    def _facts(self, found: Sequence[Finding]) -> dict[str, int]:
        seen = {finding.key for finding in found}
        return {
            "hosts": len(self._parts),
            "audited": sum(not part.facts.get("problems", 1) for part in self._parts),
            "findings": len(found),
            "new": sum(finding.key not in self._known for finding in found),
            "gone": len(list(self._gone(seen))),
            "accepted": sum(self._is_accepted(finding) for finding in found),
            "rows_left_out": max(0, len(found) - MOST_ROWS),
            "truncated": len(found) > MOST_ROWS or any(report.problems for report in self._reports),
            **{severity.value: sum(one.severity is severity for one in found) for severity in Severity},
        }

    def _gone(self, seen: set[tuple[str, str, str]]) -> Iterable[KnownFinding]:
        examined = {(report.host, cause) for report in self._reports for cause in report.examined}
        return (
            known
            for key, known in self._known.items()
            if key not in seen and (known.finding.host, known.finding.cause) in examined
        )


def _counted(findings: Sequence[Finding]) -> list[str]:
    """Return `12 security`, `reboot` … , each cause once, the worst first."""
    counts: dict[str, int] = {}
    for finding in sorted(findings, key=lambda one: one.severity.rank):
        counts[finding.cause] = counts.get(finding.cause, 0) + 1
    return [cause if count == 1 else f"{count} {cause}" for cause, count in counts.items()]


def _names(hosts: set[str]) -> str:
    return next(iter(hosts)) if len(hosts) == 1 else f"{len(hosts)} hosts"


def _section(part: Part, answer: HostAnswer | None, report: HostReport | None) -> bytes:
    """Return what the output says of one host: its findings; all that it said where nothing was understood."""
    said = f": {part.message}" if part.message else ""
    took = f" in {answer.seconds:.1f} s" if answer else ""
    lines = [f"=== {part.key} {part.status}{took}{said}"]
    if report is not None:
        lines += [f"{name}: {value}" for name, value in report.facts.items() if isinstance(value, str | int | float)]
        lines += [f"not looked at: {problem}" for problem in report.problems]
        lines += [f"{one.severity.value} {one.name}: {one.detail}" for one in report.findings]
    text = "\n".join(printable(line) for line in lines).encode("utf-8", "replace") + b"\n"
    if answer is None or (report is not None and report.examined):
        return text
    return text + b"--- as the host said it\n" + _whole_lines(answer.stdout) + _whole_lines(answer.stderr)


def _whole_lines(stream: bytes) -> bytes:
    return stream if not stream or stream.endswith(b"\n") else stream + b"\n"
