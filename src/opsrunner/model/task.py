"""One human act, and the marks people leave on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from opsrunner.model.outcome import Row
from opsrunner.model.person import Person
from opsrunner.model.routine import Escalation, EvidenceSpec
from opsrunner.records import dataclass

UNDO_SECONDS = 30


class TaskStatus(StrEnum):
    """Where a task stands. Late is derived from `due_at`."""

    OPEN = "open"
    DONE = "done"
    NOT_APPLICABLE = "not_applicable"
    COULD_NOT = "could_not"
    MISSED = "missed"


class TaskKind(StrEnum):
    """Where a task comes from."""

    ROUTINE = "routine"
    FOLLOW_UP = "follow_up"
    AD_HOC = "ad_hoc"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a tick carries."""

    note: str = ""
    number: float | None = None
    choice: str = ""
    file: str = ""
    """Path below the state folder."""
    form: Mapping[str, float | str] = field(default_factory=dict)
    """The answers of a form, by the names of its fields."""
    outcome: str = ""
    """What the machine saw, where the machine ticked."""


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """Everything of a task that is known when it opens; its texts are rendered, and frozen from then on.

    `role` is who answers for it (role, roster or person); `person` is set by a claim or a hand-over
    and wins over it. All moments are UTC.
    """

    kind: TaskKind
    run: int | None
    routine: str | None
    step: str
    item: str
    """The id of its TaskPlan: equal to `step`, or `step.item` within a checklist."""
    key: str | None = None
    title: str
    how: str = ""
    link: str = ""
    group: str = ""
    role: str
    person: str | None = None
    due_at: datetime | None = None
    remind: tuple[int, ...] = ()
    escalate: tuple[Escalation, ...] = ()
    evidence_spec: EvidenceSpec | None = None
    done_when: str | None = None
    closes_when_gone: bool = False
    not_by: str = ""
    """Whose own work it is about (id, login, name or mail address): they may not tick it."""
    expires: str = "next"
    wait: bool = False
    approve_by: str = ""
    approve_not_self: bool = False
    rows: tuple[Row, ...] = ()
    """The frozen rows of an approval."""
    message: str = ""
    """The last failure, for a follow-up."""
    row: Row = field(default_factory=dict)
    """The row that opened it, as last seen."""
    opened_at: datetime
    opened_by: str = ""


@dataclass(frozen=True, kw_only=True)
class Task(NewTask):
    """One row of `tasks`."""

    id: int
    status: TaskStatus
    struck: tuple[int, ...] = ()
    """Positions in `rows` that were struck."""
    count: int = 1
    """How often its cause has come; more than 1 only for follow-ups and keyed tasks."""
    closed_at: datetime | None = None
    closed_by: str = ""
    settles_at: datetime | None = None
    """When undo ends and the run goes on."""
    evidence: Evidence = Evidence()

    @property
    def is_open(self) -> bool:
        """Tell whether somebody still has to act."""
        return self.status is TaskStatus.OPEN

    @property
    def holds_run(self) -> bool:
        """Tell whether its run waits for it (follow-ups, ad-hoc and keyed tasks without `wait` do not)."""
        return self.kind is TaskKind.ROUTINE and (self.wait or self.key is None)

    def is_own_work_of(self, person: Person) -> bool:
        """Tell whether it is about what that person did, so that somebody else has to tick it."""
        told = (person.id, person.login, person.name, person.email)
        return bool(self.not_by) and self.not_by.casefold() in {one.casefold() for one in told if one}

    def is_late(self, now: datetime) -> bool:
        """Tell whether it is open past its due time."""
        return self.is_open and self.due_at is not None and self.due_at < now
