"""Reminders and escalations go once each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from opsrunner.engine.desk import Desk
from opsrunner.engine.rungs import Rungs
from opsrunner.model.person import Person
from opsrunner.model.routine import Escalation
from opsrunner.model.task import Evidence, NewTask, Task, TaskKind, TaskStatus

HOUR = timedelta(hours=1)
Open = Callable[..., Task]


@pytest.fixture
def rungs(desk: Desk) -> Rungs:
    return Rungs(desk)


@pytest.fixture
def due(now: datetime) -> datetime:
    """Four hours from now: 11:00."""
    return now + 4 * HOUR


@pytest.fixture
def open_task(desk: Desk, now: datetime, due: datetime) -> Open:
    """Open a task that is due at eleven, with two reminders and two escalations."""

    def open_one(**changes: Any) -> Task:
        new = NewTask(
            kind=TaskKind.ROUTINE,
            run=None,
            routine="nightly",
            step="ask",
            item="ask",
            title="Read the report",
            role="sysadmin",
            due_at=due,
            remind=(-3600, 0),
            escalate=(Escalation(after_seconds=3600, to="ops2"), Escalation(after_seconds=7200, to="owner")),
            opened_at=now,
        )
        return desk.books.tasks.open(replace(new, **changes))[0]

    return open_one


def subjects(desk: Desk) -> list[str]:
    return [mail.subject for mail in desk.books.outbox.queued()]


def test_each_rung_goes_once_however_often_it_is_looked_at(
    desk: Desk, rungs: Rungs, open_task: Open, now: datetime
) -> None:
    open_task()
    moment, sent = now, []
    while moment <= now + 10 * HOUR:
        sent.append(rungs.climb(moment))
        moment += timedelta(minutes=10)
    assert sum(sent) == 4
    assert subjects(desk) == [
        "Due in 1 h: Read the report",
        "Due now: Read the report",
        "1 h overdue, escalated to you: Read the report",
        "2 h overdue, escalated to you: Read the report",
    ]
    assert [mail.to for mail in desk.books.outbox.queued()] == ["ops1@example.com"] * 2 + [
        "ops2@example.com",
        "owner@example.com",
    ]


@pytest.mark.parametrize(("seconds", "sent"), [(-1, 0), (0, 1)])
def test_a_rung_goes_at_its_moment_and_not_before(
    rungs: Rungs, open_task: Open, due: datetime, seconds: int, sent: int
) -> None:
    open_task()
    assert rungs.climb(due - HOUR + timedelta(seconds=seconds)) == sent


def test_of_the_reminders_that_a_stopped_daemon_missed_only_the_newest_goes(
    desk: Desk, rungs: Rungs, open_task: Open, due: datetime
) -> None:
    task = open_task(remind=(0, -7200, -3600), escalate=())
    assert rungs.climb(due + 3 * HOUR) == 1
    assert subjects(desk) == ["3 h overdue: Read the report"]
    assert rungs.climb(due + 4 * HOUR) == 0
    assert sorted(desk.books.tasks.rungs(task.id)) == ["remind -3600", "remind -7200", "remind 0"]


def test_a_task_that_is_closed_reminds_nobody(desk: Desk, rungs: Rungs, open_task: Open, due: datetime) -> None:
    task = open_task()
    desk.books.tasks.close(task.id, status=TaskStatus.DONE, by="ops1", evidence=Evidence(), at=due)
    assert rungs.climb(due + 10 * HOUR) == 0
    assert desk.books.outbox.queued() == []


def test_a_task_without_a_due_time_has_no_rungs(rungs: Rungs, open_task: Open, due: datetime) -> None:
    open_task(due_at=None)
    assert rungs.climb(due + 10 * HOUR) == 0


def test_a_task_that_opens_past_a_rung_reminds_at_once(
    desk: Desk, rungs: Rungs, open_task: Open, now: datetime
) -> None:
    open_task(due_at=now + timedelta(minutes=30))
    assert rungs.climb(now) == 1
    assert subjects(desk) == ["Due in 30 min: Read the report"]


def test_a_reminder_goes_to_who_holds_the_roster_when_it_goes(
    desk: Desk, rungs: Rungs, open_task: Open, now: datetime
) -> None:
    monday_eleven = now + timedelta(days=3, hours=4)
    open_task(role="on-call", due_at=monday_eleven, remind=(-3 * 86400, 0), escalate=())
    rungs.climb(now + 5 * HOUR)
    rungs.climb(monday_eleven)
    assert [mail.to for mail in desk.books.outbox.queued()] == ["ops2@example.com", "ops1@example.com"]


def test_a_rung_and_its_mail_are_written_together(
    desk: Desk, rungs: Rungs, open_task: Open, due: datetime, team: dict[str, Person]
) -> None:
    task = open_task(escalate=())
    with desk.books.transaction():  # as if the process died before the commit
        rungs.climb(due)
        desk.books.ledger.change("DELETE FROM outbox")
        desk.books.ledger.change("DELETE FROM rungs")
    assert rungs.climb(due) == 1
    assert len(desk.books.tasks.rungs(task.id)) == 2
    assert len(desk.books.outbox.queued()) == 1
