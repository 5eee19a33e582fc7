"""Until when each release gets security updates: dated data, in `releases.csv` beside this file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path

from opsrunner.audits.answer import Answer
from opsrunner.audits.seen import Host, Seen
from opsrunner.model.finding import Severity
from opsrunner.records import dataclass

SOON = timedelta(days=90)
LONG_PAST = timedelta(days=90)
OLD_DATA = timedelta(days=365)


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release of one system."""

    name: str
    ends: date
    """The last day of the security updates that everybody gets."""
    extended: date | None
    """The last day of those that have to be ordered."""
    extended_by: str
    sign: str
    """What the name of a package list holds where the extended updates are set up; '' where none tells."""
    source: str
    checked: date
    """When somebody last looked at the source."""


@cache
def releases() -> Mapping[tuple[str, str], Release]:
    """Return all releases that are known, by os-release's ID and VERSION_ID."""
    with Path(__file__).with_name("releases.csv").open(encoding="utf-8", newline="") as file:
        return {
            (row["id"], row["version"]): Release(
                name=row["name"],
                ends=date.fromisoformat(row["ends"]),
                extended=date.fromisoformat(row["extended"]) if row["extended"] else None,
                extended_by=row["extended_by"],
                sign=row["sign"],
                source=row["source"],
                checked=date.fromisoformat(row["checked"]),
            )
            for row in csv.DictReader(file)
        }


def see_release(host: Host, answer: Answer) -> Seen:
    """Return a finding where the release's security updates have ended, or end within 90 days."""
    system, known = host.system, releases()
    release = known.get((system.id, system.version)) or known.get((system.id, system.version.partition(".")[0]))
    if release is None:
        name = system.name or "this system"
        return Seen(problems=(f"when {name} reaches its end of life is not known to this program",))
    ends, by = end_of(release, answer)
    today = host.now.date()
    problems: tuple[str, ...] = ()
    if today - release.checked > OLD_DATA:
        problems = (
            f"the date of {release.name}'s end of life was last looked up on {release.checked}: renew opsrunner",
        )
    facts = {"supported_until": ends.isoformat()}
    examined = frozenset({"end-of-life"})
    if ends - today > SOON:
        return Seen(examined=examined, facts=facts, problems=problems)
    finding = host.finding("end-of-life", "", severity_of(ends, today), said_end(release, ends, by, today))
    return Seen(examined=examined, findings=(finding,), facts=facts, problems=problems)


def end_of(release: Release, answer: Answer) -> tuple[date, str]:
    """Return the last day that holds for this host, and who gives updates until then where they are extended."""
    lists = [section.of("list") for name in ("apt_lists", "dnf_lists") if (section := answer.sections.get(name))]
    has_sign = release.sign and any(release.sign in line for lines in lists for line in lines)
    return (release.extended, release.extended_by) if has_sign and release.extended else (release.ends, "")


def severity_of(ends: date, today: date) -> Severity:
    """Return medium before the end, high after it, critical 90 days after it."""
    if ends >= today:
        return Severity.MEDIUM
    return Severity.CRITICAL if today - ends > LONG_PAST else Severity.HIGH


def said_end(release: Release, ends: date, by: str, today: date) -> str:
    """Return the end in words, with the extended updates that could still be had."""
    verb = "end" if ends >= today else "ended"
    what = f"{release.name}: security updates{f' by {by}' if by else ''} {verb} on {ends}"
    if by or release.extended is None or release.extended < today:
        return what
    return f"{what}; {release.extended_by} gives some until {release.extended}"
