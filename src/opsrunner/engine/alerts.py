"""The mails that go at once: follow-ups, urgent failures, reminders, escalations.

They are queued in the caller's transaction, so that a mail and its cause are written together. Every
mail has a word of its own for its cause and its reader, so that none goes twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from opsrunner.engine.alert_render import alert_mail
from opsrunner.engine.asking import is_asked_name
from opsrunner.engine.desk import Desk, RoutineNames
from opsrunner.engine.escalations import escalation_rung
from opsrunner.engine.outputs import last_output
from opsrunner.engine.people import People
from opsrunner.engine.quiet import quiet_until
from opsrunner.engine.task_words import due_words
from opsrunner.errors import OpsrunnerError
from opsrunner.model.alert import Alert, AlertKind
from opsrunner.model.mail import NewMail
from opsrunner.model.person import Person
from opsrunner.model.routine import Escalation, Routine, StepPlan
from opsrunner.model.run import Run
from opsrunner.model.spans import span_words
from opsrunner.model.task import Task, TaskKind
from opsrunner.schedules.day_names import moment_words
from opsrunner.templates.markdown import readable

INTERRUPTED_KEY = "(interrupted)"
"""Key of the follow-up that asks about a step that was cut off; brackets stand in no host's name."""

_log = logging.getLogger(__name__)


class Alerts:
    """Queues the mails that should not wait for the digest."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._people = People(desk)

    def follow_ups_opened(self, tasks: Sequence[Task], at: datetime) -> None:
        """Tell of the follow-ups that one end of a step opened: one mail a reader, however many they are."""
        if not tasks:
            return
        first, more = tasks[0], len(tasks) - 1
        more_words = f" And {more} more of the same step: opsrunner tasks." if more else ""
        alert = self._about_follow_up(first)
        alert = replace(alert, facts=alert.facts + more_words, others=more)
        cause = f"follow-up-{first.run}-{first.step}" if first.run is not None else f"follow-up-task-{first.id}"
        self._queue_about(first, alert, cause=cause, at=at)

    def follow_up_opened(self, task: Task, at: datetime) -> None:
        """Tell of one follow-up."""
        self.follow_ups_opened([task], at)

    def urgent_failure(self, run: Run, routine: Routine, plan: StepPlan, message: str, at: datetime) -> None:
        """Tell the accountable at once, in quiet hours too; not again while a follow-up from before is open."""
        known = self._open_follow_ups(routine.id, plan.id)
        fresh = [task for task in known if task.count == 1 and task.run == run.id]
        if known and not fresh:
            return
        task = fresh[0] if fresh else None
        key = (task.key or "") if task else ""
        alert = Alert(
            kind="urgent",
            site=self._desk.site().name,
            word="Failed",
            title=f"{routine.name}: {plan.name or plan.id}",
            facts=f"It failed in run {run.id}: {message}",
            why_you=f"you answer for {routine.name}",
            last_lines=last_output(self._desk.state, run.id, plan.id, key).text,
            run=run.id,
            step=plan.id,
            task=task.id if task else None,
        )
        persons = self._people.persons(routine.accountable, at=at)
        self._queue(alert, persons, cause=f"urgent-{run.id}-{plan.id}", at=at, urgent=True)

    def reminder(self, task: Task, rung: str, at: datetime) -> None:
        """Remind of a task before or after its due time."""
        alert = self._about_task(task, "reminder", facts=self._due_facts(task), at=at)
        self._queue_about(task, alert, cause=f"{rung} task {task.id}", at=at, due=task)

    def escalated(self, task: Task, escalation: Escalation, at: datetime) -> None:
        """Tell the next person that a task is past its time."""
        owner = self._people.of_task(task, at=at)
        facts = f"{self._due_facts(task)} It is with {owner.name if owner else task.role}."
        after = span_words(timedelta(seconds=escalation.after_seconds))
        why = f"it comes to {escalation.to} when it is {after} late"
        alert = replace(self._about_task(task, "escalation", facts=facts, at=at), why_you=why)
        persons = self._people.persons(escalation.to, at=at)
        self._queue(alert, persons, cause=f"{escalation_rung(escalation)} task {task.id}", at=at, due=task)

    def _about_follow_up(self, task: Task) -> Alert:
        is_cut_off = task.key == INTERRUPTED_KEY
        key = "" if is_cut_off else task.key or ""
        run = f" in run {task.run}" if task.run is not None else ""
        what = f"It was cut off{run}: {task.message}" if is_cut_off else f"It failed{run}: {task.message}"
        return Alert(
            kind="follow_up",
            site=self._desk.site().name,
            word="Interrupted" if is_cut_off else "Failed",
            title=f"{self._named_step(task)}{f' ({key})' if key else ''}",
            facts=what,
            why_you="",
            last_lines="" if task.run is None else last_output(self._desk.state, task.run, task.step, key).text,
            run=task.run,
            step=task.step,
            task=task.id,
        )

    def _about_task(self, task: Task, kind: AlertKind, *, facts: str, at: datetime) -> Alert:
        site = self._desk.site()
        return Alert(
            kind=kind,
            site=site.name,
            tone="look",
            word=due_words(task, at=at) or "Open",
            title=task.title,
            facts=facts,
            why_you="",
            since=f"Open since {moment_words(task.opened_at, zone=ZoneInfo(site.timezone))}.",
            how="\n\n".join(part for part in (readable(task.how), task.link) if part),
            run=task.run,
            step=task.step,
            task=task.id,
        )

    def _due_facts(self, task: Task) -> str:
        site = self._desk.site()
        due = "" if task.due_at is None else f"Due {moment_words(task.due_at, zone=ZoneInfo(site.timezone))}."
        found = site.routines.get(task.routine or "")
        name = found.name if found else self._desk.books.routines.name(task.routine or "")
        return f"{due} It belongs to {name}.".strip() if name else due

    def _named_step(self, task: Task) -> str:
        routine = self._desk.site().routines.get(task.routine or "")
        if routine is None:
            name = RoutineNames(self._desk).of(task.routine)
            return name if is_asked_name(task.routine) else f"{name}: {task.step}"
        name = next((plan.name for plan in routine.steps if plan.id == task.step and plan.name), task.step)
        return f"{routine.name}: {name}"

    def _open_follow_ups(self, routine: str, step: str) -> list[Task]:
        opened = self._desk.books.tasks.opened(routine=routine)
        failures = [task for task in opened if task.kind is TaskKind.FOLLOW_UP and task.item == step]
        return [task for task in failures if task.key != INTERRUPTED_KEY]

    def _queue_about(self, task: Task, alert: Alert, *, cause: str, at: datetime, due: Task | None = None) -> None:
        """Queue a mail to whose task it is, each with its own reason; see `_queue` for `due`."""
        owner = self._people.of_task(task, at=at)
        for person in (owner,) if owner else self._people.persons(task.role, at=at):
            why = self._people.why(task, person, at=at).removeprefix("yours: ")
            self._queue(replace(alert, why_you=why), (person,), cause=cause, at=at, due=due)

    def _queue(
        self,
        alert: Alert,
        persons: Sequence[Person],
        *,
        cause: str,
        at: datetime,
        urgent: bool = False,
        due: Task | None = None,
    ) -> None:
        """Queue a mail to each person.

        One about a task's due time that waits for the end of quiet hours says how late it will be then, and
        those of one night are one.
        """
        zone, web = self._desk.site().timezone, self._desk.site().web
        for person in persons:
            if not person.email:
                continue
            not_before = None if urgent else quiet_until(person, at=at, zone=zone)
            told, word = replace(alert, url=web.link(task=alert.task, run=alert.run)), f"{cause} {person.email}"
            if due is not None and not_before is not None:
                told = replace(told, word=due_words(due, at=not_before))
                word = f"{alert.kind} task {due.id} {not_before.isoformat()} {person.email}"
            mail = self._mail(told, person, unique=word, not_before=not_before)
            self._desk.books.outbox.put([mail], at=at)

    def _mail(self, alert: Alert, person: Person, *, unique: str, not_before: datetime | None) -> NewMail:
        """Return the mail; where its templates are no good, a plain one: an alert is never lost to its looks."""
        try:
            return alert_mail(alert, to=person.email, folders=self._desk.reports, unique=unique, not_before=not_before)
        except OpsrunnerError as exc:
            _log.warning("the %s mail goes out plain: %s", alert.kind, exc.message, extra={"action": "alert"})
            text = "\n\n".join(part for part in (alert.title, alert.facts, alert.since, alert.why_you) if part)
            return NewMail(
                to=person.email,
                subject=f"{alert.word}: {alert.title}",
                text=text,
                about=alert.kind,
                task=None if alert.others else alert.task,
                not_before=not_before,
                unique=unique,
            )
