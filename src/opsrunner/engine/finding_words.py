"""Findings and what was accepted of them, as people say it. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.model.digest import Tone
from opsrunner.model.finding import Severity
from opsrunner.model.outcome import Row
from opsrunner.model.task import Task, TaskKind
from opsrunner.schedules.day_names import day_words, moment_words

NAMED = 3
_OF_FINDINGS = frozenset({"severity", "findings", "hosts"})
_SEVERITIES = frozenset(severity.value for severity in Severity)
_TONES: Mapping[Severity, Tone] = {
    Severity.CRITICAL: "failed",
    Severity.HIGH: "failed",
    Severity.MEDIUM: "look",
    Severity.LOW: "nothing",
}


def is_about_findings(task: Task) -> bool:
    """Tell whether audits keep a task: they opened it for a cause, and each later one renews or closes it."""
    return task.kind is TaskKind.ROUTINE and task.key is not None and _is_of_audits(task.row)


def _is_of_audits(row: Row) -> bool:
    """Tell whether audits made a row; one of a site's own may have columns that are called alike."""
    if row.keys() != _OF_FINDINGS:
        return False
    severity, findings, hosts = row["severity"], row["findings"], row["hosts"]
    if not isinstance(severity, str) or severity not in _SEVERITIES or type(findings) is not int:
        return False
    return isinstance(hosts, list | tuple) and bool(hosts) and all(isinstance(host, str) for host in hosts)


def hosts_of(task: Task) -> tuple[str, ...]:
    """Return the hosts that a task is about: all that have its cause, or the one that a follow-up is keyed by."""
    if is_about_findings(task):
        return tuple(str(host) for host in task.row["hosts"])
    return (task.key,) if task.kind is TaskKind.FOLLOW_UP and task.key is not None else ()


def times_came(task: Task) -> int:
    """Return how often what a task is about has come; 1 where audits keep it: it stands, and only its age tells."""
    return 1 if is_about_findings(task) else task.count


def hosts_words(hosts: Sequence[str]) -> str:
    """Return `web1`, `web1 and web2`, `web1, web2 and web3`, or how many there are."""
    if len(hosts) > NAMED:
        return f"{len(hosts):,} hosts"
    *first, last = hosts
    return f"{', '.join(first)} and {last}" if first else last


def severity_tone(severity: Severity) -> Tone:
    """Return the tone that a finding has where it is shown; one that is low is told of, and does not warn."""
    return _TONES[severity]


def until_words(until: datetime, *, zone: ZoneInfo) -> str:
    """Return until when something is accepted: `Sat 12 Dec` for the end of that day, `Sat 12 Dec 16:00` within it."""
    local = until.astimezone(zone)
    if (local.hour, local.minute) == (0, 0):
        return day_words((local - timedelta(hours=1)).date())
    return moment_words(until, zone=zone)


def since_words(since: datetime, *, at: datetime, zone: ZoneInfo) -> str:
    """Return since when something stands, in days of the wall clock: `since today`, `since 1 day`, `since 6 days`."""
    days = (at.astimezone(zone).date() - since.astimezone(zone).date()).days
    if days < 1:
        return "since today"
    return f"since {days:,} day{'' if days == 1 else 's'}"
