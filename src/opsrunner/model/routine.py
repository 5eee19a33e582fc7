"""A routine as it is parsed, checked and frozen with each of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import time
from typing import Any, Literal

from opsrunner.model.rows import OnRows
from opsrunner.model.schedule import CatchUp, Schedule
from opsrunner.records import dataclass
from opsrunner.secrets import SecretRef

HUMAN_KINDS = frozenset({"task", "checklist"})
HOST_KINDS = frozenset({"ssh", "ask", "patch_audit", "capacity", "hardening"})
"""The kinds of steps that ask hosts: their option `hosts` names those, and the parts of their outcome are hosts."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """How often to try again after the first try, and how long to wait between."""

    times: int = 0
    wait_seconds: float = 60


@dataclass(frozen=True, kw_only=True)
class Due:
    """When a task is due: `at` (the first such wall-clock time after it opens), `after_seconds`, or as its row says."""

    at: time | None = None
    after_seconds: int | None = None
    business: bool = False
    """`after_seconds` counts only the working hours of the site's calendar."""
    row: str = ""
    """An expression that gives a moment or a date of the row."""


@dataclass(frozen=True, kw_only=True)
class Escalation:
    """Who hears of it, how long after the due time."""

    after_seconds: int
    to: str


@dataclass(frozen=True, kw_only=True)
class FormField:
    """One answer of a form that a tick carries."""

    name: str
    kind: Literal["number", "choice", "text"]
    need: Literal["required", "optional"] = "required"
    minimum: float | None = None
    maximum: float | None = None
    choice: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EvidenceSpec:
    """What a tick must or may carry."""

    note: Literal["required", "optional"] | None = None
    number: Literal["required", "optional"] | None = None
    number_name: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choice: tuple[str, ...] = ()
    file: Literal["required", "optional"] | None = None
    form: tuple[FormField, ...] = ()

    @property
    def is_required(self) -> bool:
        """Tell whether a tick has to carry something."""
        needs = (self.note, self.number, self.file, *(field.need for field in self.form))
        return "required" in needs or bool(self.choice)


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A frozen list that `by` approves; single rows can be struck."""

    rows: str
    by: str
    not_self: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskPlan:
    """One human act as the file describes it; texts may hold templates until it opens."""

    id: str
    title: str
    how: str = ""
    """Markdown."""
    link: str = ""
    group: str = ""
    """The heading of the checklist that it stands under."""
    role: str = ""
    """Role, roster or person; empty: the routine's accountable."""
    due: Due | None = None
    remind: tuple[int, ...] = ()
    """Seconds relative to the due time, negative before it."""
    escalate: tuple[Escalation, ...] = ()
    evidence: EvidenceSpec | None = None
    done_when: str | None = None
    closes_when_gone: bool = False
    again_seconds: int | None = 0
    """How long after its end the same key may open another; None: never."""
    not_by: str | None = None
    """An expression that names whose own work it is about."""
    expires: Literal["next", "due", "never"] = "next"
    wait: bool = False
    approve: Approval | None = None

    def for_whom(self, accountable: str) -> str:
        """Return the role, roster or person that it opens for: who approves, else its own, else the accountable."""
        return (self.approve.by if self.approve else "") or self.role or accountable


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """One step of a routine.

    `options` are the kind's own keys as plain values, already checked by the kind's pydantic class;
    secrets stand in them as references. `tasks` is filled for the human kinds.
    """

    id: str
    kind: str
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    when: str | None = None
    for_each: str | None = None
    key: str | None = None
    timeout_seconds: float = 3600
    retry: Retry = Retry()
    env: Mapping[str, str | SecretRef] = field(default_factory=dict)
    on_failure: Literal["stop", "continue"] = "stop"
    follow_up: bool = True
    urgent: bool = False
    warn_if: str | None = None
    fail_if: str | None = None
    rows: Literal["json", "csv", "lines"] | None = None
    once: str | None = None
    """A text template: the name of an outward act that must never happen twice."""
    after_crash: Literal["ask", "rerun"] = "ask"
    tasks: tuple[TaskPlan, ...] = ()
    line: int = 0
    """Line of the step in its file, counted from 1."""

    @property
    def acts_once(self) -> bool:
        """Tell whether it does something elsewhere that is never repeated: no later success tells how it went.

        A mail is none: it is queued with the end of its step, or not at all.
        """
        return self.once is not None and self.kind != "email"

    @property
    def is_human(self) -> bool:
        """Tell whether people do this step."""
        return self.kind in HUMAN_KINDS

    @property
    def asks_hosts(self) -> bool:
        """Tell whether it asks hosts, so that the parts of its outcome are hosts."""
        return self.kind in HOST_KINDS


@dataclass(frozen=True, kw_only=True)
class Routine:
    """One file of `routines/`."""

    id: str
    name: str
    about: str = ""
    accountable: str
    tags: tuple[str, ...] = ()
    schedule: Schedule = Schedule()
    on_rows: OnRows | None = None
    """The rows that it runs for, instead of or beside its schedule."""
    catch_up: CatchUp = CatchUp()
    overlap: Literal["skip", "queue"] = "skip"
    steps: tuple[StepPlan, ...] = ()
    renamed_from: str | None = None
    file: str = ""
    """Path of the file, relative to the site."""
