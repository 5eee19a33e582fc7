"""Configuration files that an update laid beside the ones in force."""

from __future__ import annotations

from opsrunner.audits.answer import Answer
from opsrunner.audits.seen import Host, Seen
from opsrunner.model.finding import Severity

WAITING = (".dpkg-dist", ".dpkg-new", ".ucf-dist", ".ucf-new", ".rpmnew", ".rpmsave")
WEIGHTY = ("/etc/ssh/", "/etc/pam.d/", "/etc/sudoers", "/etc/security/", "/etc/ssl/")
"""A difference here can be a hole."""
MOST_LINES = 1000


def see_conffiles(host: Host, answer: Answer) -> Seen:
    """Return a finding a file that waits; folders that the account may not read are counted as a fact."""
    section = answer.sections.get("conffiles")
    if section is None:
        return Seen(problems=("the configuration files that wait did not arrive whole",))
    findings = []
    for path in section.lines:
        ending = next((ending for ending in WAITING if path.endswith(ending)), "")
        if not path.startswith("/etc/") or not ending:
            continue
        is_weighty = path.startswith(WEIGHTY) or ending == ".dpkg-new"
        severity = Severity.MEDIUM if is_weighty else Severity.LOW
        findings.append(host.finding("conffiles", path.removesuffix(ending), severity, f"{path} waits beside it"))
    unread = sum(line.startswith("find: ") for line in section.lines)
    facts = {"conffiles": len(findings), "conffiles_unread": unread}
    if len(section.lines) >= MOST_LINES:
        return Seen(findings=tuple(findings), facts=facts, problems=("more configuration files wait than are listed",))
    return Seen(examined=frozenset({"conffiles"}), findings=tuple(findings), facts=facts)
