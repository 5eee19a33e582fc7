"""Hosts that are reached through others: the names in `jump`, and the hosts that they mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from opsrunner.config.mistakes import did_you_mean
from opsrunner.config.report import Report
from opsrunner.model.site import Host

MOST_JUMPS = 3
"""How many hosts may stand between us and another."""


def note_jumps(
    hosts: Mapping[str, Mapping[str, Any]],
    report: Report,
    *,
    others: Collection[str],
    jumps_of_others: Mapping[str, str],
) -> None:
    """Note every `jump` that leads nowhere, in a circle, or through too many hosts.

    `others` are hosts that inventories name, with the jumps that they say; what this file says of one wins.
    """
    own = {name: keys["jump"] for name, keys in hosts.items() if isinstance(keys.get("jump"), str)}
    jumps, known = {**jumps_of_others, **own}, {*hosts, *others}
    for name, jump in jumps.items():
        path = ("hosts", name, "jump") if name in own else ("inventory",)
        wrong, hint = _wrong(name, jump, jumps, known)
        if wrong:
            report.add(path, wrong if name in own else f"{name}, jump: {wrong}", hint)


def _wrong(name: str, jump: str, jumps: Mapping[str, str], known: Collection[str]) -> tuple[str, str]:
    """Return what is wrong with a jump, and what to do; two empty texts where nothing is."""
    way = _way(name, jumps)
    if jump == "local":
        return "'local' is this machine", "leave jump out: a host is reached from here anyway"
    if jump not in known:
        return f"unknown host '{jump}'", did_you_mean(jump, known) or "name a host of the inventory"
    if way[-1] == name:
        return f"the jumps go in a circle: {' → '.join(way)}", ""
    if len(way) - 1 > MOST_JUMPS:
        return f"goes through {len(way) - 1} hosts", f"{MOST_JUMPS} are the most"
    return "", ""


def with_jumps(hosts: Mapping[str, Host], jumps: Mapping[str, str]) -> dict[str, Host]:
    """Return the hosts, each with the one that it is reached through; nothing may be wrong with `jumps`."""

    def reached(name: str) -> Host:
        return replace(hosts[name], jump=reached(jumps[name])) if name in jumps else hosts[name]

    return {name: reached(name) for name in hosts}


def _way(name: str, jumps: Mapping[str, str]) -> list[str]:
    """Return the hosts from `name` on to where no jump leads further, or to the first that comes again."""
    way = [name]
    while way[-1] in jumps:
        way.append(jumps[way[-1]])
        if way[-1] in way[:-1]:
            break
    return way
