"""What people do to tasks: tick, undo, claim, hand over, add. Each act and its record are written together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from opsrunner.engine.checklists import Checklists
from opsrunner.engine.desk import Desk
from opsrunner.engine.evidence import checked_evidence, keep_file
from opsrunner.engine.people import People
from opsrunner.engine.rights import Rights
from opsrunner.engine.task_texts import HOW_LENGTH, TITLE_LENGTH, safe_link
from opsrunner.engine.task_words import STATUS_WORDS, evidence_words
from opsrunner.errors import NotFound, Refused, UsageError
from opsrunner.mail.headers import clean_line
from opsrunner.mail.message import clean_text
from opsrunner.model.person import Person
from opsrunner.model.routine import Due
from opsrunner.model.task import UNDO_SECONDS, Evidence, NewTask, Task, TaskKind, TaskStatus
from opsrunner.schedules.business import due_moment
from opsrunner.schedules.day_names import moment_words

MARKS = (TaskStatus.DONE, TaskStatus.NOT_APPLICABLE, TaskStatus.COULD_NOT)
DETAIL_LENGTH = 1_000


class Ticks:
    """Every method raises Refused, with who and when, where the act is not possible (any more)."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._people = People(desk)
        self._rights = Rights(desk)
        self._checklists = Checklists(desk)

    def tick(
        self,
        task_id: int,
        *,
        actor: Person,
        status: TaskStatus,
        evidence: Evidence,
        struck: Sequence[int] = (),
        at: datetime,
        address: str = "cli",
    ) -> Task:
        """Close a task and return it; its run goes on when undo ends, UNDO_SECONDS later.

        The first of two wins; the same tick again changes nothing. `struck` are positions in the rows
        of an approval that are left out. Raises NotFound, Refused.
        """
        if status not in MARKS:
            raise UsageError(f"a person cannot mark a task as {STATUS_WORDS[status]}")
        task = self._desk.books.tasks.get(task_id)
        self._rights.require_seen(actor, task, at=at)
        self._rights.require_task(actor, task, at=at)
        if not task.is_open:
            return _same_again(task, actor, status, evidence, zone=self._zone)
        checked = checked_evidence(task, status, evidence, state=self._desk.state)
        rows = _checked_rows(task, struck)
        settles_at = at + timedelta(seconds=UNDO_SECONDS)
        with self._desk.books.transaction():
            is_mine = self._desk.books.tasks.close(
                task_id, status=status, by=actor.id, evidence=checked, at=at, settles_at=settles_at, struck=rows
            )
            closed = self._desk.books.tasks.get(task_id)
            if not is_mine:
                self._rights.require_seen(actor, closed, at=at)
                return _same_again(closed, actor, status, evidence, zone=self._zone)
            words = f"{STATUS_WORDS[status]}; {evidence_words(closed)}".removesuffix("; ")
            self._record("tick", closed, words, actor=actor, at=at, address=address)
        self._checklists.write_about([closed], at=at)
        return closed

    def undo(self, task_id: int, *, actor: Person, at: datetime, address: str = "cli") -> Task:
        """Take a tick back while that is possible: by who made it, or an owner."""
        self._rights.require_staff(actor)
        with self._desk.books.transaction():
            task = self._desk.books.tasks.get(task_id)
            self._rights.require_seen(actor, task, at=at)
            if task.is_open:
                raise Refused(f"task {task_id} is open, there is nothing to undo")
            if task.closed_by != actor.id and not actor.is_owner:
                raise Refused(f"only who ticked it may undo it: {_closing_words(task, zone=self._zone)}")
            if self._has_gone_on(task) or not self._desk.books.tasks.reopen(task_id, now=at):
                raise Refused(f"too late to undo: {_closing_words(task, zone=self._zone)}")
            self._record("undo", task, f"was {STATUS_WORDS[task.status]}", actor=actor, at=at, address=address)
        opened = self._desk.books.tasks.get(task_id)
        self._checklists.write_about([opened], at=at)
        return opened

    def claim(self, task_id: int, *, actor: Person, at: datetime, address: str = "cli") -> Task:
        """Take a task that nobody has taken."""
        with self._desk.books.transaction():
            task = self._open_task(task_id, actor, at=at)
            self._rights.require_task(actor, task, at=at)
            if task.person == actor.id:
                return task
            if not self._desk.books.tasks.claim(task_id, actor.id):
                who = self._people.name_for(actor, task.person or "")
                raise Refused(f"{who} has it already; it can be handed over")
            self._record("claim", task, "", actor=actor, at=at, address=address)
        return self._again(task, at=at)

    def hand_over(self, task_id: int, to: str | None, *, actor: Person, at: datetime, address: str = "cli") -> Task:
        """Give a task to a person (id or full name), or with None back to its role. Raises NotFound.

        A partner knows nobody by name, and gives it back to its role.
        """
        self._rights.require_staff(actor)
        with self._desk.books.transaction():
            task = self._open_task(task_id, actor, at=at)
            if actor.is_partner and to is not None:
                raise Refused(f"{actor.name} gives tasks back to their role, and to nobody by name")
            receiver = None if to is None else self._people.named(to)
            if receiver is not None:
                self._rights.require_task(receiver, task, at=at)
            self._desk.books.tasks.assign(task_id, receiver.id if receiver else None)
            detail = f"to {receiver.id if receiver else task.role}"
            self._record("hand over", task, detail, actor=actor, at=at, address=address)
        return self._again(task, at=at)

    def add(
        self,
        title: str,
        *,
        actor: Person,
        at: datetime,
        role: str = "",
        person: str | None = None,
        due: Due | datetime | None = None,
        how: str = "",
        link: str = "",
        address: str = "cli",
    ) -> Task:
        """Open an ad-hoc task for a role, roster or person; without either, for the actor. Raises NotFound."""
        self._rights.require_staff(actor)
        if actor.is_partner:
            raise Refused(f"{actor.name} works on tasks, and opens none")
        line = _checked_title(title)
        if role:
            self._require_name(role)
        taker = self._people.named(person) if person else None
        new = NewTask(
            kind=TaskKind.AD_HOC,
            run=None,
            routine=None,
            step="",
            item="ad-hoc",
            title=line,
            how=clean_text(how)[:HOW_LENGTH],
            link=_checked_link(link),
            role=role or (taker or actor).id,
            person=taker.id if taker else None,
            due_at=self._due_at(due, at=at),
            expires="never",
            opened_at=at,
            opened_by=actor.id,
        )
        with self._desk.books.transaction():
            task, _ = self._desk.books.tasks.open(new)
            self._record("add", task, f"for {task.person or task.role}: {line}", actor=actor, at=at, address=address)
        return task

    def attach(self, path: Path, task: Task) -> str:
        """Keep a copy of a file as evidence for an open task; return its path below the state folder."""
        if not task.is_open:
            raise Refused(_closing_words(task, zone=self._zone))
        return keep_file(path, task, state=self._desk.state)

    @property
    def _zone(self) -> str:
        return self._desk.site().timezone

    def _open_task(self, task_id: int, actor: Person, *, at: datetime) -> Task:
        task = self._desk.books.tasks.get(task_id)
        self._rights.require_seen(actor, task, at=at)
        if not task.is_open:
            raise Refused(_closing_words(task, zone=self._zone))
        return task

    def _has_gone_on(self, task: Task) -> bool:
        """Tell whether the task's run has ended, or taken a step that waited for it."""
        if task.run is None or not task.holds_run:
            return False
        if self._desk.books.runs.get(task.run).status.is_final:
            return True
        records = self._desk.books.steps.of_run(task.run)
        return task.wait and any(record.id == task.step and record.finished_at is not None for record in records)

    def _due_at(self, due: Due | datetime | None, *, at: datetime) -> datetime | None:
        if not isinstance(due, Due):
            return due
        return due_moment(due, opened_at=at, zone=self._zone, almanac=self._desk.almanac())

    def _require_name(self, name: str) -> None:
        site = self._desk.site()
        if name not in site.people and name not in site.rosters and not site.holders_of(name):
            raise NotFound(f"there is no role, roster or person '{name}'")

    def _record(self, action: str, task: Task, detail: str, *, actor: Person, at: datetime, address: str) -> None:
        line = clean_line(detail, length=DETAIL_LENGTH)
        self._desk.books.audit.add(action, f"task {task.id}", actor=actor.id, at=at, detail=line, address=address)

    def _again(self, task: Task, *, at: datetime) -> Task:
        """Return a task as it stands now, with its checklist's file up to date."""
        self._checklists.write_about([task], at=at)
        return self._desk.books.tasks.get(task.id)


def _same_again(task: Task, actor: Person, status: TaskStatus, evidence: Evidence, *, zone: str) -> Task:
    """Return a closed task to who closed it just so; everybody else is told who was faster."""
    is_same = task.closed_by == actor.id and task.status is status
    if is_same and (evidence == Evidence() or _told(evidence) == _told(task.evidence)):
        return task
    raise Refused(_closing_words(task, zone=zone))


def _told(evidence: Evidence) -> tuple[object, ...]:
    form = sorted((name, str(answer)) for name, answer in evidence.form.items())
    return clean_text(evidence.note).strip(), evidence.number, evidence.choice, evidence.file, form


def _closing_words(task: Task, *, zone: str) -> str:
    when = "" if task.closed_at is None else f", {moment_words(task.closed_at, zone=ZoneInfo(zone))}"
    return f"task {task.id} is closed already: {STATUS_WORDS[task.status]} by {task.closed_by}{when}"


def _checked_rows(task: Task, struck: Sequence[int]) -> tuple[int, ...]:
    rows = tuple(sorted(set(struck)))
    if rows and (rows[0] < 0 or rows[-1] >= len(task.rows)):
        raise Refused(f"task {task.id} has {len(task.rows)} rows: no other can be struck")
    return rows


def _checked_title(text: str) -> str:
    line = clean_line(text, length=TITLE_LENGTH)
    if not line:
        raise UsageError("a task needs a title")
    return line


def _checked_link(text: str) -> str:
    link = safe_link(text)
    if text.strip() and not link:
        raise UsageError(f"'{clean_line(text, length=80)}' is no web address (https://…)")
    return link
