"""What a digest calls routines, steps, people and moments."""

from __future__ import annotations

from datetime import datetime

from opsrunner.engine.asking import is_asked_name
from opsrunner.engine.desk import Desk, RoutineNames
from opsrunner.engine.digest_words import near_words
from opsrunner.engine.people import People
from opsrunner.model.person import Person
from opsrunner.model.routine import StepPlan
from opsrunner.model.task import Task


class Names:
    """Looks names up, as they are at one moment."""

    def __init__(self, desk: Desk, *, until: datetime) -> None:
        self._desk, self._until = desk, until
        self._people = People(desk)
        self._routines = RoutineNames(desk)
        self._owners: dict[tuple[str | None, str], Person | None] = {}
        self.readers = {
            person.id: person for name in desk.site().digest.to for person in self._people.persons(name, at=until)
        }

    def routine(self, routine: str | None) -> str:
        """Return a routine's display name, '' for none."""
        return self._routines.of(routine)

    def plan(self, routine: str | None, step: str) -> StepPlan | None:
        """Return a step as the routine's file has it now."""
        found = self._desk.site().routines.get(routine or "")
        return next((plan for plan in found.steps if plan.id == step), None) if found else None

    def step(self, routine: str | None, step: str) -> str:
        """Return `Nightly backups: the billing dump`; the routine alone where it has but one automated step."""
        found = self._desk.site().routines.get(routine or "")
        plan = self.plan(routine, step)
        if found is None and is_asked_name(routine):
            return self.routine(routine)
        if found is not None and plan is not None and sum(not one.is_human for one in found.steps) == 1:
            return self.routine(routine)
        return f"{self.routine(routine)}: {plan.name if plan and plan.name else step}"

    def rule(self, routine: str | None, step: str) -> str:
        """Return the `fail_if` or `warn_if` of a step."""
        plan = self.plan(routine, step)
        return (plan.fail_if or plan.warn_if or "") if plan else ""

    def moment(self, moment: datetime) -> str:
        """Return a moment as people say it on the day of the digest: `today 14:10`, `Fri 18:00`."""
        return near_words(moment, now=self._until, zone=self._desk.site().timezone)

    def owner(self, task: Task) -> Person | None:
        """Return whose task it is; None: anybody's of its role."""
        about = (task.person, task.role)
        if about not in self._owners:
            self._owners[about] = self._people.of_task(task, at=self._until)
        return self._owners[about]

    def with_whom(self, task: Task) -> str:
        """Return `With First technician (on-call)`, or that nobody has claimed it; to its only reader: `Yours`."""
        owner = self.owner(task)
        if owner is None:
            return f"For {task.role}, nobody has claimed it"
        if set(self.readers) == {owner.id}:
            return "Yours" if task.role == owner.id else f"Yours ({task.role})"
        return f"With {owner.name}{'' if task.role in (owner.id, '') else f' ({task.role})'}"

    def accountable(self, routine: str) -> str:
        """Return who answers for a routine: `With First technician (on-call)`."""
        found = self._desk.site().routines.get(routine)
        if found is None:
            return ""
        persons = self._people.persons(found.accountable, at=self._until)
        if len(persons) != 1:
            return f"For {found.accountable}"
        role = "" if found.accountable == persons[0].id else f" ({found.accountable})"
        return f"With {persons[0].name}{role}"
