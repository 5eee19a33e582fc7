"""Reads Ansible's files in YAML: inventories, `group_vars` and `host_vars`, and what `ansible-inventory --list` prints.

Ansible follows YAML 1.1, where `yes` is true, `022` is 18 and `1:30` is 90. The file is read within our own bounds;
each value keeps the text that it has in the file, and only those that are used are looked at by the older rules.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from opsrunner.config.inventories.found import Findings, Place
from opsrunner.config.inventories.tree import EVERYTHING, WITHOUT_GROUP, Tree
from opsrunner.config.inventories.variables import KEPT, Variable, variable
from opsrunner.config.mistakes import did_you_mean
from opsrunner.config.yaml12 import read_document
from opsrunner.config.yaml_scalars import text_of

_VAULT = ("!vault", "!vault-encrypted")
_TAGS = frozenset({*_VAULT, "!unsafe", "tag:yaml.org,2002:str"})
_PARTS = ("hosts", "children", "vars")
_LONGEST_ODD = 100
"""Characters of a bare value that may be more than text by YAML 1.1."""


class Written(str):
    """A key or value as it stands in the file, with its place; `is_plain` without quotes."""

    __slots__ = ("column", "is_plain", "line", "tag")

    line: int
    column: int
    is_plain: bool
    tag: str | None


def read_ansible_yaml(text: str) -> Any:
    """Return dicts, lists and Written. Raises BadYaml."""
    return read_document(text, scalar=_written, key=_written, tags=_TAGS).value


def _written(event: Any) -> Written:
    written = Written(text_of(event))
    written.line, written.column = event.start_mark.line + 1, event.start_mark.column + 1
    written.is_plain = bool(event.implicit[0])
    written.tag = event.tag
    return written


def read_tree(data: Any, *, file: str, findings: Findings) -> Tree:
    """Return the inventory that a file in YAML or JSON holds; what is wrong goes to `findings`."""
    tree = Tree(file, findings)
    if data is None or (isinstance(data, Written) and not data):
        findings.add(Place(file=file), "the file is empty", "begin with all:")
    elif not isinstance(data, dict):
        findings.add(Place(file=file), "an inventory must be a mapping of groups", "begin with all:")
    elif "plugin" in data:
        message = "is the configuration of a plugin, and plugins are not run here"
        findings.add(_place(file, next(iter(data))), message, how_to_list(file))
    elif _is_listed(data):
        _read_listed(tree, data)
    else:
        for name, group in data.items():
            _read_group(tree, name, group)
    return tree


def how_to_list(file: str) -> str:
    """Return the advice for inventories that only Ansible itself can read."""
    return f"run: ansible-inventory -i {shlex.quote(file)} --list --yaml > hosts.yaml, and name that file"


def variables_in(data: Any, *, file: str) -> dict[str, Variable]:
    """Return the variables of a mapping that say how a host is reached."""
    return {str(key): _variable(key, value, file) for key, value in _items(data) if key in KEPT}


def _items(data: Any) -> Iterator[tuple[Written, Any]]:
    """Yield what a mapping holds; what `<<` merges into it comes first, so that its own keys go before."""
    if not isinstance(data, dict):
        return
    merged = data.get("<<")
    for one in reversed(merged) if isinstance(merged, list) else [merged]:
        yield from _items(one)
    yield from ((key, value) for key, value in data.items() if key != "<<")


def _place(file: str, written: Any) -> Place:
    if isinstance(written, Written):
        return Place(file=file, line=written.line, column=written.column)
    return Place(file=file)


def _variable(key: Written, value: Any, file: str) -> Variable:
    place = _place(file, value if isinstance(value, Written) else key)
    if _is_encrypted(value):
        wrong = "is encrypted with ansible-vault, and cannot be read without Ansible"
        return Variable(name=str(key), value="", place=place, wrong=wrong, hint="write the plain value")
    if not isinstance(value, Written):
        return variable(str(key), value, written="a list or mapping", place=place)
    return variable(str(key), _by_yaml_11(value), written=value, place=place)


def _is_encrypted(value: Any) -> bool:
    """Tell whether a value is encrypted, also as `ansible-inventory` prints it as JSON."""
    return value.tag in _VAULT if isinstance(value, Written) else isinstance(value, dict) and "__ansible_vault" in value


def _by_yaml_11(written: Written) -> Any:
    """Return what YAML 1.1 makes of a value."""
    if not written.is_plain or len(written) > _LONGEST_ODD:
        return str(written)
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, str(written), (True, False))  # type: ignore[no-untyped-call]
    try:
        return loader.construct_object(yaml.ScalarNode(tag, str(written)))
    except (ValueError, yaml.YAMLError):  # 2026-02-30 looks like a date
        return str(written)


def _read_group(tree: Tree, name: Any, data: Any) -> None:
    place = _place(tree.file, name)
    group = tree.group(str(name), place)
    if isinstance(data, Written) and not data:
        return
    if not isinstance(data, dict):
        tree.findings.add(place, f"the group '{name[:60]}' must be a mapping with hosts, children or vars")
        return
    for part, content in _items(data):
        if part not in _PARTS:
            hint = did_you_mean(part, _PARTS) or f"a group has {', '.join(_PARTS)}"
            tree.findings.add(_place(tree.file, part), f"unknown key '{part[:60]}'", hint)
        elif part == "vars":
            group.variables.update(variables_in(_mapping(tree, part, content), file=tree.file))
        elif part == "children":
            _read_children(tree, group.name, _mapping(tree, part, content))
        else:
            _read_hosts(tree, group.name, _mapping(tree, part, content))


def _mapping(tree: Tree, part: Written, content: Any) -> Mapping[Written, Any]:
    """Return what a part of a group holds; one name alone is a mapping of it."""
    if isinstance(content, Written):
        return {content: None} if content else {}
    if isinstance(content, dict):
        return content
    tree.findings.add(_place(tree.file, part), f"'{part}' must be a mapping", "write NAME: on each line, without '- '")
    return {}


def _read_children(tree: Tree, parent: str, children: Mapping[Written, Any]) -> None:
    for name, data in _items(dict(children)):
        _read_group(tree, name, Written() if data is None else data)
        tree.add_child(parent, str(name), _place(tree.file, name))


def _read_hosts(tree: Tree, group: str, hosts: Mapping[Written, Any]) -> None:
    for name, data in _items(dict(hosts)):
        place = _place(tree.file, name)
        if not isinstance(data, dict) and data:
            tree.findings.add(place, f"the host '{name[:60]}' must have a mapping of variables, or nothing")
        elif not isinstance(_by_yaml_11(name), str):
            tree.findings.add(place, f"'{name[:60]}' is no text to Ansible", "put quotes around it")
        else:
            tree.add_hosts(str(name), group=group, place=place, variables=variables_in(data, file=tree.file))


def _is_listed(data: Mapping[str, Any]) -> bool:
    """Tell whether the file is what `ansible-inventory --list`, or an inventory that is a program, prints."""
    if "_meta" in data:
        return True
    groups = [group for group in data.values() if isinstance(group, dict)]
    return any(isinstance(group.get(part), list) for group in groups for part in ("hosts", "children"))


def _read_listed(tree: Tree, data: Mapping[Any, Any]) -> None:
    """Read lists of names by group, with the variables of all hosts under `_meta`."""
    meta = data.get("_meta")
    of_hosts = dict(_items(meta.get("hostvars") if isinstance(meta, dict) else None))
    groups = {name: content for name, content in data.items() if name != "_meta"}
    for name in groups:
        tree.group(str(name), _place(tree.file, name))
    for name, content in groups.items():
        parts = content if isinstance(content, dict) else {"hosts": content}
        tree.groups[str(name)].variables.update(variables_in(parts.get("vars"), file=tree.file))
        for host in _names(tree, name, parts.get("hosts")):
            variables = variables_in(of_hosts.get(host), file=tree.file)
            tree.add_hosts(str(host), group=str(name), place=_place(tree.file, host), variables=variables)
        for child in _names(tree, name, parts.get("children")):
            tree.group(str(child), _place(tree.file, child))
            if child not in (EVERYTHING, WITHOUT_GROUP):
                tree.add_child(str(name), str(child), _place(tree.file, child))
    for host, content in of_hosts.items():
        if host not in tree.hosts:
            variables = variables_in(content, file=tree.file)
            tree.add_hosts(str(host), group=WITHOUT_GROUP, place=_place(tree.file, host), variables=variables)


def _names(tree: Tree, group: Any, content: Any) -> list[Written]:
    if content is None or (isinstance(content, Written) and not content):
        return []
    if isinstance(content, list) and all(isinstance(name, Written) for name in content):
        return content
    tree.findings.add(_place(tree.file, group), f"the group '{group[:60]}' must hold lists of names")
    return []
