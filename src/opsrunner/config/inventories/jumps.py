"""Jump hosts as inventories write them (`ops@jump.example.com:2200`), and the hosts of the site that are meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from opsrunner.config.inventories.found import Findings, FoundHost
from opsrunner.config.jumps import MOST_JUMPS

_NEEDS_QUOTES = frozenset(":%")


def settle_jumps(
    found: Mapping[str, FoundHost], own: Mapping[str, Mapping[str, Any]], findings: Findings
) -> dict[str, FoundHost]:
    """Return the hosts, each `jump` as the name of another; `own` are those of the site's own file, with their keys."""
    known = {name: dict(keys) for name, keys in own.items()}
    for name, host in found.items():
        known[name] = {"address": name, **host.keys, **known.get(name, {})}
    settled = {name: _settled(host, known, findings) if "jump" in host.keys else host for name, host in found.items()}
    jumps = {name: str(keys["jump"]) for name, keys in own.items() if "jump" in keys}
    jumps = {name: str(host.keys["jump"]) for name, host in settled.items() if "jump" in host.keys} | jumps
    return {name: _reachable(host, jumps, findings) for name, host in settled.items()}


def _settled(host: FoundHost, known: Mapping[str, Mapping[str, Any]], findings: Findings) -> FoundHost:
    written = str(host.keys["jump"])
    target = _target(written.removeprefix("ssh://"))
    name = None if "," in written else next(_meant(target, known), None)
    if name is not None:
        return replace(host, keys={**host.keys, "jump": name})
    if "," in written:
        message = f"goes over several hosts ('{written[:60]}')"
        hint = "give each of them the one before it as its jump, and this host the last one"
    else:
        message = f"goes over '{written[:60]}', which is no host here"
        hint = f"add it under hosts in opsrunner.yaml: {_entry(target)}"
    findings.add(host.place_of("jump"), message, hint, path="jump", host=host.name)
    return replace(host, keys={key: value for key, value in host.keys.items() if key != "jump"})


def _reachable(host: FoundHost, jumps: Mapping[str, str], findings: Findings) -> FoundHost:
    """Return a host without a jump that leads round in a circle, or through too many others."""
    way = [host.name]
    while way[-1] in jumps and len(way) <= MOST_JUMPS + 1 and way[-1] not in way[:-1]:
        way.append(jumps[way[-1]])
    if "jump" not in host.keys or (len(way) <= MOST_JUMPS + 1 and way[-1] not in way[:-1]):
        return host
    is_circle = way[-1] in way[:-1]
    message = (
        f"the jumps go in a circle: {' → '.join(way)}" if is_circle else f"goes through more than {MOST_JUMPS} hosts"
    )
    findings.add(host.place_of("jump"), message, path="jump", host=host.name)
    return replace(host, keys={key: value for key, value in host.keys.items() if key != "jump"})


def _target(written: str) -> dict[str, Any]:
    """Return address, user and port, as far as they are said."""
    user, _, rest = written.rpartition("@")
    address, sign, port = rest.rpartition(":")
    if not sign or not port.isdecimal() or (":" in address and not address.endswith("]")):
        address, port = rest, ""
    said = {"address": address.removeprefix("[").removesuffix("]"), "user": user}
    return {key: value for key, value in said.items() if value} | (
        {"port": int(port)} if port[:9] == port != "" else {}
    )


def _meant(target: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the hosts that are meant: by name first, then by address; what is said of user and port has to fit."""
    address = target.get("address")
    by_name = [name for name in known if name == address]
    by_address = [name for name, keys in known.items() if keys.get("address") == address]
    for name in (*by_name, *by_address):
        user, port = known[name].get("user"), known[name].get("port", 22)
        if target.get("user", user) == user and target.get("port", port) == port:
            yield name


def _entry(target: Mapping[str, Any]) -> str:
    """Return the line of `opsrunner.yaml` that defines such a host."""
    address = str(target.get("address", ""))
    shown = {**target, "address": f'"{address}"' if _NEEDS_QUOTES & set(address) else address}
    return f"jump: {{{', '.join(f'{key}: {value}' for key, value in shown.items())}}}"
