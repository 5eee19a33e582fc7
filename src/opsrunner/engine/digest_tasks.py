"""Open tasks in a digest's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.alerts import INTERRUPTED_KEY
from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_names import Names
from opsrunner.engine.digest_said import MOST_NAMED, SAID_LENGTH, listed, message_words, sentence, shortened
from opsrunner.engine.digest_words import count_words, plural, times_words
from opsrunner.engine.escalations import escalation_rung
from opsrunner.engine.finding_words import is_about_findings
from opsrunner.mail.headers import clean_line
from opsrunner.model.digest import OpenItem
from opsrunner.model.spans import span_words
from opsrunner.model.task import Task, TaskKind

NOT_DONE = "Not done"


class TaskWords:
    """Says of tasks what a reader must know: why, since when, with whom."""

    def __init__(self, desk: Desk, names: Names, *, until: datetime) -> None:
        self._desk, self._names, self._until = desk, names, until
        self._zone = ZoneInfo(desk.site().timezone)

    def one(self, task: Task) -> OpenItem:
        """Return the item of a task."""
        is_failure = task.kind is TaskKind.FOLLOW_UP
        title = self._failure_title(task) if is_failure else task.title
        return OpenItem(
            tone="failed" if is_failure or task.is_late(self._until) else "look",
            word=self._word(task),
            title=title,
            facts=self._failure(task) if is_failure else self._facts(task),
            with_whom=self._names.with_whom(task),
            age_days=self._age_days(task),
            task=task.id,
            run=task.run,
            url=task.link,
            action="Open it",
            short=shortened(self._names.routine(task.routine) if is_failure else title),
        )

    def together(self, tasks: Sequence[Task], *, of: int) -> OpenItem:
        """Return one item for tasks that read alike, `of` so many open ones of the same routine."""
        first = tasks[0]
        if first.kind is TaskKind.FOLLOW_UP:
            return self._failures(tasks)
        late = sum(task.is_late(self._until) for task in tasks)
        name = self._names.routine(first.routine)
        count = f"{count_words(late)} of {plural(of, 'task')}" if late else plural(len(tasks), "task")
        more = f"{first.title.rstrip('.')}, and {count_words(len(tasks) - 1)} more."
        return OpenItem(
            tone="failed" if late else "look",
            word="Overdue" if late else "To do",
            title=f"{name}: {count}",
            facts=f"{more} {self._earliest(tasks)}".rstrip(),
            with_whom=self._names.with_whom(first),
            age_days=max(map(self._age_days, tasks)),
            command="opsrunner tasks",
            short=shortened(name),
        )

    def undone(self, task: Task) -> OpenItem:
        """Return the item of a task that somebody closed since it could not be done: who, why, what it was about."""
        open_ = self.one(task)
        when = f" {self._names.moment(task.closed_at)}" if task.closed_at is not None else ""
        said = sentence(f"{self._by(task)} could not do it{when}{_why(task)}")
        return replace(
            open_,
            tone="look",
            word=NOT_DONE,
            facts=f"{said} {open_.facts}".rstrip(),
            with_whom=self._names.accountable(task.routine) if task.routine else "",
            age_days=0,
            command=f"opsrunner task show {task.id}",
        )

    def undone_together(self, tasks: Sequence[Task]) -> OpenItem:
        """Return one item for many of one step that could not be done."""
        first = tasks[0]
        name = self._names.routine(first.routine)
        named = [f"{task.title.rstrip('.')} ({self._by(task)}{_why(task)})" for task in tasks[:MOST_NAMED]]
        return OpenItem(
            tone="look",
            word=NOT_DONE,
            title=f"{name}: {plural(len(tasks), 'task')}",
            facts=sentence(listed(named, total=len(tasks), apart="; ")),
            with_whom=self._names.accountable(first.routine) if first.routine else "",
            command="opsrunner tasks --all",
            short=shortened(name),
        )

    def _by(self, task: Task) -> str:
        return self._desk.site().name_of(task.closed_by)

    def _word(self, task: Task) -> str:
        if task.kind is TaskKind.FOLLOW_UP:
            return "Cut off" if task.key == INTERRUPTED_KEY else "Failed"
        if task.is_late(self._until):
            return "Overdue"
        return "Approve" if task.approve_by else "To do"

    def _facts(self, task: Task) -> str:
        words = [self._findings(task), self._due(task), self._rungs(task)]
        if task.approve_by:
            count = plural(len(task.rows) - len(task.struck), "row")
            words.insert(0, f"{count} on the list; nothing goes on without an answer.")
        name = self._names.routine(task.routine)
        if name and name not in task.title:
            words.append(f"From {name}.")
        return " ".join(word for word in words if word)

    def _findings(self, task: Task) -> str:
        """Return how a task stands that audits keep: `4 findings, the worst high. Run 12: no longer on web3.`"""
        if not is_about_findings(task):
            return ""
        count = plural(int(task.row["findings"]), "finding")
        worst = f"{count}, {'' if count == '1 finding' else 'the worst '}{task.row['severity']}."
        return f"{worst} {sentence(clean_line(task.message, length=SAID_LENGTH))}".rstrip()

    def _due(self, task: Task) -> str:
        if task.due_at is None:
            return ""
        late = self._until - task.due_at
        if late <= timedelta():
            return f"Due {self._names.moment(task.due_at)}."
        how_late = "just now" if late < timedelta(minutes=1) else f"{span_words(late)} ago"
        return f"It was due {self._names.moment(task.due_at)}, {how_late}."

    def _rungs(self, task: Task) -> str:
        """Return what was done to wake somebody: `Reminded 2 times, escalated to you Fri 20:00.`"""
        if not (task.remind or task.escalate):
            return ""
        climbed = self._desk.books.tasks.rungs(task.id)
        reminded = sum(rung.startswith("remind ") for rung in climbed)
        words = [f"reminded {times_words(reminded)}"] if reminded else []
        for step in task.escalate:
            at = climbed.get(escalation_rung(step))
            if at is not None:
                words.append(f"escalated to {self._called(step.to)} {self._names.moment(at)}")
        return sentence(", ".join(words)) if words else ""

    def _called(self, name: str) -> str:
        readers = self._names.readers
        if len(readers) == 1 and any(name == one.id or name in one.roles for one in readers.values()):
            return "you"
        person = self._desk.site().people.get(name)
        return person.name if person else name

    def _failure_title(self, task: Task) -> str:
        place = "" if not task.key or task.key == INTERRUPTED_KEY else f" ({clean_line(task.key, length=60)})"
        return f"{self._names.step(task.routine, task.step)}{place}"

    def _failure(self, task: Task) -> str:
        rule = self._names.rule(task.routine, task.step)
        words = [sentence(message_words(task.message, is_bad=task.key != INTERRUPTED_KEY, rule=rule))]
        since = self._names.moment(task.opened_at)
        if task.count > 1:
            words.append(f"Failed {times_words(task.count)} since {since}.")
        elif task.key != INTERRUPTED_KEY:
            words.append(f"Failed once, {since}.")
        words.append(self._last_good(task))
        return " ".join(word for word in words if word)

    def _failures(self, tasks: Sequence[Task]) -> OpenItem:
        """Return one item for a step that failed for many hosts or rows."""
        first = tasks[0]
        title = f"{self._names.step(first.routine, first.step)}, for {count_words(len(tasks))}"
        rule = self._names.rule(first.routine, first.step)
        named = [
            f"{clean_line(task.key or '', length=60)}: {message_words(task.message, is_bad=True, rule=rule)[:80]}"
            for task in tasks[:MOST_NAMED]
        ]
        said = sentence(listed(named, total=len(tasks), apart="; "))
        return OpenItem(
            tone="failed",
            word="Failed",
            title=title,
            facts=f"{said} {self._last_good(first)}".rstrip(),
            with_whom=self._names.with_whom(first),
            age_days=max(map(self._age_days, tasks)),
            run=max(task.run or 0 for task in tasks) or None,
            short=shortened(self._names.routine(first.routine)),
        )

    def _last_good(self, task: Task) -> str:
        """Return when the step that failed last did well."""
        good = self._desk.books.steps.last_good(task.routine or "", task.step)
        if good is None:
            return "It has not been fine yet." if task.count > 1 else ""
        return f"Last fine {self._names.moment(good)}."

    def _earliest(self, tasks: Sequence[Task]) -> str:
        due = [task for task in tasks if task.due_at is not None]
        if not due:
            return ""
        first = min(due, key=lambda task: task.due_at or self._until)
        return self._due(first).replace("It was due", "The first was due").replace("Due", "The first is due")

    def _age_days(self, task: Task) -> int:
        opened = task.opened_at.astimezone(self._zone).date()
        return max(0, (self._until.astimezone(self._zone).date() - opened).days)


def _why(task: Task) -> str:
    note = clean_line(task.evidence.note, length=SAID_LENGTH).rstrip(".")
    return f": {note}" if note else ""
