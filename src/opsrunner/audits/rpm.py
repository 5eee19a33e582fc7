"""Red Hat's family: pending updates, what their advisories say, what is locked, and how fresh the lists are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from opsrunner.audits.answer import Answer, Section
from opsrunner.audits.freshness import Freshness, see_lists
from opsrunner.audits.seen import Host, Seen
from opsrunner.audits.systems import first
from opsrunner.model.finding import Finding, Severity
from opsrunner.records import dataclass

ARCHES = "x86_64|noarch|i[3-6]86|aarch64|ppc64le|s390x|armv7hl|riscv64"
PACKAGE = re.compile(rf"(\S+)\.({ARCHES})")
FULL_PACKAGE = re.compile(rf"(\S+)-([^\s-]+)-([^\s-]+)\.({ARCHES})")
"""`openssl-libs-1:3.0.7-25.el9_3.x86_64`: name, epoch and version, release, architecture."""
FAILURE = re.compile(
    r"(?:config )?error:|\[errno|ignoring repositories:|.*(?:permission denied|no cache for)", re.IGNORECASE
)
HARMLESS = re.compile(r"rhsm|further logging output", re.IGNORECASE)
"""Red Hat's subscription manager cannot write its log without root."""
MOST_HELD = 200


@dataclass(frozen=True, kw_only=True)
class Advisory:
    """Why an update is one for security."""

    name: str
    severity: str
    """`Important`; '' where nobody says."""


def see_dnf(host: Host, answer: Answer) -> Seen:
    """Return what waits on a host with dnf or yum.

    Exit status 0 proves nothing: dnf gives it with unreadable packages, and with repositories that have no lists.
    """
    section, safe = answer.sections.get("dnf"), answer.sections.get("dnf_security")
    if section is None:
        return Seen(problems=("the pending updates did not arrive whole",))
    held = see_held(host, section)
    problem = failure(section, section.of("update"))
    waiting = list(read_waiting(section))
    advisories = read_advisories(safe)
    pending = see_pending(host, section, waiting, advisories)
    security = sum(finding.cause == "security" for finding in pending)
    facts = {"updates": len(pending), "security": security, "held": len(held)}
    findings = (*pending, *held)
    if problem:
        message = f"the pending updates are not known: {problem}"
        return Seen(examined=frozenset({"held"}), findings=findings, facts=facts, problems=(message,))
    doubt = doubt_of_security(safe, has_updates=bool(waiting))
    if doubt:
        # Which of them are for security is not known, so that none of either kind can be said to be gone.
        return Seen(examined=frozenset({"held"}), findings=findings, facts=facts, problems=(doubt,))
    return Seen(examined=frozenset({"held", "updates", "security"}), findings=findings, facts=facts)


def failure(section: Section, lines: list[str]) -> str:
    """Return why dnf's answer is not whole, in its own words; '' where it is."""
    if section.status == 124:
        return "it took more than 120 s"
    for line in lines:
        if FAILURE.match(line) and not HARMLESS.search(line):
            return line.strip()
    return f"it ended with exit status {section.status}" if section.status else ""


def doubt_of_security(safe: Section | None, *, has_updates: bool) -> str:
    """Return why it is not known which updates are for security; '' where it is."""
    if safe is None:
        return "the security advisories did not arrive whole"
    if not has_updates:
        return ""
    problem = failure(safe, [line for line in safe.lines if line != "advisories"])
    if problem:
        return f"the security advisories are not known: {problem}"
    if not safe.says("advisories"):
        return "no repository of this host says which updates are for security: any of those that wait may be"
    return ""


def read_waiting(section: Section) -> Iterator[tuple[str, str]]:
    """Yield package with architecture, and version, of `check-update`; long rows are broken over lines there."""
    rows: list[str] = []
    for line in section.of("update"):
        if line.startswith("Obsoleting"):
            break
        if line.startswith(" ") and rows:
            rows[-1] += line
        else:
            rows.append(line)
    for row in rows:
        words = row.split()
        if len(words) == 3 and PACKAGE.fullmatch(words[0]) and re.fullmatch(r"(\d+:)?[^-]+-[^-]+", words[1]):
            yield words[0], words[1]


def read_advisories(section: Section | None) -> dict[str, Advisory]:
    """Return of each package an advisory that says it needs an update for security.

    Not compared by version: a later release that fixes something else brings the security fix, too. Nor by
    architecture: all are built from one source.
    """
    advisories: dict[str, Advisory] = {}
    for line in section.lines if section is not None else ():
        words = line.split()
        found = next((match for word in words[1:] if (match := FULL_PACKAGE.fullmatch(word))), None)
        if found is None:
            continue
        said = next((word for word in words[1:] if word.endswith("/Sec.")), "").removesuffix("/Sec.")
        advisories[found[1]] = Advisory(name=words[0], severity="" if said == "Unknown" else said)
    return advisories


def see_pending(
    host: Host, section: Section, waiting: list[tuple[str, str]], advisories: dict[str, Advisory]
) -> list[Finding]:
    """Return what the next upgrade would bring, with the advisory where it is for security."""
    have = dict(line.replace("(none):", "").split(" ", 1) for line in section.of("have") if " " in line)
    findings = []
    for package, new in waiting:
        old = have.get(package, "").removeprefix("0:")
        versions = f"{old} → {new}" if old else new
        advisory = advisories.get(package.rpartition(".")[0])
        name = package if have_twice(package, have) else package.rpartition(".")[0]
        if advisory is None:
            findings.append(host.finding("updates", name, Severity.LOW, versions, new))
            continue
        why = ", ".join(filter(None, (advisory.name, advisory.severity)))
        findings.append(host.finding("security", name, Severity.HIGH, f"{versions} ({why})", new))
    return findings


def have_twice(package: str, have: dict[str, str]) -> bool:
    """Tell whether a package is installed for a second architecture, so that its name alone would be two."""
    name, _, arch = package.rpartition(".")
    return arch.startswith("i") and any(f"{name}.{other}" in have for other in ("x86_64", "noarch"))


def see_held(host: Host, section: Section) -> list[Finding]:
    """Return what versionlock and `exclude` keep from being updated; what waits for it is not to be seen."""
    locked = [
        host.finding("held", line, Severity.LOW, "locked by versionlock", line) for line in section.of("lock") if line
    ]
    excluded = [
        host.finding("held", pattern, Severity.LOW, "excluded from updates in the configuration")
        for line in section.of("exclude")
        for pattern in re.split(r"[\s,]+", line)
        if pattern
    ]
    return [*locked, *excluded][:MOST_HELD]


def see_dnf_lists(host: Host, answer: Answer) -> Seen:
    """Return how fresh root's cache is: when a repository's list was last fetched or found still to hold."""
    section = answer.sections.get("dnf_lists")
    if section is None:
        return Seen(problems=("the age of the package lists did not arrive whole",))
    apply = first(section.of("apply")).lower()
    automatic = "none"
    if section.says("timer"):
        automatic = "dnf-automatic" if apply in {"yes", "true", "1"} else "dnf-automatic, without installing"
    freshness = Freshness(told_at=stamp(section, "told"), changed_at=stamp(section, "stamp"), automatic=automatic)
    return see_lists(host, freshness)


def stamp(section: Section, kind: str) -> int | None:
    """Return the seconds that the line of this kind begins with."""
    word = first(section.of(kind)).partition(" ")[0]
    return int(word) if re.fullmatch(r"\d{1,11}", word, re.ASCII) else None
