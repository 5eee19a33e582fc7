"""Reminders and escalations: each rung of each task goes once."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsrunner.engine.alerts import Alerts
from opsrunner.engine.desk import Desk
from opsrunner.engine.escalations import escalation_rung, reminder_rung
from opsrunner.model.task import Task


class Rungs:
    """Climbs what is due; called at every planner pass."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._alerts = Alerts(desk)

    def climb(self, now: datetime) -> int:
        """Send what is due now for open tasks, and return how many rungs sent a mail.

        Of several reminders of one task whose moments have passed only the newest goes: a daemon that
        was down does not pour them out.
        """
        return sum(self._climb(task, now) for task in self._desk.books.tasks.climbing() if _may_climb(task, now))

    def _climb(self, task: Task, now: datetime) -> int:
        if not self._due_rungs(task, now):
            return 0
        with self._desk.books.transaction():
            fresh = self._desk.books.tasks.get(task.id)
            return self._remind(fresh, now) + self._escalate(fresh, now) if fresh.is_open else 0

    def _due_rungs(self, task: Task, now: datetime) -> bool:
        rungs = {reminder_rung(offset) for offset in task.remind if _is_past(task, offset, now)}
        rungs |= {escalation_rung(step) for step in task.escalate if _is_past(task, step.after_seconds, now)}
        return bool(rungs - self._desk.books.tasks.rungs(task.id).keys())

    def _remind(self, task: Task, now: datetime) -> int:
        passed = sorted(offset for offset in task.remind if _is_past(task, offset, now))
        new = [offset for offset in passed if self._desk.books.tasks.climb(task.id, reminder_rung(offset), at=now)]
        if not new or new[-1] != passed[-1]:
            return 0
        self._alerts.reminder(task, reminder_rung(new[-1]), now)
        return 1

    def _escalate(self, task: Task, now: datetime) -> int:
        sent = 0
        for step in task.escalate:
            if _is_past(task, step.after_seconds, now) and self._desk.books.tasks.climb(
                task.id, escalation_rung(step), at=now
            ):
                self._alerts.escalated(task, step, now)
                sent += 1
        return sent


def _may_climb(task: Task, now: datetime) -> bool:
    moments = (*task.remind, *(step.after_seconds for step in task.escalate))
    return bool(moments) and _is_past(task, min(moments), now)


def _is_past(task: Task, offset_seconds: int, now: datetime) -> bool:
    return task.due_at is not None and task.due_at + timedelta(seconds=offset_seconds) <= now
