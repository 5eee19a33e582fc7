"""What the host is: its system, its kernel, its panel, its clock."""

from __future__ import annotations

import re
from typing import Any

from opsrunner.audits.answer import Answer, Section
from opsrunner.audits.seen import Host, Seen, System
from opsrunner.model.finding import Severity

CLOCK_SECONDS = 5 * 60
"""A clock that is further off than this is a finding."""
PANELS = {"/usr/local/cpanel/version": "cPanel", "/usr/local/psa/version": "Plesk", "directadmin": "DirectAdmin"}


def read_system(section: Section | None) -> System:
    """Return what the host is; with all empty where it did not say."""
    if section is None:
        return System()
    told = dict(line.split("=", 1) for line in section.lines if re.match(r"[A-Z_]+=", line))
    told = {key: value.strip().strip("\"'") for key, value in told.items()}
    kernel = first(section.of("kernel")).split(" ")
    uptime = first(section.of("uptime"))
    red_hat = first(section.of("redhat-release"))
    system_id, version = told.get("ID", "").lower(), told.get("VERSION_ID", "")
    if not system_id and red_hat:  # release 6 has no os-release
        found = re.match(r"(\w+).*?release (\d+)", red_hat)
        system_id, version = (found[1].lower(), found[2]) if found else ("", "")
    if system_id == "centos" and "stream" in (told.get("NAME", "") + red_hat).lower():
        system_id = "centos-stream"
    return System(
        id=system_id,
        like=frozenset({system_id, *told.get("ID_LIKE", "").lower().split()}),
        version=version,
        name=name_of(section, told, system_id),
        kernel=kernel[1] if len(kernel) > 1 else "",
        build=first(section.of("build")),
        is_root=first(section.of("user")) == "0",
        is_container=section.says("container"),
        uptime_seconds=int(uptime) if re.fullmatch(r"\d{1,11}", uptime, re.ASCII) else None,
    )


def name_of(section: Section, told: dict[str, str], system_id: str) -> str:
    """Return the system's name for people, with the point release where another file tells it."""
    point = first(section.of("debian_version"))
    if system_id == "debian" and re.match(r"\d", point):
        return f"Debian {point}"
    return first(section.of("redhat-release")) or told.get("PRETTY_NAME") or told.get("NAME") or system_id


def first(lines: list[str]) -> str:
    """Return the first of `lines`, or nothing."""
    return lines[0].strip() if lines else ""


def see_system(host: Host, answer: Answer) -> Seen:
    """Return what is worth showing of any host, and its clock where that is off."""
    system = host.system
    facts: dict[str, Any] = {"system": system.name or "unknown", "id": system.id, "version": system.version}
    facts |= {"kernel": system.kernel, "seconds": max(0, (answer.ended_at or host.clock) - (answer.began_at or 0))}
    if system.uptime_seconds is not None:
        facts["uptime_days"] = system.uptime_seconds // 86400
    if answer.ended_at is None:
        return Seen(facts=facts, problems=("the answer is cut: its end did not arrive",))
    off = answer.ended_at - round(host.now.timestamp())
    facts["clock_off_seconds"] = off
    if abs(off) <= CLOCK_SECONDS:
        return Seen(examined=frozenset({"clock"}), facts=facts)
    way = "ahead" if off > 0 else "behind"
    detail = f"{said_seconds(abs(off))} {way}"
    finding = host.finding("clock", "", Severity.MEDIUM, detail)
    return Seen(examined=frozenset({"clock"}), findings=(finding,), facts=facts)


def said_seconds(seconds: int) -> str:
    """Return a duration in its two largest units."""
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"


def see_panel(_host: Host, answer: Answer) -> Seen:
    """Return the panel and its version, where there is one."""
    section = answer.sections.get("panel")
    if section is None:
        return Seen()
    for mark, name in PANELS.items():
        told = first(section.of(mark))
        version = re.search(r"\d+(\.\d+)+", told)
        if version:
            return Seen(facts={"panel": f"{name} {version[0]}"})
        if told:
            return Seen(facts={"panel": name})
    return Seen(facts={"panel": ""})
