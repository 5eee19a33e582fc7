"""Who answers for what, at a moment: roles, rosters, claims and hand-overs, leave and cover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from opsrunner.engine.desk import Desk
from opsrunner.engine.escalations import escalated_to
from opsrunner.errors import NotFound
from opsrunner.ledger.audit import AuditRecord
from opsrunner.model.person import Absence, Holding, Person
from opsrunner.model.task import Task
from opsrunner.schedules.holding import holder, unchanged_until


class People:
    """Resolves names to people. Nothing is kept: a hand-over, a leave or an edit of the site counts at once."""

    def __init__(self, desk: Desk, *, absences: Sequence[Absence] | None = None) -> None:
        """With `absences`, all that are live, the ledger is not asked for them at each name."""
        self._desk, self._known_absences = desk, absences

    def persons(self, name: str, *, at: datetime) -> tuple[Person, ...]:
        """Return who stands for a role, roster or person at that moment; never nobody.

        A roster is its holder, a role all its people but those on leave (unless all are), a person is that
        person or who stands in. Where that leaves nobody, the owners answer.
        """
        return self._present(name, at=at) or self._desk.site().holders_of("owner")

    def holder(self, name: str, *, at: datetime) -> Holding:
        """Return who holds a role, roster or person; a gap where nobody does, or the name is gone."""
        try:
            return holder(name, at=at, site=self._desk.site(), absences=self._absences(at))
        except NotFound as exc:
            return Holding(person=None, why=str(exc))

    def unchanged_until(self, name: str, *, at: datetime) -> datetime | None:
        """Return up to when `persons` answers the same as at `at`, as things stand now; None: without an end."""
        absences = self._desk.books.absences.live(since=at)
        return unchanged_until(name, at=at, site=self._desk.site(), absences=absences)

    def of_task(self, task: Task, *, at: datetime) -> Person | None:
        """Return whose task it is; None: anybody's of its role.

        A claim or hand-over wins; else a roster's holder, or the only one who has the role. Rosters are
        asked anew each time, so open tasks move at hand-over by themselves.
        """
        taken = self._known(task.person)
        if taken is not None:
            return taken
        present = self._present(task.role, at=at)
        return present[0] if len(present) == 1 else None

    def is_for(self, task: Task, person: Person, *, at: datetime) -> bool:
        """Tell whether a task belongs on the list of `person`: theirs, their role's, or escalated to them."""
        owner = self.of_task(task, at=at)
        if owner is not None and owner.id == person.id:
            return True
        if owner is None and not task.is_own_work_of(person) and person in self.persons(task.role, at=at):
            return True
        return self.is_escalated_to(task, person, at=at)

    def is_escalated_to(self, task: Task, person: Person, *, at: datetime) -> bool:
        """Tell whether an escalation of the task has reached `person`."""
        return any(person in self.persons(name, at=at) for name in self._escalated_to(task))

    def why(self, task: Task, person: Person, *, at: datetime) -> str:
        """Say in a few words how a task stands to `person`: `yours: on-call this week`."""
        owner = self.of_task(task, at=at)
        if owner is not None and owner.id == person.id:
            return f"yours: {self._reason(task, person, at=at)}"
        if owner is None and person in self._present(task.role, at=at):
            return f"for every {task.role}: claim it to make it yours"
        if self.is_escalated_to(task, person, at=at):
            return f"escalated to you: it is with {self.name_for(person, owner.id) if owner else task.role}"
        if owner is None and person in self.persons(task.role, at=at):
            return f"yours: nobody holds {task.role} now"
        return f"with {owner.name}" if owner else f"with {task.role}"

    def by_login(self, login: str | None) -> Person | None:
        """Return the person whose OS user is `login`, if there is one."""
        if not login:
            return None
        return next((person for person in self._desk.site().people.values() if person.login == login), None)

    def named(self, name: str) -> Person:
        """Return the person of that id (or full name). Raises NotFound."""
        people = self._desk.site().people
        found = people.get(name) or next((one for one in people.values() if one.name == name), None)
        if found is None:
            raise NotFound(f"there is no person '{name}' (known: {', '.join(people)})")
        return found

    def name_for(self, reader: Person, person: str) -> str:
        """Return how a reader is told who somebody is: a partner learns no name of the team."""
        if reader.is_partner and person != reader.id:
            return "a colleague"
        return self._desk.site().name_of(person)

    def who_did(self, task: Task, *, at: datetime) -> str:
        """Return the name of who closed a task, else of whose it was at that moment; its role for several."""
        person = self._known(task.closed_by) or self.of_task(task, at=at)
        return person.name if person else task.role

    def addresses(self, name: str, *, at: datetime) -> tuple[str, ...]:
        """Return the mail addresses of a role, roster or person; an address is itself."""
        if "@" in name:
            return (name,)
        return tuple(dict.fromkeys(person.email for person in self.persons(name, at=at) if person.email))

    def _present(self, name: str, *, at: datetime) -> tuple[Person, ...]:
        site = self._desk.site()
        if name in site.people:
            return (self._held(name, at=at) or site.people[name],)
        if name in site.rosters:
            held = self._held(name, at=at)
            return () if held is None else (held,)
        holders = site.holders_of(name)
        here = [person for person in holders if not self._is_away(person, at=at)] or holders
        found = [self._held(person.id, at=at) for person in here]
        return tuple({person.id: person for person in found if person is not None}.values())

    def _is_away(self, person: Person, *, at: datetime) -> bool:
        """Tell whether the person is on leave and nobody stands in."""
        on_leave = any(
            absence.kind == "leave"
            and absence.person == person.id
            and absence.roster is None
            and absence.from_ <= at < absence.until
            for absence in self._absences(at)
        )
        return on_leave and self.holder(person.id, at=at).person == person.id

    def _absences(self, at: datetime) -> Sequence[Absence]:
        """Return the absences that reach past a moment."""
        return self._desk.books.absences.live(since=at) if self._known_absences is None else self._known_absences

    def _escalated_to(self, task: Task) -> tuple[str, ...]:
        """Return the names that a task has been escalated to."""
        return escalated_to(task, self._desk.books.tasks.rungs(task.id)) if task.escalate else ()

    def _acts_on(self, task: Task) -> Sequence[AuditRecord]:
        """Return what people have done to a task."""
        return self._desk.books.audit.about(f"task {task.id}")

    def _held(self, name: str, *, at: datetime) -> Person | None:
        return self._known(self.holder(name, at=at).person)

    def _known(self, person: str | None) -> Person | None:
        return None if person is None else self._desk.site().people.get(person)

    def _reason(self, task: Task, person: Person, *, at: datetime) -> str:
        if task.person == person.id:
            return self._how_taken(task, person)
        if task.approve_by:
            return "to approve"
        if task.role == person.id:
            return "it names you"
        if task.role in self._desk.site().rosters:
            why = "" if person.is_partner else self.holder(task.role, at=at).why  # it may name for whom they stand in
            return why or f"you hold {task.role}"
        if task.role in person.roles:
            return f"you are the only {task.role} here"
        return f"you cover for {task.role}"

    def _how_taken(self, task: Task, reader: Person) -> str:
        """Tell a hand-over from a claim by the newest record of either."""
        for record in reversed(self._acts_on(task)):
            if record.action == "claim":
                return "you claimed it"
            if record.action == "hand over":
                return f"handed over by {self.name_for(reader, record.actor)}"
        return "it was given to you"
