"""Which services still run programs or libraries that an update has replaced."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from opsrunner.audits.answer import Answer, Section
from opsrunner.audits.seen import Host, Seen
from opsrunner.model.finding import Severity

IN_A_CONTAINER = re.compile(r"docker|kubepods|libpod|/lxc|machine\.slice")

MOST_MAPS = 2000
"""So many lines of mapped files the script sends."""


def see_restart(host: Host, answer: Answer) -> Seen:
    """Return a finding a service; by root from its memory, by anybody else from when it started."""
    section = answer.sections.get("restart")
    if section is None:
        return Seen(problems=("the services to restart did not arrive whole",))
    replaced = from_memory(section)
    for unit in section.of("service"):
        replaced[unit.strip().removesuffix(".service")].update(())
    for unit, files in from_starts(section):
        replaced[unit].update(files)
    findings = tuple(
        host.finding("restart", unit, Severity.MEDIUM, said_files(files)) for unit, files in sorted(replaced.items())
    )
    facts = {"restart": len(findings), "restart_by": "memory"}
    if len(section.of("maps")) >= MOST_MAPS:
        problem = f"services to restart: more than {MOST_MAPS} replaced files are in use, not all were looked at"
        return Seen(findings=findings, facts=facts, problems=(problem,))
    if section.says("user 0"):
        return Seen(examined=frozenset({"restart"}), findings=findings, facts=facts)
    facts["restart_by"] = "start of services"
    if section.of("boot") and section.of("unit"):
        return Seen(examined=frozenset({"restart"}), findings=findings, facts=facts)
    problem = "services to restart: without root and without systemd only this account's own processes can be seen"
    if section.of("boot"):
        problem = "services to restart: systemd told this account of no service"
    return Seen(findings=findings, facts=facts | {"restart_by": ""}, problems=(problem,))


def said_files(files: Iterable[str]) -> str:
    """Return which replaced files a service still runs, in words."""
    names = sorted({path.rpartition("/")[2] for path in files})
    return f"still runs the old {', '.join(names)}" if names else "needrestart asks for it"


def from_memory(section: Section) -> dict[str, set[str]]:
    """Return of each service, or program outside of any, the replaced files that it has mapped."""
    owners = {}
    for line in section.of("process"):
        pid, _, rest = line.partition(" ")
        program, _, group = rest.rpartition(" ")
        owners[pid] = owner_of(program, group)
    replaced: dict[str, set[str]] = defaultdict(set)
    for line in section.of("maps"):
        pid, _, path = line.partition(" ")
        if owners.get(pid):
            replaced[owners[pid]].add(path)
    return replaced


def owner_of(program: str, group: str) -> str:
    """Return the service of a control group such as `0::/system.slice/nginx.service`; '' for a container's."""
    if IN_A_CONTAINER.search(group):
        return ""
    services = [part for part in group.split("/") if part.endswith(".service") and not part.startswith("user@")]
    return services[-1].removesuffix(".service") if services else program.strip()


def from_starts(section: Section) -> Iterable[tuple[str, set[str]]]:
    """Yield services that started before their program, or a library that it names, was replaced."""
    boot = seconds_of(next(iter(section.of("boot")), ""))
    if boot is None:
        return
    programs = changes(section, "program")
    libraries: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for path, at in changes(section, "library").items():
        libraries[stem_of(path)].append((at, path))
    named = {words[0]: words[1:] for line in section.of("uses") if (words := line.split(" "))}
    for line in section.of("unit"):
        words = line.split(" ")
        if len(words) != 3 or (start := seconds_of(words[1])) is None:
            continue
        started_at, program = boot + start // 1_000_000, words[2]
        files = {program} if programs.get(program, 0) > started_at else set()
        for library in named.get(program, ()):
            files |= {path for at, path in libraries.get(library.removesuffix(".so"), ()) if at > started_at}
        if files:
            yield words[0].removesuffix(".service"), files


def changes(section: Section, kind: str) -> Mapping[str, int]:
    """Return of each file when it was put in place."""
    changed = {}
    for line in section.of(kind):
        at, _, path = line.partition(" ")
        if (seconds := seconds_of(at)) is not None:
            changed[path] = seconds
    return changed


def stem_of(path: str) -> str:
    """Return `libc` for `/usr/lib/libc.so.6` and for `libc-2.31.so`."""
    return re.sub(r"-[\d.]+$", "", path.rpartition("/")[2].partition(".so")[0])


def seconds_of(word: str) -> int | None:
    """Return a whole number that the host wrote, or None."""
    return int(word) if re.fullmatch(r"\d{1,18}", word, re.ASCII) else None
