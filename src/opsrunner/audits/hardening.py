"""How a host stands open: ports, SSH settings, accounts, root's logins, web roots, held against a baseline.

`script` is what a host runs, `read_report` what is made of its answer. Both are pure; the answer is data of somebody
else's and is never trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from opsrunner.audits.baseline import Baseline, environment_of
from opsrunner.audits.ports import CAUSE as PORT
from opsrunner.audits.ports import judge_ports
from opsrunner.audits.report import report_of
from opsrunner.audits.root_logins import CAUSE as ROOT_LOGIN
from opsrunner.audits.root_logins import judge_logins
from opsrunner.audits.sections import NOTHING_THERE, Sections, clean_subject, read_script, read_sections
from opsrunner.audits.seen import Seen
from opsrunner.audits.ssh_settings import CAUSE as SSH_SETTING
from opsrunner.audits.ssh_settings import judge_ssh
from opsrunner.audits.web_roots import CAUSE as WORLD_WRITABLE
from opsrunner.audits.web_roots import judge_web_roots
from opsrunner.model.finding import Cause, Finding, HostReport, Severity

__all__ = ["CAUSES", "Baseline", "environment_of", "read_report", "script"]

ROOT_ACCOUNT, NOT_LOCKED = "root-account", "empty-password"
CAUSES: Mapping[str, Cause] = {
    cause.name: cause
    for cause in (
        Cause(
            name=PORT,
            title="Close the ports that nobody outside needs",
            how="`ss -lntup` as root names the process. Bind it to `127.0.0.1` (`bind-address`, `listen`), stop it,"
            " or let the firewall keep it inside. What has to be open belongs into the routine's `allow_ports`.",
        ),
        Cause(
            name=SSH_SETTING,
            title="Tighten the settings of the SSH server",
            how="Keep a session open. Set it in `/etc/ssh/sshd_config.d/`, `sshd -t`, `systemctl reload ssh` "
            "(`sshd` on Red Hat's), and log in anew before you close the old one. The first line of a name is "
            "the one that counts.",
        ),
        Cause(
            name=ROOT_ACCOUNT,
            title="Remove the second root account",
            how="An account with uid 0 is root under another name, and a way back in for whoever made it. Ask who "
            "made it; if nobody knows, treat the host as taken over, and not as one to be tidied up.",
        ),
        Cause(
            name=NOT_LOCKED,
            title="Lock the accounts without a password",
            how="`passwd -l NAME` locks it; `passwd -S -a | awk '$2 == \"NP\"'` shows them all.",
        ),
        Cause(
            name=ROOT_LOGIN,
            title="Find out who logged in as root",
            how="`last -Fw root` and `journalctl -t sshd --since -7d | grep Accepted` show when and from where. Ask"
            " who it was. People log in by their own names; where root has to come from one place, "
            "`allow_root_from` names it.",
        ),
        Cause(
            name=WORLD_WRITABLE,
            title="Take away what anyone may write in web roots",
            how="`find ROOT -xdev -perm -0002 ! -type l` lists them; `chmod o-w` mends it. Look first whether "
            "something was already put there: `find ROOT -newermt '-7 days' -name '*.php'`.",
        ),
    )
}


def script() -> str:
    """Return the POSIX script that a host runs, with the variables of `environment_of`. It needs no root."""
    return read_script("hardening")


def read_report(host: str, output: bytes, *, now: datetime, baseline: Baseline | None = None) -> HostReport:
    """Judge what a host answered against what its site allows.

    Never raises, whatever the host wrote. A cause that could not be looked at to the end is not among the examined.
    """
    allowed = baseline or Baseline()
    answer = read_sections(output)
    parts: Mapping[str, Callable[[], Seen]] = {
        PORT: lambda: judge_ports(host, answer, allowed),
        SSH_SETTING: lambda: judge_ssh(host, answer, allowed),
        ROOT_ACCOUNT: lambda: _root_accounts(host, answer, allowed),
        NOT_LOCKED: lambda: _empty_passwords(host, answer),
        ROOT_LOGIN: lambda: judge_logins(host, answer, allowed, now=now),
        WORLD_WRITABLE: lambda: judge_web_roots(host, answer),
    }
    looked = [judge() for cause, judge in parts.items() if cause not in allowed.without]
    return report_of(host, answer, looked, without=allowed.without)


def _root_accounts(host: str, answer: Sections, baseline: Baseline) -> Seen:
    problem = answer.problem("accounts", "accounts")
    accounts = [line.partition(" ") for line in answer.lines("accounts")]
    if not problem and not any(name == "root" for name, _, _ in accounts):
        problem = "accounts: the host tells of no root"
    others = [(name, shell) for name, _, shell in accounts if name not in ("root", *baseline.allow_root_accounts)]
    return Seen(
        examined=frozenset() if problem else frozenset({ROOT_ACCOUNT}),
        findings=tuple(
            Finding(
                host=host,
                cause=ROOT_ACCOUNT,
                subject=clean_subject(name) or "without a name",
                severity=Severity.HIGH,
                detail=f"has uid 0, shell {clean_subject(shell) or 'none'}",
            )
            for name, shell in others
        ),
        problems=(problem,) if problem else (),
        facts={"root_accounts": len(accounts)},
    )


def _empty_passwords(host: str, answer: Sections) -> Seen:
    problem = answer.problem("empty-passwords", "empty passwords")
    section = answer.by_name.get("empty-passwords")
    if section is not None and section.code == NOTHING_THERE:
        problem = "empty passwords: there is no /etc/shadow to tell"
    names = [clean_subject(line) for line in answer.lines("empty-passwords")]
    return Seen(
        examined=frozenset() if problem else frozenset({NOT_LOCKED}),
        findings=tuple(
            Finding(
                host=host,
                cause=NOT_LOCKED,
                subject=name or "without a name",
                severity=Severity.CRITICAL,
                detail="logs in without a password wherever one would be asked for",
            )
            for name in names
        ),
        problems=(problem,) if problem else (),
    )
