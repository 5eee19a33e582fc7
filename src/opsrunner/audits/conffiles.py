"""Configuration files that an update laid beside the ones in force."""

from __future__ import annotations

import re

from opsrunner.audits.answer import Answer, Section
from opsrunner.audits.seen import Host, Seen
from opsrunner.model.finding import Severity

WAITING = (".dpkg-dist", ".dpkg-new", ".ucf-dist", ".ucf-new", ".rpmnew", ".rpmsave")
WEIGHTY = ("/etc/ssh/", "/etc/pam.d/", "/etc/sudoers", "/etc/security/", "/etc/ssl/")
"""A difference here can be a hole."""
MOST_LINES = 1000
CLOSED = re.compile(r"find: .?/etc/.+: Permission denied\Z")
"""A folder that the account may not read: some are for root alone everywhere, such as `/etc/ssl/private`."""


def see_conffiles(host: Host, answer: Answer) -> Seen:
    """Return a finding a file that waits; folders that the account may not read are counted as a fact.

    They are no problem, but keep the cause from being examined: what waits there may have been seen with more rights.
    """
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
    unread = sum(bool(CLOSED.match(line)) for line in section.lines)
    facts = {"conffiles": len(findings), "conffiles_unread": unread}
    problem = doubt_of(section)
    return Seen(
        examined=frozenset() if problem or unread else frozenset({"conffiles"}),
        findings=tuple(findings),
        facts=facts,
        problems=(problem,) if problem else (),
    )


def doubt_of(section: Section) -> str:
    """Return why the list of files is not to be relied on, in the host's own words; '' where it is."""
    if section.status:
        return f"the configuration files that wait are not known: the look ended with exit status {section.status}"
    for line in section.lines:
        if not line.startswith("/etc/") and not CLOSED.match(line):
            return f"the configuration files that wait are not known: {line}"
    return "more configuration files wait than are listed" if len(section.lines) >= MOST_LINES else ""
