"""Answers of the patch audit's script, made for a test or read from tests/data/audits."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from opsrunner.audits.patches import read_report
from opsrunner.model.finding import Finding, HostReport

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = int(NOW.timestamp())
DATA = Path(__file__).parents[2] / "data/audits"
SYSTEM = """\
kernel Linux 6.1.0-18-amd64
build #1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)
user 0
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
VERSION_ID="12"
ID=debian
uptime 864000"""
LISTS = f"""\
told {AT - 3600} /var/lib/apt/lists
list security.debian.org_dists_bookworm-security_InRelease:Date: Sat, 21 Nov 2026 00:53:02 UTC"""
KNOWN = "states known\npolicies known"
"""What apt's part says where both could be asked."""
WHOLE = {
    "system": SYSTEM,
    "panel": "",
    "apt": KNOWN,
    "apt_lists": LISTS,
    "reboot": "",
    "conffiles": "",
    "restart": "user 0",
}


def answer(began_at: int = AT, ended_at: int = AT, **parts: str) -> bytes:
    """Return what a host would print: a Debian 12 without anything to do, but for the parts given."""
    lines = [f"@begin opsrunner-patches 1 {began_at}"]
    for name, text in (WHOLE | parts).items():
        body = text.splitlines()
        lines += [f"@{name}", *(f" {line}" for line in body), f"@{name} 0 {len(body)}"]
    return "\n".join([*lines, f"@end {ended_at}", ""]).encode("utf-8", "surrogateescape")


def report(output: bytes | None = None, *, now: datetime = NOW, **parts: str) -> HostReport:
    return read_report("web1", answer(AT, AT, **parts) if output is None else output, now=now)


def of_cause(told: HostReport, cause: str) -> dict[str, Finding]:
    return {finding.subject: finding for finding in told.findings if finding.cause == cause}


def stored(name: str) -> bytes:
    return (DATA / f"{name}.txt").read_bytes()
