"""The whole patch audit of many hosts, by `opsrunner run`, beside the bare fan-out of the same script.

Whole means all of it: the program's start, every host's answer read, its findings in the ledger with those of the audit
before. Bare means that the script runs on every host, and nobody reads what it says. Hundreds of hosts share the
processors here, where each had its own elsewhere; so what takes most of a host's time, its package manager, says again
what the real one of this machine has said once.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.backup_site import PROGRAM, scratch
from benchmarks.fleet_turn import write_question
from benchmarks.measure import Figure, seconds_of
from benchmarks.turns import ROOT
from tests.farm import Farm, Quirks, farming

from opsrunner.audits import patches

TURNS = 3
FEW, MANY, MOST = 50, 200, 500
REMEMBERED = ("apt-get", "apt-cache", "dpkg-query", "dnf", "yum", "rpm")
REMEMBER = """\
#!/bin/sh
kept={folder}/{name}-$(printf %s "$*" | cksum | tr ' ' -)
[ -e "$kept" ] || {{ {program} "$@" > "$kept.$$"; echo $? > "$kept.$$.code"
  mv "$kept.$$.code" "$kept.code"; mv "$kept.$$" "$kept"; }}
cat "$kept"; exit "$(cat "$kept.code")"
"""
"""A command that says what the real one said to the same words."""
SITE = """\
site: Example Hosting
timezone: UTC
people: {boss: {name: The owner, email: owner@example.com, roles: [owner]}}
"""
ROUTINE = """\
name: Audit
accountable: owner
steps:
  - id: audit
    patch_audit: {{hosts: [{hosts}]}}
    timeout: 1h
"""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit took: the whole program, and of that the step."""

    seconds: float
    step_seconds: float


def figures() -> Iterator[Figure]:
    """Yield the audit of 200 hosts beside the bare fan-out, then what one of 500 hosts takes beside one of 50."""
    with scratch() as folder, _farming(folder) as farm:
        site = _write_site(folder / "site", farm)
        bare = _write_bare(folder / "bare", farm)
        _audit(site, 1)  # so that the hosts remember
        few, many, most, bare_seconds = list[Audit](), list[Audit](), list[Audit](), list[float]()
        for _ in range(TURNS):
            few.append(_audit(site, FEW))
            bare_seconds.append(seconds_of(lambda: _fan_out(bare)))
            many.append(_audit(site, MANY))
            few.append(_audit(site, FEW))
            most.append(_audit(site, MOST))
            few.append(_audit(site, FEW))
    yield Figure(
        name=f"{MANY} hosts, the whole patch audit",
        ours=statistics.median(audit.seconds for audit in many),
        unit="s",
        peer="the bare fan-out of the same script",
        theirs=statistics.median(bare_seconds),
        most=1.3,
    )
    yield Figure(
        name=f"{MOST} hosts, a patch audit: each",
        ours=_milliseconds_each(most, MOST),
        unit="ms",
        peer=f"each of {FEW}",
        theirs=_milliseconds_each(few, FEW),
        most=1.1,
    )


def _farming(folder: Path) -> AbstractContextManager[Farm]:
    """Return the hosts. Each sees its own processes alone, where root may have it so: a script reads them all."""
    return farming(folder / "farm", MOST, quirks=_quirks(folder), own_processes=os.geteuid() == 0)


def _quirks(folder: Path) -> dict[str, Quirks]:
    (folder / "remembered").mkdir()
    scripts = {}
    for name in REMEMBERED:
        found = [path / name for path in (Path("/usr/bin"), Path("/bin")) if (path / name).exists()]
        if found:
            scripts[name] = REMEMBER.format(folder=folder / "remembered", name=name, program=found[0])
    return {f"web{number}": Quirks(commands=scripts) for number in range(1, MOST + 1)}


def _write_site(root: Path, farm: Farm) -> Path:
    """Write a site with a routine for each number of hosts, and return it."""
    (root / "routines").mkdir(mode=0o700, parents=True)
    files = {"opsrunner.yaml": SITE + farm.inventory()}
    for count in (1, FEW, MANY, MOST):
        files[f"routines/audit-{count}.yaml"] = ROUTINE.format(hosts=", ".join(list(farm.hosts)[:count]))
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
        (root / name).chmod(0o600)
    farm.pin(root / "var" / "known_hosts")
    return root


def _audit(site: Path, count: int) -> Audit:
    """Audit that many hosts. Raises RuntimeError where one of them was not."""
    verb = [str(PROGRAM), "run", f"audit-{count}", "--json", "--as", "boss", "--site", str(site)]
    began = time.perf_counter()
    said = _said_by(verb, fine=(0, 1))  # 1: something was found
    seconds = time.perf_counter() - began
    (step,) = json.loads(said)["steps"]
    audited = [part for part in step["parts"] if part["status"] in ("succeeded", "warning")]
    if len(audited) != count:
        raise RuntimeError(f"{count - len(audited)} hosts were not audited: {step['message']}")
    return Audit(seconds=seconds, step_seconds=step["seconds"])


def _write_bare(folder: Path, farm: Farm) -> Path:
    folder.mkdir()
    farm.pin(folder / "known_hosts")
    write_question(folder, list(farm.hosts.values())[:MANY], patches.script())
    return folder


def _fan_out(folder: Path) -> None:
    (turn,) = json.loads(_said_by([sys.executable, "-m", "benchmarks.fleet_turn", "cold", str(folder)]))
    ended = sum("@end" in said for said in turn["said"])
    if ended != MANY:
        raise RuntimeError(f"the script came to its end on {ended} of {MANY} hosts")


def _said_by(command: Sequence[str], *, fine: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode not in fine:
        raise RuntimeError(f"{command[0]}: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout


def _milliseconds_each(audits: Sequence[Audit], count: int) -> float:
    return 1000 * statistics.median(audit.step_seconds for audit in audits) / count
