"""The inventories of a site, read together; what was good stays in force while a file is broken."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from opsrunner.config.folder import Signature
from opsrunner.config.inventories.ansible_yaml import how_to_list, read_ansible_yaml, read_tree
from opsrunner.config.inventories.connection import hosts_of
from opsrunner.config.inventories.csv_table import read_csv
from opsrunner.config.inventories.files import Files
from opsrunner.config.inventories.found import Findings, FoundHost, InventoryHost, Place
from opsrunner.config.inventories.ini import read_ini
from opsrunner.config.inventories.jumps import settle_jumps
from opsrunner.config.inventories.keeping import hosts_kept, kept_text
from opsrunner.config.inventories.keys import InventoryKeys
from opsrunner.config.inventories.vars_files import read_beside
from opsrunner.config.sentences import mistakes_of
from opsrunner.config.site_keys import HostKeys
from opsrunner.config.site_names import ALWAYS_HOSTS
from opsrunner.config.yaml_scalars import BadYaml
from opsrunner.model.site import Problem
from opsrunner.records import dataclass

_YAML = (".yaml", ".yml", ".json")


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The hosts of all inventories: those in force, None where they never were good."""

    hosts: Mapping[str, InventoryHost] | None = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


class Inventories:
    """Reads inventories, and keeps what was good when it is read again and is not."""

    def __init__(self, root: Path, *, last_good: Callable[[], str] | None = None) -> None:
        """Read below `root`; `last_good` returns what `kept` was, when an earlier program had it in force."""
        self._root = root
        self._last_good = last_good
        self._good: Mapping[str, InventoryHost] | None = None
        self.watched: Mapping[Path, Signature] = {}
        """The files and folders that the last reading depended on, as they were then."""

    @property
    def kept(self) -> str:
        """The hosts that are in force, as a text to be kept."""
        return kept_text(self._good or {})

    def read(self, wanted: Sequence[InventoryKeys], *, own: Mapping[str, Mapping[str, Any]]) -> Inventory:
        """Return the hosts of the files that the site names; `own` are those of its own file, with their keys."""
        findings = Findings()
        files = Files(self._root, findings)
        found: dict[str, FoundHost] = {}
        for keys in wanted:
            _merge(found, _read_one(keys, files), own, findings)
        found = settle_jumps(found, own, findings)
        hosts = {name: checked for name, host in found.items() if (checked := _checked(host, findings)) is not None}
        _note_clashes(hosts, own, findings)
        self.watched = files.watched
        if not findings.problems:
            self._good = hosts
        elif self._good is None and self._last_good is not None:
            self._good = hosts_kept(self._last_good())
        return Inventory(hosts=self._good, problems=findings.problems, warnings=findings.warnings)


def _read_one(keys: InventoryKeys, files: Files) -> dict[str, FoundHost]:
    file = keys.file
    if files.path(file).is_dir():
        message = "is a folder, and folders are not read as inventories"
        hint = "name its files one by one" if keys.csv else how_to_list(file)
        files.findings.add(Place(file=file), message, hint)
        return {}
    text = files.text(file)
    if text is None:
        return {}
    if keys.csv is not None:
        return read_csv(text, file=file, columns=keys.columns, findings=files.findings)
    return _read_ansible(text, file, files)


def _read_ansible(text: str, file: str, files: Files) -> dict[str, FoundHost]:
    """Return the hosts of an Ansible inventory, whichever form it has."""
    ending = os.path.splitext(file)[1].lower()  # noqa: PTH122 - the path as people gave it
    unknown = "is a program, and programs are not run" if text.startswith("#!") else ""
    unknown = "is TOML, which is not read here" if ending == ".toml" else unknown
    unknown = "is encrypted with ansible-vault" if text.startswith("$ANSIBLE_VAULT;") else unknown
    if unknown:
        files.findings.add(Place(file=file), unknown, how_to_list(file))
        return {}
    if ending in _YAML or (not ending and _looks_like_yaml(text)):
        try:
            tree = read_tree(read_ansible_yaml(text), file=file, findings=files.findings)
        except BadYaml as exc:
            files.note(exc, file)
            return {}
    else:
        tree = read_ini(text, file=file, findings=files.findings)
    read_beside(tree, files)
    return hosts_of(tree)


def _looks_like_yaml(text: str) -> bool:
    """Tell YAML from INI in a file without an ending, by its first line: no host of INI ends with ':'."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    return first == "---" or first.startswith("{") or first.partition(" #")[0].rstrip().endswith(":")


def _merge(
    found: dict[str, FoundHost], more: Mapping[str, FoundHost], own: Mapping[str, Mapping[str, Any]], findings: Findings
) -> None:
    """Add the hosts of one more inventory; the groups of both count, and all else has to be the same.

    What the site's own file says of a host goes before, so two inventories may differ in it.
    """
    for name, host in more.items():
        known = found.get(name)
        if known is None:
            found[name] = host
            continue
        for key in dict.fromkeys([*known.keys, *host.keys]):
            ours, theirs = known.keys.get(key), host.keys.get(key)
            is_settled = key == "groups" or None in (ours, theirs) or key in own.get(name, ())
            if not is_settled and ours != theirs:
                message = f"has the {key} '{theirs}' here and '{ours}' in {known.place_of(key)}"
                hint = "keep one of them, or say it under hosts in opsrunner.yaml"
                findings.add(host.place_of(key), message, hint, host=name)
        groups = [*dict.fromkeys([*known.keys.get("groups", ()), *host.keys.get("groups", ())])]
        merged = {**host.keys, **known.keys, **({"groups": groups} if groups else {})}
        places = {**host.places, **known.places}
        found[name] = FoundHost(name=name, place=known.place, keys=merged, places=places)


def _checked(host: FoundHost, findings: Findings) -> InventoryHost | None:
    """Return a host by the rules that `hosts` of `opsrunner.yaml` has."""
    data = {"address": host.name, **host.keys}
    try:
        return InventoryHost(keys=HostKeys.model_validate(data), place=host.place)
    except ValidationError as exc:
        for mistake in mistakes_of(exc, data=data, model=HostKeys):
            key = mistake.path[0] if mistake.path else ""
            findings.add(host.place_of(key), mistake.message, mistake.hint, path=str(key), host=host.name)
        return None


def _note_clashes(hosts: Mapping[str, InventoryHost], own: Collection[str], findings: Findings) -> None:
    """Note names that cannot be used among the others."""
    for name, host in hosts.items():
        if name in ALWAYS_HOSTS:
            findings.add(host.place, f"'{name}' has a meaning of its own here", "choose another name")
        for group in host.keys.groups:
            if group in hosts or group in own or group in ALWAYS_HOSTS:
                findings.add(host.place, f"the group '{group}' has the name of a host", "rename one of them", host=name)
