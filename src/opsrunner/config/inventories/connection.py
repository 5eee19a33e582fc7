"""From the variables of an Ansible inventory to the keys that its hosts would have in `opsrunner.yaml`."""

from __future__ import annotations

import os
from typing import Any

from opsrunner.config.inventories.found import Findings, FoundHost, Place
from opsrunner.config.inventories.ssh_arguments import jump_of
from opsrunner.config.inventories.tree import USUAL, Group, HostEntry, Tree, Variables, in_effect
from opsrunner.config.inventories.variables import READ_AS, Variable

_BY_SSH = frozenset({"", "ssh", "smart", "paramiko", "paramiko_ssh"})
_HERE = "local"


def hosts_of(tree: Tree) -> dict[str, FoundHost]:
    """Return the hosts that are reached by SSH; what cannot be used goes to the tree's findings."""
    found: dict[str, FoundHost] = {}
    lineage = tree.lineage()
    for entry in tree.hosts.values():
        variables = in_effect(entry, lineage[entry.name])
        if _is_reached_by_ssh(entry, variables, tree.findings):
            found[entry.name] = _host(entry, variables, lineage[entry.name], tree.findings)
    return found


def _is_reached_by_ssh(entry: HostEntry, variables: Variables, findings: Findings) -> bool:
    variable = variables.get("ansible_connection")
    if variable is None:
        return True
    how = _value(variable, entry, findings).removeprefix("ansible.builtin.")
    if how in _BY_SSH:
        return True
    if how == _HERE:
        message = "is this machine (ansible_connection), which is called 'local' here; it is left out"
    else:
        message = f"is reached by '{how[:60]}', which opsrunner does not speak; it is left out"
    findings.doubt(variable.place, message, host=entry.name)
    return False


def _host(entry: HostEntry, variables: Variables, groups: tuple[Group, ...], findings: Findings) -> FoundHost:
    keys: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for name, says in READ_AS.items():
        variable = variables.get(name)
        if variable is None or says == "connection":
            continue
        value, key = _value(variable, entry, findings), says
        if says == "arguments":
            value, key = keys.get("jump") or _jump(variable, value, entry, findings), "jump"
        if value:
            keys[key] = _as_written(key, value)
            places[key] = variable.place
    names = [group.name for group in groups if group.name not in USUAL]
    if names:
        keys["groups"] = sorted(names)
    return FoundHost(name=entry.name, place=entry.place, keys=keys, places=places)


def _as_written(key: str, value: str) -> Any:
    """Return a value as YAML would hold it in `opsrunner.yaml`: a number for the port, whole paths for files."""
    if key == "port" and value.isascii() and value.isdecimal() and len(value) < 10:
        return int(value)
    return os.path.expanduser(value) if key == "key_file" else value  # noqa: PTH111 - text in, text out


def _value(variable: Variable, entry: HostEntry, findings: Findings) -> str:
    if variable.wrong:
        findings.add(variable.place, variable.wrong, variable.hint, path=variable.name, host=entry.name)
    return variable.value


def _jump(variable: Variable, value: str, entry: HostEntry, findings: Findings) -> str:
    try:
        return jump_of(value)
    except ValueError as exc:
        message, _, hint = str(exc).partition("\n")
        findings.add(variable.place, message, hint, path=variable.name, host=entry.name)
        return ""
