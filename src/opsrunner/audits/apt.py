"""Debian's family: pending updates, what is held, kept back or half installed, and how fresh the lists are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from opsrunner.audits.answer import Answer, Section
from opsrunner.audits.freshness import Freshness, see_lists
from opsrunner.audits.seen import Host, Seen
from opsrunner.model.finding import Finding, Severity
from opsrunner.records import dataclass

OF_UPDATES = frozenset({"security", "updates", "kept-back"})
OF_PACKAGES = frozenset({"held", "broken"})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What apt's version table says of one package."""

    candidate: str
    is_security: bool
    """Some release between the installed one and the newest came from a security archive."""
    is_phased: bool
    """Ubuntu gives it to a share of all machines at a time."""


def see_apt(host: Host, answer: Answer) -> Seen:
    """Return what waits on a host with apt."""
    section = answer.sections.get("apt")
    if section is None:
        return Seen(problems=("the pending updates did not arrive whole",))
    policies = read_policies(section)
    pending = see_pending(host, section, policies)
    held = see_held(host, section, policies)
    back = see_kept_back(host, section, policies, {finding.subject for finding in held})
    broken = [
        host.finding("broken", package, Severity.HIGH, f"its state is {state}")
        for package, state in pairs(section.of("broken"))
    ]
    facts = {
        "updates": len(pending),
        "security": sum(finding.cause == "security" for finding in pending),
        "held": len(held),
    }
    examined, problems = judge(section)
    findings = (*pending, *held, *back, *broken)
    return Seen(examined=examined, findings=findings, facts=facts, problems=problems)


def judge(section: Section) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return what was looked for to the end, and what could not be."""
    problems = []
    examined = OF_UPDATES | OF_PACKAGES
    if section.status:
        problems.append(said_failure(section))
        examined -= OF_UPDATES
    if not section.says("policies known"):
        problems.append("where the pending updates come from is not known: apt-cache policy failed")
        examined -= OF_UPDATES | {"held"}
    if not section.says("states known"):
        problems.append("the states of the packages are not known: dpkg-query failed")
        examined -= OF_PACKAGES | {"kept-back"}
    return examined, tuple(problems)


def read_policies(section: Section) -> Mapping[str, Policy]:
    """Return the policy of each package that apt was asked about."""
    policies = {}
    for line in section.of("policy"):
        words = line.split(" ")
        if len(words) == 5:
            policies[words[0]] = Policy(
                candidate=words[2], is_security=words[3] == "security", is_phased=words[4] == "phased"
            )
    return policies


def policy_of(policies: Mapping[str, Policy], package: str) -> Policy | None:
    """Return the policy of a package; dpkg says `libssl3:amd64` where apt says `libssl3`."""
    return policies.get(package) or policies.get(package.partition(":")[0])


def see_pending(host: Host, section: Section, policies: Mapping[str, Policy]) -> list[Finding]:
    """Return what the next upgrade would bring; a package that only comes along as new is no update.

    A line of apt's: `Inst NAME [OLD] (NEW ORIGIN, ORIGIN [ARCH])`.
    """
    findings = []
    for line in section.of("Inst"):
        words = line.split(" ", 3)
        if len(words) < 4 or not words[1].startswith("[") or not words[2].startswith("("):
            continue
        package, old, new = words[0], words[1].strip("[]"), words[2].strip("()")
        policy = policies.get(package)
        is_security = "security" in words[3].partition(")")[0].lower() or (policy is not None and policy.is_security)
        cause, severity = ("security", Severity.HIGH) if is_security else ("updates", Severity.LOW)
        findings.append(host.finding(cause, package, severity, f"{old} → {new}", new))
    return findings


def see_held(host: Host, section: Section, policies: Mapping[str, Policy]) -> list[Finding]:
    """Return the packages that somebody holds; worse where a security update waits for one."""
    findings = []
    for package, version in pairs(section.of("held")):
        policy = policy_of(policies, package)
        subject = package if package in policies or policy is None else package.partition(":")[0]
        if policy is None or policy.candidate == version:
            findings.append(host.finding("held", subject, Severity.LOW, f"held at {version}; nothing waits", version))
            continue
        severity, what = said_kind(policy)
        detail = f"held at {version}; {what} waits: {policy.candidate}"
        findings.append(host.finding("held", subject, severity, detail, policy.candidate))
    return findings


def see_kept_back(host: Host, section: Section, policies: Mapping[str, Policy], held: set[str]) -> list[Finding]:
    """Return what apt will not install; what is held is told apart, and phased updates come by themselves.

    A line of apt's: `NAME (OLD => NEW)`.
    """
    findings = []
    for line in section.of("back"):
        package, _, versions = line.partition(" ")
        policy = policy_of(policies, package)
        if package in held or (policy is not None and policy.is_phased):
            continue
        old, _, new = versions.strip("()").partition(" => ")
        severity, what = said_kind(policy)
        detail = f"{old} → {new}, {what}" if new else what
        findings.append(host.finding("kept-back", package, severity, detail, new))
    return findings


def said_kind(policy: Policy | None) -> tuple[Severity, str]:
    """Return how soon somebody has to act on an update that is not installed, and what it is."""
    is_security = policy is not None and policy.is_security
    return (Severity.HIGH, "a security update") if is_security else (Severity.LOW, "an update")


def pairs(lines: list[str]) -> list[tuple[str, str]]:
    """Return the first two words of each line that has them."""
    split = (line.split(" ") for line in lines)
    return [(words[0], words[1]) for words in split if len(words) >= 2]


def said_failure(section: Section) -> str:
    """Return why apt gave no plan, in its own words."""
    if section.status == 124:
        return "the pending updates are not known: apt-get took more than 120 s"
    reason = next(iter(section.of("E:")), "") or f"it ended with exit status {section.status}"
    return f"the pending updates are not known: apt-get: {reason}"


def see_apt_lists(host: Host, answer: Answer) -> Seen:
    """Return how fresh the lists are: by the stamp of the last success where one is kept, else by apt's folders."""
    section = answer.sections.get("apt_lists")
    if section is None:
        return Seen(problems=("the age of the package lists did not arrive whole",))
    told = [(int(at), path) for at, path in pairs(section.of("told")) if re.fullmatch(r"\d{1,11}", at, re.ASCII)]
    successes = [at for at, path in told if path.endswith("-stamp")]
    has_lists = bool(section.of("list"))
    newest = max(successes or [at for at, _ in told], default=None)
    periodic = dict(pairs(section.of("periodic")))
    is_automatic = section.says("unattended") and periodic.get("Unattended-Upgrade", "0") != "0"
    freshness = Freshness(
        told_at=newest if has_lists else None,
        expired=tuple(expired_lists(section, host.clock)),
        changed_at=next((int(at) for at, _ in pairs(section.of("stamp")) if at.isdecimal() and len(at) < 12), None),
        automatic="unattended-upgrades" if is_automatic else "none",
    )
    return see_lists(host, freshness)


def expired_lists(section: Section, clock: int) -> list[str]:
    """Return the lists whose own last day of validity is over: refreshing has failed since then."""
    expired = []
    for line in section.of("list"):
        path, mark, until = line.partition(":Valid-Until: ")
        if mark and (at := read_until(until)) is not None and at < clock:
            expired.append(path.rpartition("_dists_")[2].partition("_InRelease")[0].partition("_Release")[0])
    return expired


def read_until(text: str) -> float | None:
    """Return a moment such as `Sat, 28 Nov 2026 00:53:02 UTC`, or None."""
    try:
        return datetime.strptime(text.partition(", ")[2], "%d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
