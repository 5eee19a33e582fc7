"""Who will hold tasks, asked once for each stretch in which nothing about it can change."""

from __future__ import annotations

from datetime import datetime

from opsrunner.engine.people import People
from opsrunner.records import dataclass


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """Who holds a name from one moment up to another (left out); None: without an end."""

    from_: datetime
    until: datetime | None
    name: str

    def holds(self, at: datetime) -> bool:
        return self.from_ <= at and (self.until is None or at < self.until)


class Assignees:
    """Names the holders of roles, rosters and people for one forecast.

    It keeps the last answer for each: asked in the order of time, it asks no stretch of a roster twice.
    """

    def __init__(self, people: People) -> None:
        self._people = people
        self._last: dict[str, _Answer] = {}

    def name(self, role: str, *, at: datetime) -> str:
        """Return the name of the one person who stands for `role` at `at`; the role where several do."""
        last = self._last.get(role)
        if last is None or not last.holds(at):
            persons = self._people.persons(role, at=at)
            said = persons[0].name if len(persons) == 1 else role
            last = _Answer(from_=at, until=self._people.unchanged_until(role, at=at), name=said)
            self._last[role] = last
        return last.name
