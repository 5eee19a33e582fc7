"""Groups, hosts and variables of one Ansible inventory, and which value of a variable is in effect for a host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from opsrunner.config.fields import check_host
from opsrunner.config.inventories.found import MOST_HOSTS, Findings, Place
from opsrunner.config.inventories.ranges import expand, split_port
from opsrunner.config.inventories.variables import PRIORITY, Variable, variable
from opsrunner.config.site_names import ALWAYS_HOSTS
from opsrunner.records import dataclass

EVERYTHING = "all"
WITHOUT_GROUP = "ungrouped"
USUAL = (EVERYTHING, WITHOUT_GROUP)
"""Groups that every inventory has; no host is said to be in them."""

Variables = dict[str, Variable]


@dataclass(kw_only=True)
class Group:
    """A group as it is found, line by line."""

    name: str
    place: Place
    children: dict[str, None] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    variables: Variables = field(default_factory=dict)
    beside: Variables = field(default_factory=dict)
    """From `group_vars`, which go before what the inventory itself says of any group."""


@dataclass(kw_only=True)
class HostEntry:
    """A host as it is found."""

    name: str
    place: Place
    variables: Variables = field(default_factory=dict)
    beside: Variables = field(default_factory=dict)
    """From `host_vars`, which go before all else."""


class Tree:
    """One inventory."""

    def __init__(self, file: str, findings: Findings) -> None:
        self.file = file
        self.findings = findings
        self.hosts: dict[str, HostEntry] = {}
        self.groups: dict[str, Group] = {}
        for name in USUAL:
            self.group(name, Place(file=file))

    def group(self, name: str, place: Place) -> Group:
        """Return the group called `name`, which is made where it is new."""
        if name not in self.groups:
            self.groups[name] = Group(name=name, place=place)
        return self.groups[name]

    def add_hosts(self, written: str, *, group: str, place: Place, variables: Mapping[str, Variable]) -> None:
        """Add the hosts that a name or a pattern stands for, to a group."""
        pattern, port = split_port(written)
        if written.endswith(":"):
            self.findings.add(place, f"'{written[:60]}' ends with ':'", "write NAME, or NAME:PORT")
            return
        try:
            names = [pattern] if pattern.count(":") > 1 and "[" not in pattern else expand(pattern)
        except ValueError as exc:
            self.findings.add(place, str(exc))
            return
        if len(self.hosts) + len(names) > MOST_HOSTS:
            self.findings.add(place, f"there are more than {MOST_HOSTS} hosts")
            return
        of_name = {"ansible_port": variable("ansible_port", port, written=port, place=place)} if port else {}
        for name in names:
            if not self._is_name(name, place):
                continue
            if name not in self.hosts:  # where a host stands again, Ansible passes over the port behind its name
                self.hosts[name] = HostEntry(name=name, place=place, variables={**of_name})
            self.hosts[name].variables.update(variables)
            self.groups[group].hosts[name] = None

    def _is_name(self, name: str, place: Place) -> bool:
        try:
            check_host(name)
        except ValueError as exc:
            self.findings.add(place, str(exc), "use ASCII letters, digits, '.', '_' and '-': NAME ansible_host=ADDRESS")
            return False
        if name in ALWAYS_HOSTS:
            self.findings.add(place, f"'{name}' has a meaning of its own here", "choose another name")
            return False
        return True

    def add_child(self, parent: str, child: str, place: Place) -> None:
        """Put one group into another."""
        if child == EVERYTHING or parent in (child, *self._below(child)):
            self.findings.add(place, f"the group '{child}' would be part of itself", "take one of the two away")
            return
        self.groups[parent].children[child] = None

    def _below(self, group: str) -> Iterator[str]:
        """Yield the groups that are part of one; there are no circles."""
        waiting, seen = [group], {group}
        while waiting:
            for child in self.groups[waiting.pop()].children:
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)
                    yield child

    def lineage(self) -> dict[str, tuple[Group, ...]]:
        """Return all groups of each host, those further up first; the last one that says something is right.

        The order is that of Ansible's "How variables are merged": by depth, then by `ansible_group_priority`,
        then by name.
        """
        parents: dict[str, set[str]] = {name: set() for name in self.groups}
        for group in self.groups.values():
            for child in group.children:
                parents[child].add(group.name)
        depths = self._depths()
        ranks = {name: (depths[name], _priority(group), name) for name, group in self.groups.items()}
        above: dict[str, frozenset[str]] = {}
        for name in sorted(self.groups, key=lambda name: depths[name]):
            above[name] = frozenset({name, EVERYTHING}.union(*(above[parent] for parent in parents[name])))
        of_host: dict[str, set[str]] = {name: {EVERYTHING} for name in self.hosts}
        for group in self.groups.values():
            for host in group.hosts:
                of_host[host] |= above[group.name]
        for names in of_host.values():  # who is in a group of its own is not without one, wherever it stands
            (names.add if names <= set(USUAL) else names.discard)(WITHOUT_GROUP)
        return {
            host: tuple(self.groups[name] for name in sorted(names, key=ranks.__getitem__))
            for host, names in of_host.items()
        }

    def _depths(self) -> dict[str, int]:
        """Return how far each group stands below `all`, by its longest way."""
        depths = dict.fromkeys(self.groups, 1) | {EVERYTHING: 0}
        changed: Iterable[str] = [name for name, group in self.groups.items() if group.children]
        while changed:
            deeper = []
            for name in changed:
                for child in self.groups[name].children:
                    if depths[child] <= depths[name]:
                        depths[child] = depths[name] + 1
                        deeper.append(child)
            changed = dict.fromkeys(deeper)
        return depths


def in_effect(host: HostEntry, groups: Iterable[Group]) -> Variables:
    """Return the variables of a host as Ansible would use them: what is said last in this order."""
    groups = tuple(groups)
    found: Variables = {}
    for group in groups:
        found |= group.variables
    for group in groups:
        found |= group.beside
    return found | host.variables | host.beside


def _priority(group: Group) -> int:
    found = group.variables.get(PRIORITY)
    return int(found.value) if found is not None and found.value.lstrip("-").isdecimal() else 1
