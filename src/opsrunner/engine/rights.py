"""Who may do what to a task."""

from __future__ import annotations

from datetime import datetime

from opsrunner.engine.desk import Desk
from opsrunner.engine.people import People
from opsrunner.errors import NotFound, Refused
from opsrunner.model.person import Person
from opsrunner.model.run import Trigger
from opsrunner.model.task import Task


class Rights:
    """Any role but `viewer` works on tasks; approvals belong to whom the file names, and to owners.

    Who stands in for one of these may approve as well, but nobody by what they entered themselves.

    A partner has to do with tasks that are theirs now, or that they closed; of all others they learn nothing.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._people = People(desk)

    def require_staff(self, person: Person) -> None:
        """Raise Refused unless the person may work on tasks."""
        if not person.is_staff:
            raise Refused(f"{person.name} may look, but not work on tasks")

    def may_see(self, person: Person, task: Task, *, at: datetime) -> bool:
        """Tell whether a person may know of a task."""
        if not person.is_partner or task.closed_by == person.id:
            return True
        return task.is_open and self._people.is_for(task, person, at=at)

    def require_seen(self, person: Person, task: Task, *, at: datetime) -> None:
        """Raise NotFound where a person may not know of a task."""
        if not self.may_see(person, task, at=at):
            raise NotFound(f"there is no task {task.id}")

    def require_task(self, person: Person, task: Task, *, at: datetime) -> None:
        """Raise Refused unless the person may close the task, now."""
        self.require_staff(person)
        if task.is_own_work_of(person):
            raise Refused(f"'{task.title}' is about {person.name}'s own work: somebody else has to do it")
        if not task.approve_by:
            return
        stands_in = person in self._people.persons(task.approve_by, at=at)
        if not person.is_owner and not (stands_in and self._would_stand_in(person, task.approve_by, at=at)):
            who = "an owner" if task.approve_by == "owner" else f"{task.approve_by} (or an owner)"
            why = f", and {person.name} stands in by what they entered themselves" if stands_in else ""
            raise Refused(f"only {who} may approve '{task.title}'{why}")
        if task.approve_not_self and self._started(task, person):
            raise Refused(f"{person.name} started run {task.run} by hand, so somebody else has to approve it")

    def _would_stand_in(self, person: Person, name: str, *, at: datetime) -> bool:
        """Tell whether a person would stand for a name also without what they entered themselves.

        Whom an entry names does not matter: of a swap, each of the two takes the other's turn.
        """
        given = [one for one in self._desk.books.absences.live(since=at) if one.entered_by != person.id]
        return person in People(self._desk, absences=given).persons(name, at=at)

    def _started(self, task: Task, person: Person) -> bool:
        """Tell whether the person ran the routine by hand that asks for the approval."""
        if task.run is None:
            return False
        try:
            run = self._desk.books.runs.get(task.run)
        except NotFound:
            return False
        by_hand = run.trigger in (Trigger.MANUAL, Trigger.RERUN)
        return by_hand and run.actor in {person.id, person.login, person.name}
