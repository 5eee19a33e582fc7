"""Certificates in files, as the capacity audit's script tells of them."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

from opsrunner.audits.limits import Limits
from opsrunner.audits.sections import Sections, clean, clean_subject
from opsrunner.audits.seen import Seen
from opsrunner.model.finding import Finding, Severity

CAUSE = "certificate"


def judge_certificates(host: str, answer: Sections, *, now: datetime, limits: Limits) -> Seen:
    """Judge the end of every certificate that was read. A file that the account may not read leaves it open."""
    problem = answer.problem("certificates", "certificates")
    problems = [problem] if problem else []
    ends: dict[str, datetime] = {}
    unread: list[str] = []
    path = ""
    for line in answer.lines("certificates"):
        word, _, rest = line.partition(" ")
        if word == "file":
            path = clean_subject(rest)
        elif word == "unread":
            unread.append(clean(rest))
        elif line == "more":
            problems.append(f"certificates: only {len(ends)} files were read, there are more")
        elif line == "bad":
            problems.append(f"certificates: openssl does not understand {path}")
        elif path and (end := read_end(line)):
            ends[path] = end
    if unread:
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        problems.append(f"certificates: this account may not read {unread[0]}{more}")
    found = (_finding(host, path, end=end, now=now, limits=limits) for path, end in ends.items())
    soonest = min(ends.values(), default=None)
    return Seen(
        examined=frozenset() if problems else frozenset({CAUSE}),
        findings=tuple(finding for finding in found if finding),
        problems=tuple(problems),
        facts={
            "certificates": len(ends),
            "certificate_days": _days_left(soonest, now) if soonest else None,
        },
    )


def read_end(line: str) -> datetime | None:
    """Return the moment of `notAfter=Nov 22 23:19:43 2026 GMT`, None where it says none."""
    if not line.startswith("notAfter="):
        return None
    try:
        seconds = ssl.cert_time_to_seconds(line.removeprefix("notAfter=").strip())
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return None


def _finding(host: str, path: str, *, end: datetime, now: datetime, limits: Limits) -> Finding | None:
    severity = limits.certificate_days.below((end - now) / timedelta(days=1), worst=Severity.CRITICAL)
    if severity is None:
        return None
    left = _days_left(end, now)
    word = f"{left} days left" if left != 1 else "1 day left"
    detail = f"ends {end:%Y-%m-%d}, {word}" if end > now else f"ended {end:%Y-%m-%d}"
    return Finding(
        host=host, cause=CAUSE, subject=path, severity=severity, detail=detail, mark=f"{end:%Y-%m-%dT%H:%M:%SZ}"
    )


def _days_left(end: datetime, now: datetime) -> int:
    return (end - now).days
