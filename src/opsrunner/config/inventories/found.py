"""What inventories say: hosts with the places of all that is known of them, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from opsrunner.config.report import MOST_MISTAKES
from opsrunner.config.site_keys import HostKeys
from opsrunner.model.site import Problem
from opsrunner.records import dataclass

MOST_HOSTS = 10_000
"""Of one inventory; a range with a slip of the keyboard would fill the memory."""


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """Where something stands; line and column count from 1."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class FoundHost:
    """A host of an inventory: the keys that it would have under `hosts` of `opsrunner.yaml`, and their places."""

    name: str
    place: Place
    keys: Mapping[str, Any]
    places: Mapping[str, Place] = field(default_factory=dict)

    def place_of(self, key: object) -> Place:
        """Return where one key was said, else where the host stands."""
        return self.places.get(str(key), self.place)


@dataclass(frozen=True, kw_only=True)
class InventoryHost:
    """A host as an inventory says it, checked by the rules for `hosts` of `opsrunner.yaml`."""

    keys: HostKeys
    place: Place


class Findings:
    """Collects the mistakes of inventories, the first MOST_MISTAKES of them, and what only looks wrong."""

    def __init__(self) -> None:
        self._problems: dict[Problem, dict[str, None]] = {}
        self._warnings: dict[Problem, dict[str, None]] = {}

    def add(self, place: Place, message: str, hint: str = "", *, path: str = "", host: str = "") -> None:
        """Note one mistake; the same of several hosts counts once."""
        _note(self._problems, _problem(place, message, hint, path), host)

    def doubt(self, place: Place, message: str, hint: str = "", *, host: str = "") -> None:
        """Note what may be meant."""
        _note(self._warnings, _problem(place, message, hint, ""), host)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The mistakes, file by file."""
        return _sorted(self._problems)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What only looks wrong, file by file."""
        return _sorted(self._warnings)


def _problem(place: Place, message: str, hint: str, path: str) -> Problem:
    return Problem(file=place.file, line=place.line, column=place.column, path=path, message=message, hint=hint)


def _note(noted: dict[Problem, dict[str, None]], problem: Problem, host: str) -> None:
    if problem in noted or len(noted) < MOST_MISTAKES:
        noted.setdefault(problem, {})[host] = None


def _sorted(noted: Mapping[Problem, Mapping[str, None]]) -> tuple[Problem, ...]:
    named = [replace(problem, message=f"{_of(hosts)}{problem.message}") for problem, hosts in noted.items()]
    return tuple(sorted(named, key=lambda problem: (problem.file, problem.line, problem.column)))


def _of(hosts: Mapping[str, None]) -> str:
    """Return whom a mistake is about: `web1: `, or `web1 and 9 more: `."""
    first = next(iter(hosts))
    return f"{first}{f' and {len(hosts) - 1} more' if len(hosts) > 1 else ''}: " if first else ""
