"""File systems, as the capacity audit's script tells of them: room, inodes, and when they are full."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from opsrunner.audits.limits import Limits
from opsrunner.audits.sections import Sections, clean_subject
from opsrunner.audits.seen import Seen
from opsrunner.audits.trend import Sample, days_until_full
from opsrunner.model.finding import Finding, Severity
from opsrunner.records import dataclass

_COUNTS = re.compile(r"\s([0-9]{1,18})\s+([0-9]{1,18})\s+(-?[0-9]{1,18})\s+(?:[0-9]+%|-)\s+/")
"""`df -P`: all, used, available; the used and available ones are what an account can have."""
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """One file system. None where the host did not tell; `inodes` is None too where it has no limit of them."""

    mount: str
    used_bytes: int | None = None
    size_bytes: int | None = None
    """What its users can have: without what is kept back for root."""
    inodes_percent: float | None = None
    has_inodes: bool = False
    """The host told of inodes, be it that there is no limit."""

    @property
    def percent(self) -> float | None:
        """How much of it is used, of what its users can have."""
        return _percent(self.used_bytes, self.size_bytes)


def judge_file_systems(
    host: str, answer: Sections, *, now: datetime, limits: Limits, past: Mapping[str, Sequence[Sample]]
) -> Seen:
    """Judge room and inodes of every file system, and its trend from past samples and this one."""
    problem = answer.problem("file-systems", "disks")
    lines = answer.lines("file-systems")
    systems = _read(lines)
    silent = [system.mount for system in systems if system.percent is None]
    uncounted = [system.mount for system in systems if not system.has_inodes]
    all_seen = bool(systems) and not problem and "more" not in lines
    days = {system.mount: _days(system, now=now, past=past.get(system.mount, ())) for system in systems}
    return Seen(
        examined=frozenset({"disk"} if all_seen and not silent else ())
        | frozenset({"inodes"} if all_seen and not uncounted else ()),
        findings=(
            *(found for system in systems if (found := _disk(host, system, days[system.mount], limits))),
            *(found for system in systems if (found := _inodes(host, system, limits))),
        ),
        problems=tuple(_problems(problem, systems, silent, uncounted, limits.without, has_more="more" in lines)),
        facts=_facts(systems, days),
    )


def _problems(
    problem: str,
    systems: Sequence[FileSystem],
    silent: Sequence[str],
    uncounted: Sequence[str],
    without: Collection[str],
    *,
    has_more: bool,
) -> list[str]:
    """Return what could not be looked at of what the site wants looked at, each mount point once."""
    if problem:
        return [problem]
    if not systems:
        return ["disks: the host tells of no file system"]
    mute = [] if "disk" in without else silent
    told = [f"disks: {mount} did not answer" for mount in mute]
    if "inodes" not in without:
        told += [f"inodes: {mount} does not tell them" for mount in uncounted if mount not in mute]
    return [*told, f"disks: only {len(systems)} file systems were looked at, there are more"] if has_more else told


def _read(lines: Sequence[str]) -> list[FileSystem]:
    found: dict[str, dict[str, Any]] = {}
    mount = ""
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "mount":
            mount = clean_subject(_OCTAL.sub(lambda octal: chr(int(octal[1], 8)), rest.partition(" ")[2]))
            if mount:
                found.setdefault(mount, {})
        elif mount and word in ("kilobytes", "inodes") and (counts := _COUNTS.search(rest)):
            found[mount].update(_measures(word, *(int(count) for count in counts.groups())))
    systems = [FileSystem(mount=mount, **measures) for mount, measures in found.items()]
    return [system for system in systems if system.size_bytes != 0]


def _measures(word: str, everything: int, used: int, available: int) -> dict[str, Any]:
    usable = used + max(0, available)
    if word == "kilobytes":
        return {"used_bytes": used * 1024, "size_bytes": usable * 1024}
    return {"has_inodes": True, "inodes_percent": _percent(used, usable) if everything else None}


def _percent(used: int | None, usable: int | None) -> float | None:
    return round(100 * used / usable, 1) if used is not None and usable else None


def _days(system: FileSystem, *, now: datetime, past: Sequence[Sample]) -> float | None:
    if system.used_bytes is None or system.size_bytes is None:
        return None
    return days_until_full([*past, (now, system.used_bytes, system.size_bytes)], now)


def _disk(host: str, system: FileSystem, days: float | None, limits: Limits) -> Finding | None:
    if system.percent is None or system.size_bytes is None:
        return None
    by_room = limits.disk_percent.above(system.percent, worst=Severity.CRITICAL)
    by_trend = limits.days_until_full.below(days) if days is not None else None
    severities = [severity for severity in (by_room, by_trend) if severity]
    if not severities:
        return None
    detail = f"{system.percent:g} % of {_size(system.size_bytes)}"
    if days is not None:
        detail += f", full in about {days:.0f} days" if days >= 2 else ", full within 2 days"
    return _found(host, "disk", system.mount, severity=min(severities, key=lambda one: one.rank), detail=detail)


def _inodes(host: str, system: FileSystem, limits: Limits) -> Finding | None:
    percent = system.inodes_percent
    severity = limits.inodes_percent.above(percent, worst=Severity.CRITICAL) if percent is not None else None
    if severity is None:
        return None
    return _found(host, "inodes", system.mount, severity=severity, detail=f"{percent:g} % are used")


def _found(host: str, cause: str, mount: str, *, severity: Severity, detail: str) -> Finding:
    return Finding(host=host, cause=cause, subject=mount, severity=severity, detail=detail, mark=severity.value)


def _facts(systems: Sequence[FileSystem], days: Mapping[str, float | None]) -> dict[str, Any]:
    fullest = max(systems, key=lambda system: system.percent or 0.0, default=None)
    known_days = [value for value in days.values() if value is not None]
    return {
        "disk_percent": fullest.percent if fullest else None,
        "disk_mount": fullest.mount if fullest else None,
        "inodes_percent": max((system.inodes_percent or 0.0 for system in systems if system.has_inodes), default=None),
        "days_until_full": round(min(known_days), 1) if known_days else None,
        "samples": [
            {"mount": system.mount, "used_bytes": system.used_bytes, "size_bytes": system.size_bytes}
            for system in systems
            if system.used_bytes is not None and system.size_bytes is not None
        ],
    }


def _size(size_bytes: int) -> str:
    """Return a size as people say it: decimal units would not be those of `df -h`."""
    gigabytes = size_bytes / 1024**3
    return f"{gigabytes / 1024:.1f} TB" if gigabytes >= 1024 else f"{gigabytes:.{0 if gigabytes >= 10 else 1}f} GB"
