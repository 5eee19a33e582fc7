"""Who answers for many tasks at one moment: the ledger is asked once for all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property

from opsrunner.engine.desk import Desk
from opsrunner.engine.escalations import escalated_to
from opsrunner.engine.people import People
from opsrunner.ledger.audit import AuditRecord
from opsrunner.model.person import Absence, Person
from opsrunner.model.task import Task


class PeopleAtOnce(People):
    """Answers as `People` does, for one moment and some tasks, with what the ledger said when it was first asked."""

    def __init__(self, desk: Desk, tasks: Sequence[Task], *, at: datetime) -> None:
        super().__init__(desk)
        self._tasks, self._at = tasks, at
        self._found: dict[str, tuple[Person, ...]] = {}

    def _present(self, name: str, *, at: datetime) -> tuple[Person, ...]:
        if at != self._at:
            return super()._present(name, at=at)
        if name not in self._found:
            self._found[name] = super()._present(name, at=at)
        return self._found[name]

    def _absences(self, at: datetime) -> Sequence[Absence]:
        return self._all_absences if at == self._at else super()._absences(at)

    def _escalated_to(self, task: Task) -> tuple[str, ...]:
        return escalated_to(task, self._rungs.get(task.id, ())) if task.escalate else ()

    def _acts_on(self, task: Task) -> Sequence[AuditRecord]:
        return self._acts.get(f"task {task.id}", ())

    @cached_property
    def _all_absences(self) -> Sequence[Absence]:
        return self._desk.books.absences.live(since=self._at)

    @cached_property
    def _rungs(self) -> dict[int, set[str]]:
        return self._desk.books.tasks.rungs_of([task.id for task in self._tasks if task.escalate])

    @cached_property
    def _acts(self) -> dict[str, list[AuditRecord]]:
        found: dict[str, list[AuditRecord]] = defaultdict(list)
        for record in self._desk.books.audit.about_all([f"task {task.id}" for task in self._tasks if task.person]):
            found[record.subject].append(record)
        return found
