"""What each part of an audit makes of a host's answer, and how the parts become one report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any

from opsrunner.model.finding import Finding, HostReport, Severity
from opsrunner.records import dataclass

MOST_FINDINGS = 2000
LONGEST_DETAIL = 300
LONGEST_SUBJECT = 120
MOST_PROBLEMS = 50
NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
"""Control characters, and those that turn or hide text."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one part of the audit saw; the words are those of `HostReport`."""

    examined: frozenset[str] = frozenset()
    findings: tuple[Finding, ...] = ()
    problems: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class System:
    """What the host says it is."""

    id: str = ""
    """As in os-release: `debian`, `almalinux`; `centos-stream` is our own."""
    like: frozenset[str] = frozenset()
    version: str = ""
    name: str = ""
    """For people: `Debian 12.5`."""
    kernel: str = ""
    build: str = ""
    """`uname -v`."""
    is_root: bool = False
    is_container: bool = False
    """The kernel is another system's."""
    uptime_seconds: int | None = None


@dataclass(frozen=True, kw_only=True)
class Host:
    """Whose answer is read."""

    name: str
    system: System
    now: datetime
    """The audit's moment."""
    clock: int
    """What the host's own clock said then, in seconds since 1970: its files' times are told by it."""

    def finding(self, cause: str, subject: str, severity: Severity, detail: str, mark: str = "") -> Finding:
        """Return a finding whose texts, which are the host's, are fit to be shown."""
        return Finding(
            host=self.name,
            cause=cause,
            subject=plain(subject, LONGEST_SUBJECT).replace(",", "_"),
            severity=severity,
            detail=plain(detail, LONGEST_DETAIL),
            mark=plain(mark, LONGEST_SUBJECT),
        )


def plain(text: str, longest: int = LONGEST_DETAIL) -> str:
    """Return `text` as one line without control characters, cut to `longest` characters."""
    if not text.isprintable():
        text = NOT_TEXT.sub(" ", text)
    text = text.strip()
    return text if len(text) <= longest else text[: longest - 1] + "…"


def unite(host: str, parts: Iterable[Seen]) -> HostReport:
    """Return one report; of findings with one key the worst stays, and past 2000 the mildest are left out."""
    examined: set[str] = set()
    problems: list[str] = []
    facts: dict[str, Any] = {}
    by_key: dict[tuple[str, str, str], Finding] = {}
    for part in parts:
        examined |= part.examined
        problems += part.problems
        facts |= part.facts
        for finding in part.findings:
            known = by_key.get(finding.key)
            if known is None or finding.severity.rank < known.severity.rank:
                by_key[finding.key] = finding
    findings = list(by_key.values())
    if len(findings) > MOST_FINDINGS:
        findings.sort(key=lambda finding: finding.severity.rank)
        left_out = findings[MOST_FINDINGS:]
        del findings[MOST_FINDINGS:]
        examined -= {finding.cause for finding in left_out}
        problems.append(f"{len(left_out)} findings more than the {MOST_FINDINGS} that are kept for a host")
    return HostReport(
        host=host,
        examined=frozenset(examined),
        findings=tuple(findings),
        problems=tuple(plain(problem) for problem in dict.fromkeys(problems))[:MOST_PROBLEMS],
        facts={name: plain(value) if isinstance(value, str) else value for name, value in facts.items()},
    )
