"""Open tasks in a digest's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.digest_words import count_words, day_words
from opsrunner.engine.escalations import escalated_to
from opsrunner.engine.people import People
from opsrunner.model.digest import OpenItem
from opsrunner.model.run import RunStatus
from opsrunner.model.task import Task, TaskKind


class TaskWords:
    """Says of tasks what a reader must know: why, since when, with whom."""

    def __init__(self, desk: Desk, people: People, *, until: datetime, names: Mapping[str, str]) -> None:
        self._desk, self._people, self._until, self._names = desk, people, until, names
        self._zone = ZoneInfo(desk.site().timezone)

    def items(self, tasks: Sequence[Task], *, together: bool) -> list[OpenItem]:
        """Return an item for each task, or one for all of them."""
        return [self._together(tasks)] if together else [self._one(task) for task in tasks]

    def _one(self, task: Task) -> OpenItem:
        return OpenItem(
            tone="failed" if task.kind is TaskKind.FOLLOW_UP or task.is_late(self._until) else "look",
            word=self._word(task),
            title=task.title,
            facts=self._facts(task),
            with_whom=self._with_whom(task),
            age_days=self._age_days(task),
            task=task.id,
            run=task.run,
            url=task.link,
            short=self._short(task),
            action="Open it" if task.link else "",
        )

    def _together(self, tasks: Sequence[Task]) -> OpenItem:
        first = tasks[0]
        oldest = min(tasks, key=lambda task: task.opened_at)
        late = sum(task.is_late(self._until) for task in tasks)
        name = self._names.get(first.routine or "", first.routine or "")
        since = self._since(oldest.opened_at)
        facts = f"{first.title}, and {count_words(len(tasks) - 1)} more; the oldest open since {since}."
        return OpenItem(
            tone="failed" if late else "look",
            word="Overdue" if late else "Open",
            title=f"{name}: {count_words(len(tasks))} tasks",
            facts=facts,
            with_whom=self._with_whom(first),
            age_days=self._age_days(oldest),
            run=first.run,
            short=name.lower(),
        )

    def _word(self, task: Task) -> str:
        if task.kind is TaskKind.FOLLOW_UP:
            return "Failed"
        if task.is_late(self._until):
            return "Overdue"
        return "Approve" if task.approve_by else "Open"

    def _facts(self, task: Task) -> str:
        if task.kind is TaskKind.FOLLOW_UP:
            return self._failure(task)
        words = []
        if task.due_at is not None:
            words.append(f"Due {self._moment(task.due_at)}{self._lateness(task)}.")
        reached = escalated_to(self._desk.books, task)
        if reached:
            words.append(f"Escalated to {', '.join(reached)}.")
        name = self._names.get(task.routine or "", "")
        if name:
            words.append(f"Of {name}.")
        return " ".join(words)

    def _failure(self, task: Task) -> str:
        times = f" {count_words(task.count)} times" if task.count > 1 else ""
        said = f"{task.message.rstrip('.')}.{' Failed' + times + '.' if times else ''}"
        good = self._desk.books.runs.last(task.routine or "", RunStatus.SUCCEEDED)
        if good is not None and good.finished_at is not None:
            return f"{said} Last fine {self._moment(good.finished_at)}."
        return said

    def _lateness(self, task: Task) -> str:
        if task.due_at is None or not task.is_late(self._until):
            return ""
        hours = int((self._until - task.due_at).total_seconds() // 3600)
        if hours < 1:
            return ", just late"
        return f", {count_words(hours)} h late" if hours < 48 else f", {count_words(hours // 24)} days late"

    def _with_whom(self, task: Task) -> str:
        person = self._people.of_task(task, at=self._until)
        who = task.role if person is None else person.name
        if person is not None and task.role not in (person.id, ""):
            who = f"{person.name} ({task.role})"
        return f"{who}, open since {self._since(task.opened_at)}"

    def _short(self, task: Task) -> str:
        if task.kind is TaskKind.FOLLOW_UP:
            return self._names.get(task.routine or "", task.title).lower()
        return task.title if len(task.title) <= 40 else f"{task.title[:39].rstrip()}…"

    def _age_days(self, task: Task) -> int:
        opened = task.opened_at.astimezone(self._zone).date()
        return max(0, (self._until.astimezone(self._zone).date() - opened).days)

    def _since(self, moment: datetime) -> str:
        local = moment.astimezone(self._zone)
        today = self._until.astimezone(self._zone).date()
        return f"{local:%H:%M}" if local.date() == today else day_words(local.date())

    def _moment(self, moment: datetime) -> str:
        local = moment.astimezone(self._zone)
        return f"{day_words(local.date())} {local:%H:%M}"
