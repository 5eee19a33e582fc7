"""The reader of inventories against what ansible-inventory made of the same files: see tests/data/inventories."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from opsrunner.config.inventories.ansible_yaml import read_ansible_yaml, read_tree
from opsrunner.config.inventories.files import Files
from opsrunner.config.inventories.found import Findings
from opsrunner.config.inventories.ini import read_ini
from opsrunner.config.inventories.tree import USUAL, Tree, in_effect
from opsrunner.config.inventories.variables import READ_AS
from opsrunner.config.inventories.vars_files import read_beside

FOLDER = Path(__file__).parents[3] / "data" / "inventories"
CASES = [
    ("ini", "hosts"),
    ("ini", "listed.json"),
    ("ini", "listed.yaml"),
    ("yaml", "hosts.yaml"),
    ("yaml", "listed.json"),
    ("yaml", "listed.yaml"),
]
Said = Mapping[str, tuple[list[str], dict[str, str]]]


@pytest.mark.parametrize(("case", "file"), CASES)
def test_hosts_groups_and_what_is_in_effect_are_those_of_ansible(case: str, file: str) -> None:
    findings = Findings()
    files = Files(FOLDER / case, findings)
    text = files.text(file)
    assert text is not None

    tree = (
        read_ini(text, file=file, findings=findings)
        if file == "hosts"
        else read_tree(read_ansible_yaml(text), file=file, findings=findings)
    )
    read_beside(tree, files)

    assert said_by(tree) == said_by_ansible(json.loads((FOLDER / case / "listed.json").read_text(encoding="utf-8")))
    assert not findings.problems


def said_by(tree: Tree) -> Said:
    """Return the groups and the variables of each host."""
    lineage = tree.lineage()
    return {
        host.name: (
            sorted(group.name for group in lineage[host.name] if group.name not in USUAL),
            {
                name: found.value
                for name, found in in_effect(host, lineage[host.name]).items()
                if name in READ_AS and found.value
            },
        )
        for host in tree.hosts.values()
    }


def said_by_ansible(listed: dict[str, Any]) -> Said:
    """Return the same of what `ansible-inventory --list` printed."""
    variables = listed.pop("_meta")["hostvars"]

    def members(group: str) -> set[str]:
        content = listed.get(group, {})
        return set(content.get("hosts", ())).union(*(members(child) for child in content.get("children", ())))

    return {
        host: (
            sorted(group for group in listed if group not in USUAL and host in members(group)),
            {name: str(value) for name, value in variables.get(host, {}).items() if name in READ_AS and value},
        )
        for host in members("all")
    }
