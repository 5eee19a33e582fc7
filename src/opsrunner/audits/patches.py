"""The patch audit: one script for every host, and what its answer means."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path

from opsrunner.audits.answer import Answer, read_answer
from opsrunner.audits.apt import OF_UPDATES, see_apt, see_apt_lists
from opsrunner.audits.causes import CAUSES
from opsrunner.audits.conffiles import see_conffiles
from opsrunner.audits.reboots import see_reboot
from opsrunner.audits.releases import see_release
from opsrunner.audits.restarts import see_restart
from opsrunner.audits.rpm import see_dnf, see_dnf_lists
from opsrunner.audits.seen import Host, Seen, unite
from opsrunner.audits.systems import read_system, see_panel, see_system
from opsrunner.model.finding import HostReport

__all__ = ["CAUSES", "environment_of", "read_report", "script"]

NAME = "opsrunner-patches 1"
AUDITED = frozenset({"debian", "ubuntu", "rhel", "fedora", "centos", "centos-stream", "cloudlinux", "amzn"})
"""A system is audited where it, or what it says it is like, is one of these."""


@cache
def script() -> str:
    """Return the script that every host runs: POSIX sh, reads only, needs no root, uses no network."""
    return Path(__file__).with_name("patches.sh").read_text(encoding="utf-8")


def environment_of(wanted: Collection[str]) -> Mapping[str, str]:
    """Return the variables that the script reads: it leaves out what is dear and not `wanted`; nothing named is all."""
    return {"OPS_CAUSES": " ".join(sorted(wanted))} if wanted else {}


def read_report(host: str, output: bytes, *, now: datetime, wanted: Collection[str] = ()) -> HostReport:
    """Return what the script's standard output says of `host`; `now` is when it arrived. Never raises.

    Of the causes that were left out, nothing is said: not what was found, and not that it could not be looked at.

    A cause is examined only where its whole part of the answer came, and the host could look. Where the package lists
    are old, the updates they tell of are findings all the same, but nothing counts as looked for to the end.
    """
    answer = read_answer(output, NAME)
    if answer.began_at is None:
        return HostReport(host=host, examined=frozenset(), problems=("the audit's script gave no answer",))
    clock = answer.ended_at if answer.ended_at is not None else answer.began_at
    place = Host(name=host, system=read_system(answer.sections.get("system")), now=now, clock=clock)
    return unite(host, look(place, answer, frozenset(wanted) or frozenset(CAUSES)))


BY_ITSELF = {"end-of-life": see_release, "reboot": see_reboot, "conffiles": see_conffiles, "restart": see_restart}
"""What is looked at for one cause alone."""


def look(host: Host, answer: Answer, wanted: frozenset[str]) -> list[Seen]:
    """Return what each part saw."""
    parts = [see_system(host, answer), see_panel(host, answer)]
    if not host.system.name:
        return [*parts, Seen(problems=("the host did not say what system it is",))]
    if not is_audited(host, answer):
        return [*parts, Seen(problems=(f"{host.system.name} is not audited: only systems with apt, dnf or yum are",))]
    parts += [see(host, answer) for cause, see in BY_ITSELF.items() if cause in wanted]
    seen, lists = see_packages(host, answer)
    if lists.findings or "lists" not in lists.examined:
        seen = replace(seen, examined=seen.examined - OF_UPDATES)
    return [*parts, seen, lists]


def is_audited(host: Host, answer: Answer) -> bool:
    """Tell whether the host's family is known, and its package manager was found or should have been."""
    return bool(host.system.like & AUDITED) or has_part(answer, "apt") or has_part(answer, "dnf")


def see_packages(host: Host, answer: Answer) -> tuple[Seen, Seen]:
    """Return what waits, and how fresh the lists are, from whichever package manager answered."""
    if has_part(answer, "apt") or has_part(answer, "apt_lists"):
        return see_apt(host, answer), see_apt_lists(host, answer)
    if has_part(answer, "dnf") or has_part(answer, "dnf_lists"):
        return see_dnf(host, answer), see_dnf_lists(host, answer)
    return Seen(problems=("neither apt nor dnf nor yum answered: no update is known",)), Seen()


def has_part(answer: Answer, name: str) -> bool:
    """Tell whether a part of the answer began, whole or not."""
    return name in answer.sections or name in answer.broken
