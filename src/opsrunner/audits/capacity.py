"""How full a host is: file systems with their trend, load, memory, swap, mail queues and certificates.

`script` is what a host runs, `read_report` what is made of its answer. Both are pure; the answer is data of somebody
else's and is never trusted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from opsrunner.audits.certificates import CAUSE as CERTIFICATE
from opsrunner.audits.certificates import judge_certificates
from opsrunner.audits.file_systems import judge_file_systems
from opsrunner.audits.limits import Limits, Lines, environment_of
from opsrunner.audits.report import report_of
from opsrunner.audits.sections import Sections, read_script, read_sections
from opsrunner.audits.seen import Seen
from opsrunner.audits.trend import Sample, days_until_full
from opsrunner.model.finding import Cause, Finding, HostReport, Severity

__all__ = ["CAUSES", "Limits", "Lines", "Sample", "days_until_full", "environment_of", "read_report", "script"]

CAUSES: Mapping[str, Cause] = {
    cause.name: cause
    for cause in (
        Cause(
            name="disk",
            title="Make room on the disk",
            how="See what is big: `du -xh --max-depth=2 MOUNT | sort -h | tail -n 20`. Old kernels, logs, forgotten"
            " dumps and deleted files that a service still holds open (`lsof +L1`) come first. Where it grows "
            "every day, move an account or order a bigger disk before it is full.",
        ),
        Cause(
            name="inodes",
            title="Remove what uses up the inodes",
            how="Many small files: sessions, caches, mail. `du -x --inodes --max-depth=3 MOUNT | sort -n | tail -n "
            "20` shows where they are. A disk without free inodes is full, whatever room it has.",
        ),
        Cause(
            name="load",
            title="Find what keeps the processors busy",
            how="`uptime`, `ps -eo pcpu,pid,user,args --sort=-pcpu | head`, and `vmstat 5`: many processes in state"
            " D wait for the disk. It is the mean of 15 minutes, so this is no short burst.",
        ),
        Cause(
            name="memory",
            title="Find what uses the memory",
            how="`ps -eo rss,pid,user,args --sort=-rss | head`; look for `Out of memory` in `journalctl -k`. Then "
            "bound the service, or give the host more.",
        ),
        Cause(
            name="swap",
            title="See why the host swaps",
            how="`vmstat 5`: pages that go in and out all the time (`si`, `so`) slow everything down. What lies in "
            "swap and is never asked for does no harm; accept it then.",
        ),
        Cause(
            name="mail-queue",
            title="See why mail waits",
            how="`exim -bp | exiqsumm` or `qshape deferred`: one receiver that refuses, or one account that sends "
            "without end? Stop that account first; look whether the host's address is on a block list.",
        ),
        Cause(
            name=CERTIFICATE,
            title="Renew the certificate",
            how="`certbot renew --dry-run` or the panel's AutoSSL log tells why it was not renewed. Afterwards look"
            " at what the service serves: one that was not reloaded goes on with the old one. Remove what "
            "nothing uses any more.",
        ),
    )
}
_NUMBER = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,6})?\Z")
_MEMORY = re.compile(r"([A-Za-z]{1,20}):? ([0-9]{1,15})\Z")
_POSTFIX = re.compile(r"-- [0-9]+ [KMG]?[Bb]ytes in ([0-9]{1,9}) Requests?\.\Z")


def script() -> str:
    """Return the POSIX script that a host runs, with the variables of `environment_of`. It needs no root."""
    return read_script("capacity")


def read_report(
    host: str,
    output: bytes,
    *,
    now: datetime,
    limits: Limits | None = None,
    past: Mapping[str, Sequence[Sample]] | None = None,
) -> HostReport:
    """Judge what a host answered. `past` has the samples of earlier audits of this host, by mount point.

    Never raises, whatever the host wrote. A cause that could not be looked at to the end is not among the examined.
    The facts are one row, and under `samples` what is to be kept for the trend.
    """
    lines = limits or Limits()
    answer = read_sections(output)
    parts: Mapping[tuple[str, ...], Callable[[], Seen]] = {
        ("disk", "inodes"): lambda: judge_file_systems(host, answer, now=now, limits=lines, past=past or {}),
        ("load",): lambda: _load(host, answer, lines),
        ("memory", "swap"): lambda: _memory(host, answer, lines),
        ("mail-queue",): lambda: _mail_queue(host, answer, lines),
        (CERTIFICATE,): lambda: judge_certificates(host, answer, now=now, limits=lines),
    }
    looked = [judge() for causes, judge in parts.items() if not lines.without.issuperset(causes)]
    return report_of(host, answer, looked, without=lines.without)


def _load(host: str, answer: Sections, limits: Limits) -> Seen:
    words = {line.partition(" ")[0]: line.split() for line in answer.lines("load")}
    cores, load = _number(words.get("cores", []), 1), _number(words.get("load", []), 3)
    problem = answer.problem("load", "load")
    if problem or not cores or load is None:
        return Seen(problems=(problem or "load: the host does not tell it",))
    per_core = round(load / cores, 2)
    severity = limits.load_per_core.above(per_core)
    detail = f"{per_core:g} per core over 15 minutes, {cores:g} cores"
    return Seen(
        examined=frozenset({"load"}),
        findings=_measured(host, "load", severity=severity, detail=detail),
        facts={"load_per_core": per_core, "cores": int(cores)},
    )


def _memory(host: str, answer: Sections, limits: Limits) -> Seen:
    matches = (_MEMORY.match(line) for line in answer.lines("memory"))
    kilobytes = {match[1]: int(match[2]) for match in matches if match}
    problem = answer.problem("memory", "memory")
    total = kilobytes.get("MemTotal", 0)
    free = kilobytes.get("MemAvailable", _available_before_linux_3_14(kilobytes))
    if problem or not total or free is None:
        return Seen(problems=(problem or "memory: the host does not tell it",))
    available = round(min(100.0, 100 * free / total), 1)
    swap = _swap_percent(kilobytes)
    return Seen(
        examined=frozenset({"memory", "swap"}),
        findings=(
            *_measured(
                host,
                "memory",
                severity=limits.memory_available_percent.below(available),
                detail=f"{available:g} % of {total / 1024**2:.1f} GB is available",
            ),
            *_measured(host, "swap", severity=limits.swap_percent.above(swap), detail=f"{swap:g} % is used"),
        ),
        facts={"memory_available_percent": available, "swap_percent": swap},
    )


def _available_before_linux_3_14(kilobytes: Mapping[str, int]) -> int | None:
    if "MemFree" not in kilobytes:
        return None
    return sum(kilobytes.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))


def _swap_percent(kilobytes: Mapping[str, int]) -> float:
    total = kilobytes.get("SwapTotal", 0)
    used = total - kilobytes.get("SwapFree", total)
    return round(min(100.0, max(0.0, 100 * used / total)), 1) if total else 0.0


def _mail_queue(host: str, answer: Sections, limits: Limits) -> Seen:
    problem = answer.problem("mail-queue", "mail queue")
    waiting: dict[str, int] = {}
    problems = [problem] if problem else []
    for line in answer.lines("mail-queue"):
        server, _, told = line.partition(" ")
        if server not in ("exim", "postfix"):
            continue
        count = _waiting(server, told)
        if count is None:
            problems.append(f"mail queue: this account may not read the one of {server}")
        else:
            waiting[server] = count
    findings = (
        _measured(
            host, "mail-queue", subject=server, severity=limits.mail_queue.above(count), detail=f"{count} mails wait"
        )
        for server, count in waiting.items()
    )
    return Seen(
        examined=frozenset() if problems else frozenset({"mail-queue"}),
        findings=tuple(finding for found in findings for finding in found),
        problems=tuple(problems),
        facts={"mail_queue": sum(waiting.values()) if waiting else None},
    )


def _waiting(server: str, told: str) -> int | None:
    """Return how many mails wait; None where the server did not say."""
    if server == "postfix":
        match = _POSTFIX.match(told)
        return int(match[1]) if match else 0 if told == "Mail queue is empty" else None
    return int(told) if re.fullmatch(r"[0-9]{1,9}", told) else None


def _number(words: Sequence[str], place: int) -> float | None:
    return float(words[place]) if len(words) > place and _NUMBER.match(words[place]) else None


def _measured(
    host: str, cause: str, *, severity: Severity | None, detail: str, subject: str = ""
) -> tuple[Finding, ...]:
    """Return the finding where a measure is past its lines. It is marked with its severity: worse comes up anew."""
    if severity is None:
        return ()
    return (Finding(host=host, cause=cause, subject=subject, severity=severity, detail=detail, mark=severity.value),)
