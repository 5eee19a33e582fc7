"""What staff owe a window or an incident, kept up to date: status lines, its end, its review, and what is unclear."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from opsrunner.engine.desk import Desk
from opsrunner.engine.downtime_tasks import DowntimeTasks
from opsrunner.engine.downtime_words import credit_rows
from opsrunner.errors import NotFound
from opsrunner.model.downtime import Downtime, DowntimeStatus, Post
from opsrunner.model.notice import Ladder
from opsrunner.model.task import Task, TaskStatus
from opsrunner.model.window import IncidentRules


class DowntimeDuties:
    """Opens, renews and closes the tasks of downtimes; each method writes in one transaction."""

    def __init__(self, desk: Desk, tasks: DowntimeTasks) -> None:
        self._desk, self._tasks = desk, tasks
        self._books = desk.books.downtimes

    def keep(self, row: Downtime, ladder: Ladder, *, accountable: str, now: datetime) -> None:
        """Ask for a status line when it is time for one since the last word; one that was said closes the task."""
        every = min((rung.every_seconds for rung in ladder.rungs if rung.every_seconds), default=0)
        task = self._task(row.status_task)
        if row.is_over:
            self._close(row.status_task, task, f"{row.title} is over", now=now)
            return
        if not every or row.begins_at > now:
            return
        posts: Sequence[Post] = self._books.posts([row.id]).get(row.id, [])
        last = posts[-1] if posts else None
        asked_at = task.opened_at if task is not None and task.is_open else None
        if last is not None and asked_at is not None and last.at >= asked_at:
            self._close(row.status_task, task, f"{last.by}: {last.text}", now=now)
            asked_at = None
        step, since = timedelta(seconds=every), last.at if last else row.begins_at
        if asked_at is not None:
            self._renew(task, since=since, step=step, now=now)
            return
        if now - since < step:
            return
        with self._desk.books.transaction():
            told = self._told(row)
            opened = self._tasks.status(row, accountable, last, told=told, at=now)
            self._books.note_task(row.id, purpose="status_task", task=opened.id)

    def overrun(self, row: Downtime, *, accountable: str, now: datetime) -> None:
        """Ask to end a window whose time has passed; the task goes with the end, or with more time."""
        task = self._task(row.overrun_task)
        is_open = task is not None and task.is_open
        if row.status(now) is not DowntimeStatus.OVERRUN:
            self._close(row.overrun_task, task, f"{row.title} is {row.status(now).value}", now=now)
        elif not is_open and not row.is_incident and not self._was_answered(task, row):
            with self._desk.books.transaction():
                opened = self._tasks.overrun(row, accountable, at=now)
                self._books.note_task(row.id, purpose="overrun_task", task=opened.id)

    def stray(self, row: Downtime, why: str, *, accountable: str, now: datetime) -> None:
        """Ask what is meant where the file no longer says what was told; `why` is empty where it does."""
        task = self._task(row.stray_task)
        if row.is_over or not why or row.announced_at is None or row.begins_at <= now:
            self._close(row.stray_task, task, "the file and what was told agree", now=now)
        elif task is None:
            with self._desk.books.transaction():
                opened = self._tasks.stray(row, accountable, why, at=now)
                self._books.note_task(row.id, purpose="stray_task", task=opened.id)

    def unknown(self, row: Downtime, why: str, *, accountable: str, now: datetime) -> None:
        """Ask to look why somebody cannot be told; `why` is empty where all can."""
        task = self._task(row.source_task)
        if not why:
            self._close(row.source_task, task, "it is known whom it affects", now=now)
            if row.source_task is not None:
                self._books.note_task(row.id, purpose="source_task", task=None)
        elif row.source_task is None:
            with self._desk.books.transaction():
                opened = self._tasks.unknown(row, accountable, why, at=now)
                self._books.note_task(row.id, purpose="source_task", task=opened.id)

    def over(self, row: Downtime, *, rules: IncidentRules, now: datetime) -> None:
        """Close what is over: its tasks go; an incident leaves a review, and a list of credits to approve."""
        with self._desk.books.transaction():
            for task_id in (row.status_task, row.overrun_task, row.stray_task, row.source_task):
                self._tasks.close(task_id, f"{row.title} is over", at=now)
            if row.approved_at is None:
                words = "nobody approved it in time: no customer was told"
                self._tasks.close(row.approval, words, at=now, status=TaskStatus.MISSED)
            if row.is_incident:
                self._tasks.review(row, rules, at=now)
                rule = rules.credit
                rows = credit_rows(row, after_seconds=rule.after_seconds, times=rule.times) if rule else []
                if rows:
                    self._tasks.credit(row, rules, rows, at=now)
            self._books.close(row.id, at=now)

    def _renew(self, task: Task | None, *, since: datetime, step: timedelta, now: datetime) -> None:
        """Count how often a status line has been owed since the last word."""
        if task is not None and task.count < (now - since) // step:
            self._desk.books.tasks.repeat(task.id, message="", run=None)

    def _was_answered(self, task: Task | None, row: Downtime) -> bool:
        """Tell whether somebody has closed the task about this very end already."""
        return task is not None and row.ends_at is not None and task.opened_at >= row.ends_at

    def _told(self, row: Downtime) -> int:
        told = self._desk.books.notices.told(row.notice, [str(row.id)]).get(str(row.id), [])
        return len({one.recipient for one in told if one.status.reached})

    def _close(self, task_id: int | None, task: Task | None, outcome: str, *, now: datetime) -> None:
        if task is not None and task.is_open:
            self._tasks.close(task_id, outcome, at=now)

    def _task(self, task_id: int | None) -> Task | None:
        if task_id is None:
            return None
        try:
            return self._desk.books.tasks.get(task_id)
        except NotFound:
            return None
