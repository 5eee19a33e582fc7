"""Reads an Ansible inventory in its INI form.

It only looks like INI: a host's line is split as a shell would, values are read as literals of Python where they are
some, and one line may stand for a thousand hosts. configparser reads none of this, so the few rules stand here; they
were held against `ansible-inventory` of ansible-core 2.19.
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from dataclasses import field
from typing import Any

from opsrunner.config.inventories.found import Findings, Place
from opsrunner.config.inventories.tree import WITHOUT_GROUP, Tree
from opsrunner.config.inventories.variables import KEPT, Variable, variable
from opsrunner.config.mistakes import did_you_mean
from opsrunner.records import dataclass

_SECTION = re.compile(r"\[(?P<group>[^:\]\s]+)(?::(?P<part>\w+))?\]\s*(?:#.*)?\Z")
_GROUP = re.compile(r"(?P<group>[^:\]\s]+)\s*(?:#.*)?\Z")
_PARTS = ("hosts", "children", "vars")
_LONGEST_LITERAL = 1000


@dataclass(kw_only=True)
class _Reader:
    """Where we are in the file."""

    tree: Tree
    group: str = WITHOUT_GROUP
    part: str = "hosts"
    defined: set[str] = field(default_factory=set)
    """Groups that have a section of hosts or children."""
    used: dict[str, tuple[Place, str]] = field(default_factory=dict)
    """Groups that are only spoken of: where first, and as what."""
    children: list[tuple[str, str, Place]] = field(default_factory=list)


def read_ini(text: str, *, file: str, findings: Findings) -> Tree:
    """Return the inventory that `text` holds; what is wrong goes to `findings`."""
    reader = _Reader(tree=Tree(file, findings))
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line and line[0] not in ";#":
            place = Place(file=file, line=number, column=raw.index(line[0]) + 1)
            _read_line(reader, line, place)
    _note_undefined(reader)
    for parent, child, place in reader.children:
        reader.tree.add_child(parent, child, place)
    return reader.tree


def _read_line(reader: _Reader, line: str, place: Place) -> None:
    section = _SECTION.match(line)
    if section is not None:
        _begin_section(reader, section["group"], section["part"] or "hosts", place)
    elif line.startswith("[") and line.endswith("]"):
        reader.tree.findings.add(place, f"{line[:60]} is no section", "write [GROUP], [GROUP:children] or [GROUP:vars]")
    elif reader.part == "hosts":
        _read_host(reader, line, place)
    elif reader.part == "children":
        _read_child(reader, line, place)
    elif reader.part == "vars":
        _read_variable(reader, line, place)


def _begin_section(reader: _Reader, group: str, part: str, place: Place) -> None:
    reader.group, reader.part = group, part
    reader.tree.group(group, place)
    if part not in _PARTS:
        hint = did_you_mean(part, _PARTS) or "a section is [GROUP], [GROUP:children] or [GROUP:vars]"
        reader.tree.findings.add(place, f"unknown kind of section '{part[:60]}'", hint)
        reader.defined.add(group)
    elif part == "vars":
        reader.used.setdefault(group, (place, "has variables and is not defined"))
    else:
        reader.defined.add(group)


def _read_host(reader: _Reader, line: str, place: Place) -> None:
    findings = reader.tree.findings
    try:
        name, *words = shlex.split(line, comments=True)
    except ValueError as exc:
        findings.add(place, f"the line cannot be split into words ({str(exc).lower()})", "close its quotes")
        return
    found: dict[str, Variable] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not sign:
            findings.add(place, f"'{word[:60]}' is no variable", "write NAME key=value, without blanks around the =")
        elif key in KEPT:
            column = place.column + max(0, line.find(f"{key}="))
            found[key] = _variable(key, value, Place(file=place.file, line=place.line, column=column))
    if name == "---":
        findings.add(place, "'---' begins a file in YAML, and this is read as INI", "end the file's name with .yaml")
        return
    reader.tree.add_hosts(name, group=reader.group, place=place, variables=found)


def _read_child(reader: _Reader, line: str, place: Place) -> None:
    found = _GROUP.match(line)
    if found is None:
        reader.tree.findings.add(place, f"'{line[:60]}' is no name of a group", "one name stands on each line")
        return
    child = found["group"]
    reader.tree.group(child, place)
    reader.used.setdefault(child, (place, f"is part of '{reader.group}' and is not defined"))
    reader.children.append((reader.group, child, place))


def _read_variable(reader: _Reader, line: str, place: Place) -> None:
    key, sign, value = (part.strip() for part in line.partition("="))
    if not sign:
        reader.tree.findings.add(place, f"'{line[:60]}' is no variable", "write key=value")
    elif key in KEPT:
        reader.tree.groups[reader.group].variables[key] = _variable(key, value, place)


def _variable(name: str, written: str, place: Place) -> Variable:
    return variable(name, _value(written), written=written, place=place)


def _value(written: str) -> Any:
    """Return a value as Ansible reads it from INI: as a literal of Python where it is one, else as text."""
    if len(written) > _LONGEST_LITERAL:
        return written
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.literal_eval(written)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return written


def _note_undefined(reader: _Reader) -> None:
    known = {*reader.defined, "all", WITHOUT_GROUP}
    for group, (place, how) in reader.used.items():
        if group not in known:
            hint = did_you_mean(group, known - {"all", WITHOUT_GROUP}) or f"add a section [{group}]"
            reader.tree.findings.add(place, f"the group '{group[:60]}' {how}", hint)
