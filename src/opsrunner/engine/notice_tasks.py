"""From a notice's pass to people: the list to approve, the rows of which nobody can be told, the mails that are lost.

The passes keep these tasks: the next one closes what is put right, and asks again for what is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import plural
from opsrunner.engine.plain_markdown import plain_markdown
from opsrunner.engine.tasks import BY_CHECK, OUTCOME_LENGTH
from opsrunner.errors import NotFound
from opsrunner.mail.headers import clean_line
from opsrunner.model.outcome import Row
from opsrunner.model.routine import Routine, StepPlan
from opsrunner.model.run import Run
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus
from opsrunner.notices.messages import Held, NoticeProblem
from opsrunner.notices.reporting import NoticeReport
from opsrunner.records import dataclass
from opsrunner.schedules.day_names import moment_words

MOST_SINGLE = 20
"""More lost mails than this are one task together: then it is the other system that does not send."""
MOST_TEXTS = 20
"""So many mails of a list are shown whole."""
MOST_NAMED = 40
TITLE_LENGTH, TEXT_LENGTH = 200, 2_000
UNKNOWN, LOST, APPROVE = "unknown", "lost", "approve"
ENDS = "ends"
"""Until when a strike counts, row by row, in the row that a list's task is about."""


@dataclass(frozen=True, kw_only=True)
class _Pass:
    """A pass with what its tasks are made of."""

    run: Run
    routine: Routine
    plan: StepPlan
    report: NoticeReport
    at: datetime

    @property
    def name(self) -> str:
        """How people call the notice."""
        return self.plan.name or (
            f"{self.routine.name}: {self.plan.id}" if self.plan.id != "notice" else self.routine.name
        )


class NoticeTasks:
    """Opens, renews and closes the tasks about notices."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def reported(self, run: Run, routine: Routine, plan: StepPlan, report: NoticeReport, *, at: datetime) -> None:
        """Bring the tasks of a notice up to date; in the caller's transaction."""
        told = _Pass(run=run, routine=routine, plan=plan, report=report, at=at)
        opened = self._opened(routine.id, plan.id)
        wanted = {new.key: new for new in self._wanted(told) if new.key is not None}
        for key, new in wanted.items():
            if key not in opened:
                if not (new.approve_by and self._is_answered(report)):
                    self._open(told, new)
            elif not new.approve_by:
                self._desk.books.tasks.renew(opened[key].id, new)
        for key in opened.keys() - wanted.keys():
            self._close(opened[key], _why_closed(key, told), at=at)

    def _wanted(self, told: _Pass) -> Iterator[NewTask]:
        report = told.report
        if report.asks and (report.held or report.coming):
            yield self._approval(told)
        if report.problems:
            yield self._unknown(told)
        if len(report.lost) > MOST_SINGLE:
            yield self._all_lost(told)
        else:
            yield from (self._lost(told, one) for one in report.lost)

    def _opened(self, routine: str, step: str) -> dict[str, Task]:
        found = self._desk.books.tasks.open_of_step(routine, step, TaskKind.ROUTINE)
        return {task.key: task for task in found if task.key is not None}

    def _open(self, told: _Pass, new: NewTask) -> None:
        task, _ = self._desk.books.tasks.open(new)
        if new.approve_by:
            report = told.report
            self._desk.books.notices.ask(report.notice, report.fingerprint, task_id=task.id, at=told.at)

    def _is_answered(self, report: NoticeReport) -> bool:
        """Tell whether the owner has said yes to the list already; until that settles, nobody is asked again."""
        asked = self._desk.books.notices.approval(report.notice, report.fingerprint)
        if asked is None or asked.at is not None:
            return asked is not None
        try:
            return self._desk.books.tasks.get(asked.task).status is TaskStatus.DONE
        except NotFound:  # long done, and forgotten
            return False

    def _close(self, task: Task, outcome: str, *, at: datetime) -> None:
        evidence = Evidence(outcome=clean_line(outcome, length=OUTCOME_LENGTH))
        status = TaskStatus.NOT_APPLICABLE if task.approve_by else TaskStatus.DONE
        self._desk.books.tasks.close(task.id, status=status, by=BY_CHECK, evidence=evidence, at=at)

    def _new(
        self, told: _Pass, key: str, *, title: str, how: str, row: Row, rows: Sequence[Row] = (), approve_by: str = ""
    ) -> NewTask:
        return NewTask(
            kind=TaskKind.ROUTINE,
            run=told.run.id,
            routine=told.routine.id,
            step=told.plan.id,
            item=told.plan.id,
            key=key,
            title=clean_line(title, length=TITLE_LENGTH),
            how=how,
            role=approve_by or told.routine.accountable,
            expires="never",
            approve_by=approve_by,
            rows=tuple(rows),
            row=row,
            opened_at=told.at,
            opened_by=told.run.actor or "opsrunner",
        )

    def _approval(self, told: _Pass) -> NewTask:
        report, zone = told.report, self._zone
        shown = [*report.held, *report.coming]
        rows = [_approval_row(held, number, zone) for number, held in enumerate(shown)]
        more = report.tally.held - len(report.held)
        now, later = plural(report.tally.held, "mail"), plural(len(report.coming), "mail")
        how = [f"Nothing of this goes before it is approved: {now} with the next run, {later} of those below later on."]
        if more > 0:
            how.append(f"The list names {len(report.held)} of them; {more} more are made in the same way.")
        how += [
            "Strike who is not to hear of it, until it is over: the others go.",
            "A change of the template, of the ladder, of when or of who is meant asks again.",
            f"Approved mails go half a minute after the tick, with the next run: `opsrunner run {told.routine.id}`.",
        ]
        title = f"Approve the mails of {told.name}: {report.tally.held} to go"
        return self._new(
            told,
            f"{APPROVE} {report.fingerprint}",
            title=title,
            how="\n\n".join(how),
            row={"held": report.tally.held, "coming": len(report.coming), ENDS: [one.useful_until for one in shown]},
            rows=rows,
            approve_by="owner",
        )

    def _unknown(self, told: _Pass) -> NewTask:
        problems, count = told.report.problems, told.report.tally.unknown
        lines = [f"- **{plain_markdown(one.key or 'a row')}**: {_said(one)}" for one in problems[:MOST_NAMED]]
        if count > len(lines):
            lines.append(f"- and {count - len(lines)} more")
        lines += ["", "Put it right where the data come from; the next run closes this when nothing is left."]
        title = f"Nobody can be told of {plural(count, 'row')}: {told.name}"
        return self._new(told, UNKNOWN, title=title, how="\n".join(lines), row={"rows": count})

    def _all_lost(self, told: _Pass) -> NewTask:
        lost, count = told.report.lost, told.report.tally.lost
        lines = [f"- **{plain_markdown(one.key)}**: {self._missing(one)}" for one in lost[:MOST_NAMED]]
        if count > len(lines):
            lines.append(f"- and {count - len(lines)} more")
        lines += ["", "So many at once: look whether the other system sends at all.", _closes()]
        title = f"{plural(count, 'reminder')} did not go: {told.name}"
        return self._new(told, LOST, title=title, how="\n".join(lines), row={"mails": count})

    def _lost(self, told: _Pass, one: NoticeProblem) -> NewTask:
        lines = [f"**{plain_markdown(one.key)}**: {self._missing(one)}.", "", _closes()]
        title = f"The reminder for {one.key} did not go ({one.rung}, to {one.to})"
        row = {"key": one.key, "to": one.to, "rung": one.rung, "due_at": one.due_at}
        key = clean_line(f"{LOST} {one.key} {one.rung} {one.to}", length=400)
        return self._new(told, key, title=title, how="\n".join(lines), row=row)

    def _missing(self, one: NoticeProblem) -> str:
        due = f", due {moment_words(one.due_at, zone=self._zone)}" if one.due_at else ""
        return f"the mail of {one.rung} to {plain_markdown(one.to)}{due}, is not in the mail log"

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._desk.site().timezone)


def _approval_row(held: Held, number: int, zone: ZoneInfo) -> Row:
    message = held.message
    row: dict[str, str] = {
        "to": message.recipient.address,
        "about": message.occasion.key,
        "rung": message.rung,
        "when": moment_words(message.due_at, zone=zone),
        "subject": held.mail.subject,
        "text": held.mail.text[:TEXT_LENGTH] if number < MOST_TEXTS else "",
    }
    return row


def _said(one: NoticeProblem) -> str:
    to = f" ({plain_markdown(one.to)})" if one.to else ""
    return f"{plain_markdown(one.problem)}{to}"


def _closes() -> str:
    return "This closes by itself when the log shows the mail."


def _why_closed(key: str, told: _Pass) -> str:
    if key.startswith(APPROVE):
        return f"run {told.run.id}: what was to be approved has changed, or nothing of it is left"
    if key == UNKNOWN:
        return f"run {told.run.id}: every row says whom and when"
    return f"run {told.run.id}: the mail log shows it, or its moment has passed"
