"""Reads `group_vars` and `host_vars` beside an Ansible inventory.

What counts as a file of a group or host is Ansible's rule: NAME, NAME.yml, NAME.yaml or NAME.json, the first of them
that is there; a folder NAME counts with all in it, but for hidden files, backups (`~`) and other endings.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from opsrunner.config.inventories.ansible_yaml import read_ansible_yaml, variables_in
from opsrunner.config.inventories.files import Files
from opsrunner.config.inventories.found import Place
from opsrunner.config.inventories.tree import Tree, Variables
from opsrunner.config.yaml_scalars import BadYaml

_ENDINGS = ("", ".yml", ".yaml", ".json")
_ENCRYPTED = "$ANSIBLE_VAULT;"
_DEEPEST = 10


def read_beside(tree: Tree, files: Files) -> None:
    """Add what the folders beside the inventory say of its groups and hosts."""
    folder = os.path.dirname(tree.file)  # noqa: PTH120 - the path as people gave it, for messages
    for entries, name in ((tree.groups, "group_vars"), (tree.hosts, "host_vars")):
        inside = os.path.join(folder, name)  # noqa: PTH118 - as above
        there = frozenset(files.list(inside))
        for entry in entries.values():
            for file in _files_of(entry.name, inside, there, files):
                entry.beside.update(_read(file, files))


def _files_of(name: str, folder: str, there: frozenset[str], files: Files) -> Iterator[str]:
    found = next((name + ending for ending in _ENDINGS if name + ending in there), None)
    if found is None:
        return
    path = f"{folder}/{found}"
    if not files.path(path).is_dir():
        yield path
    else:
        yield from _files_in(path, files, depth=1)


def _files_in(folder: str, files: Files, *, depth: int) -> Iterator[str]:
    for name in _seen(files.list(folder)):
        path, ending = f"{folder}/{name}", os.path.splitext(name)[1]  # noqa: PTH122 - a name, not a path
        if files.path(path).is_dir():
            if not ending and depth < _DEEPEST:
                yield from _files_in(path, files, depth=depth + 1)
        elif ending in _ENDINGS:
            yield path


def _seen(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if not name.startswith(".") and not name.endswith("~"))


def _read(file: str, files: Files) -> Variables:
    text = files.text(file)
    if text is None:
        return {}
    if text.startswith(_ENCRYPTED):
        message = "is encrypted with ansible-vault; if it says how hosts are reached, that is not known here"
        files.findings.doubt(Place(file=file), message)
        return {}
    try:
        data = read_ansible_yaml(text)
    except BadYaml as exc:
        files.note(exc, file)
        return {}
    if data and not isinstance(data, dict):
        files.findings.add(Place(file=file), "must be a mapping of variables", "write NAME: value")
    return variables_in(data, file=file)
