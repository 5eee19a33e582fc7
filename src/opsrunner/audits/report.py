"""A host's report out of what the parts of an audit saw in its answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from opsrunner.audits.sections import Sections
from opsrunner.audits.seen import Seen, unite
from opsrunner.model.finding import HostReport

CUT = Seen(problems=("the host's answer was cut: what it says holds, what is missing was not looked at",))


def report_of(host: str, answer: Sections, parts: Iterable[Seen], *, without: Collection[str]) -> HostReport:
    """Put the parts together. An answer without any section is told as such, and not as all that is missing."""
    if not answer.by_name:
        return HostReport(host=host, examined=frozenset(), problems=("the host's answer holds nothing of the audit",))
    wanted = [
        replace(
            part,
            examined=part.examined.difference(without),
            findings=tuple(finding for finding in part.findings if finding.cause not in without),
        )
        for part in parts
    ]
    return unite(host, wanted if answer.is_whole else [*wanted, CUT])
