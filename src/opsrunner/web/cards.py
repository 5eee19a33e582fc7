"""Tasks as pages show them: whose, why, until when, and what a tick has to carry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from opsrunner.engine.moment_words import due_words
from opsrunner.engine.people_at_once import PeopleAtOnce
from opsrunner.model.person import Person
from opsrunner.model.task import Task, TaskStatus
from opsrunner.records import dataclass
from opsrunner.web.visit import Visit


@dataclass(frozen=True, kw_only=True)
class Card:
    """A task as a page shows it."""

    task: Task
    routine: str
    why: str
    due: str
    is_late: bool
    is_mine: bool
    """Whether the reader is whose it is; else it may be claimed."""
    closed_by: str
    can_undo: bool

    @property
    def is_done(self) -> bool:
        """Tell whether it was done, or there was nothing to do: what was missed, or could not be, is neither."""
        return self.task.status in (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE)

    @property
    def asks(self) -> bool:
        """Tell whether a tick has to carry something, so that one touch is not enough."""
        spec, task = self.task.evidence_spec, self.task
        return (spec is not None and spec.is_required) or task.done_when is not None or bool(task.approve_by)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Tasks under one headline."""

    title: str
    cards: tuple[Card, ...]


def staff_of(visit: Visit) -> list[Person]:
    """Return to whom the reader may hand tasks over: who works on them; a partner gives them back to their role."""
    if visit.person.is_partner:
        return []
    return [person for person in visit.app.site.people.values() if person.is_staff]


class Cards:
    """Shows tasks to the reader; what is asked of the ledger is asked once for all of them."""

    def __init__(self, visit: Visit, tasks: Sequence[Task]) -> None:
        self._visit = visit
        self.people = PeopleAtOnce(visit.app.desk, tasks, at=visit.now)
        """Who answers for these tasks."""

    def of(self, task: Task) -> Card:
        """Return a task as the reader sees it."""
        visit, me = self._visit, self._visit.person
        owner = self.people.of_task(task, at=visit.now) if task.is_open else None
        may_undo = task.closed_by == me.id or me.is_owner
        return Card(
            task=task,
            routine=visit.names.of(task.routine),
            why=self.people.why(task, me, at=visit.now) if task.is_open else "",
            due=due_words(task.due_at, now=visit.now, zone=visit.zone),
            is_late=task.is_late(visit.now),
            is_mine=owner is not None and owner.id == me.id,
            closed_by=visit.app.site.name_of(task.closed_by),
            can_undo=may_undo and task.settles_at is not None and task.settles_at > visit.now,
        )

    def grouped(self, tasks: Sequence[Task]) -> list[Group]:
        """Return tasks by when they are due: overdue, today, this week, later; without a due time they come last."""
        now, zone = self._visit.now, self._visit.zone
        today = now.astimezone(zone).date()
        end_of_week = today + timedelta(days=6 - today.weekday())
        found: dict[str, list[Task]] = {"Overdue": [], "Today": [], "This week": [], "Later": []}
        for task in tasks:
            day = None if task.due_at is None else task.due_at.astimezone(zone).date()
            if task.is_late(now):
                found["Overdue"].append(task)
            elif day is None or day > end_of_week:
                found["Later"].append(task)
            else:
                found["Today" if day <= today else "This week"].append(task)
        return [
            Group(title=title, cards=tuple(self.of(task) for task in group)) for title, group in found.items() if group
        ]
