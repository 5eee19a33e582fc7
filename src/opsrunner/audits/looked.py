"""What one part of an audit learned about one host, and the host's report out of all parts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opsrunner.audits.sections import Sections
from opsrunner.model.finding import Finding, HostReport

MOST_FINDINGS = 500


@dataclass(frozen=True, kw_only=True)
class Looked:
    """One part. `examined` are the causes that it looked for to the end; see HostReport."""

    examined: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    problems: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def report_of(host: str, answer: Sections, parts: Iterable[Looked], *, without: Collection[str]) -> HostReport:
    """Put the parts together. An answer without any section is told as such, and not as all that is missing."""
    if not answer.by_name:
        return HostReport(host=host, examined=frozenset(), problems=("the host's answer holds nothing of the audit",))
    whole = list(parts)
    problems = list(dict.fromkeys(problem for part in whole for problem in part.problems))
    if not answer.is_whole:
        problems.append("the host's answer was cut: what it says holds, what is missing was not looked at")
    examined = frozenset[str]().union(*(part.examined for part in whole)) - frozenset(without)
    findings = _one_each(finding for part in whole for finding in part.findings if finding.cause not in without)
    if len(findings) > MOST_FINDINGS:
        problems.append(f"{len(findings)} findings: only the {MOST_FINDINGS} worst are told")
        examined -= {finding.cause for finding in findings[MOST_FINDINGS:]}
    facts = {name: value for part in whole for name, value in part.facts.items()}
    return HostReport(
        host=host,
        examined=examined,
        findings=tuple(findings[:MOST_FINDINGS]),
        problems=tuple(problems),
        facts=facts,
    )


def _one_each(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings with the worst first; of those that would have the same key, the worst alone."""
    worst_first = sorted(findings, key=lambda finding: finding.severity.rank)
    return list({finding.key: finding for finding in reversed(worst_first)}.values())[::-1]
