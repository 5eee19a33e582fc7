"""The tasks about windows and incidents: approve, say how it stands, end it, review it, credit it.

Each is opened once and kept by the row that it is about; all are written in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from opsrunner.engine.desk import Desk
from opsrunner.engine.downtime_words import people_words, span_said, span_short
from opsrunner.engine.moment_words import span_words, when_words
from opsrunner.engine.plain_markdown import plain_markdown
from opsrunner.mail.headers import clean_line
from opsrunner.model.downtime import Downtime, Post
from opsrunner.model.routine import Escalation
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus
from opsrunner.model.window import IncidentRules, Window
from opsrunner.steps.fenced import fenced

TITLE_LENGTH = 200
BY_PROGRAM = "opsrunner"
SOON = timedelta(minutes=15)
APPROVE_AT_LEAST = timedelta(hours=1)
REVIEW_WITHIN = timedelta(days=3)
CREDIT_WITHIN = timedelta(days=7)


class DowntimeTasks:
    """Opens and closes them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def approve(
        self,
        row: Downtime,
        window: Window,
        rows: Sequence[dict[str, Any]],
        *,
        sample: str,
        due_at: datetime,
        at: datetime,
    ) -> Task:
        """Ask for the approval of a list, with the mail that the first of them would get."""
        when = span_said(row.begins_at, row.ends_at, zone=self._zone)
        how = (
            f"**{plain_markdown(row.title)}**, {when}, on {plain_markdown(', '.join(row.hosts[:20]))}.\n\n"
            f"Strike whoever is not to be told. Nothing goes before you approve; the first mail is for {len(rows)} "
            f"{'person' if len(rows) == 1 else 'people'}. The mail of the first of them:\n\n{fenced(sample)}"
        )
        due = max(due_at, at + APPROVE_AT_LEAST)
        return self._open(
            f"Approve what customers are told of {row.title}, {self._near(row.begins_at, at)}",
            how=how,
            role=window.approve_by,
            approve_by=window.approve_by,
            rows=tuple(rows),
            due_at=due,
            remind=(-86400, 0),
            escalate=(Escalation(after_seconds=3600, to="owner"),),
            at=at,
        )

    def status(self, row: Downtime, accountable: str, last: Post | None, *, told: int, at: datetime) -> Task:
        """Ask for a status line: who waits, since when, what was said last."""
        who, verb = people_words(len(row.people), _services(row)), "wait" if len(row.people) > 1 else "waits"
        waits = f"{who} {verb} since {self._near(row.began_at, at)}"
        said = f"The last word, {self._near(last.at, at)}: {last.text}" if last else "Nothing has been said yet."
        command = f'opsrunner {self._verb(row)} post {row.id if row.is_incident else row.window} "…"'
        heard = f"{told} of {len(row.people)} told" if told else "nobody was told yet"
        how = f"{plain_markdown(waits)}; {heard}.\n\n{plain_markdown(said)}\n\n`{command}`"
        return self._open(
            f"Post a status line: {row.title}", how=how, role=accountable, due_at=at + SOON, remind=(0,), at=at
        )

    def overrun(self, row: Downtime, accountable: str, *, at: datetime) -> Task:
        """Ask to end a window whose time is over."""
        ended = self._near(row.ends_at or at, at)
        how = (
            f"It was to end {ended}, and nobody has said that it did: customers wait for that word.\n\n"
            f"Over: `opsrunner maintenance end {row.window}`; not yet: "
            f"`opsrunner maintenance move {row.window} --until +1h`, and they are told so."
        )
        return self._open(
            f"{row.title} should have ended {ended}",
            how=how,
            role=accountable,
            due_at=at + SOON,
            remind=(0,),
            escalate=(Escalation(after_seconds=3600, to="owner"),),
            at=at,
        )

    def stray(self, row: Downtime, accountable: str, why: str, *, at: datetime) -> Task:
        """Ask what is meant where customers were told a time that the file no longer says."""
        when = span_short(row.begins_at, row.ends_at, now=at, zone=self._zone)
        how = (
            f"Customers were told {when}; maintenance.yaml {why}. Nothing is told by itself.\n\n"
            f"Another time: `opsrunner maintenance move {row.window} --on {self._day(row)} --to WHEN`; "
            f"not at all: `opsrunner maintenance cancel {row.window} --on {self._day(row)}`. "
            "Or put the file back as it was."
        )
        return self._open(
            f"{row.title} is announced otherwise than planned",
            how=how,
            role=accountable,
            at=at,
            due_at=at + APPROVE_AT_LEAST,
            remind=(0,),
        )

    def unknown(self, row: Downtime, accountable: str, why: str, *, at: datetime) -> Task:
        """Ask to look why nobody knows who is affected."""
        hosts = plain_markdown(", ".join(row.hosts[:20]))
        how = (
            f"{plain_markdown(row.title)}, {span_said(row.begins_at, row.ends_at, zone=self._zone)}, on {hosts}: "
            f"{plain_markdown(why)}.\n\nWho should hear of it stands in `audience:` of maintenance.yaml."
        )
        return self._open(
            f"Nobody knows whom {row.title} affects",
            how=how,
            role=accountable,
            at=at,
            due_at=at + APPROVE_AT_LEAST,
            remind=(0,),
        )

    def review(self, row: Downtime, rules: IncidentRules, *, at: datetime) -> Task:
        """Ask for the review of an incident that is over."""
        lasted = span_words(((row.ended_at or at) - row.began_at).total_seconds())
        items = "\n".join(f"- [ ] {item.title}{f': {item.how}' if item.how else ''}" for item in rules.review)
        how = f"It lasted {lasted}, and affected {people_words(len(row.people), _services(row))}.\n\n{items}".rstrip()
        return self._open(
            f"Review incident {row.id}: {row.title}",
            how=how,
            role=rules.accountable,
            due_at=at + REVIEW_WITHIN,
            remind=(0,),
            at=at,
        )

    def credit(self, row: Downtime, rules: IncidentRules, rows: Sequence[dict[str, Any]], *, at: datetime) -> Task:
        """Ask for the approval of what is credited."""
        how = "Strike what is not to be credited. What is approved is yours to enter: nothing is posted by itself."
        return self._open(
            f"Approve the credits for incident {row.id}: {row.title}",
            how=how,
            role=rules.approve_by,
            approve_by=rules.approve_by,
            rows=tuple(rows),
            due_at=at + CREDIT_WITHIN,
            remind=(0,),
            at=at,
        )

    def close(self, task_id: int | None, outcome: str, *, at: datetime, status: TaskStatus = TaskStatus.DONE) -> None:
        """Close a task that its cause has left, where somebody has not closed it already."""
        if task_id is None:
            return
        evidence = Evidence(outcome=clean_line(outcome, length=500))
        self._desk.books.tasks.close(task_id, status=status, by=BY_PROGRAM, evidence=evidence, at=at)

    def _open(self, title: str, *, how: str, role: str, at: datetime, **more: Any) -> Task:
        new = NewTask(
            kind=TaskKind.AD_HOC,
            run=None,
            routine=None,
            step="",
            item="maintenance",
            title=clean_line(title, length=TITLE_LENGTH),
            how=how,
            role=role,
            expires="never",
            opened_at=at,
            opened_by=BY_PROGRAM,
            **more,
        )
        task, _ = self._desk.books.tasks.open(new)
        return task

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self._desk.site().timezone)

    def _near(self, moment: datetime, at: datetime) -> str:
        return when_words(moment, now=at, zone=self._zone)

    def _day(self, row: Downtime) -> str:
        return row.begins_at.astimezone(self._zone).date().isoformat()

    def _verb(self, row: Downtime) -> str:
        return "incident" if row.is_incident else "maintenance"


def _services(row: Downtime) -> int:
    return sum(len(person["services"]) for person in row.people)
