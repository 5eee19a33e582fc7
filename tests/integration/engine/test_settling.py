"""Tasks that expire with their due time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from opsrunner.engine.desk import Desk
from opsrunner.engine.settling import Settling
from opsrunner.model.task import NewTask, TaskKind, TaskStatus

SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("expires", "key", "kind", "late_by", "status"),
    [
        ("due", None, TaskKind.ROUTINE, SECOND, TaskStatus.MISSED),
        ("due", None, TaskKind.ROUTINE, -SECOND, TaskStatus.OPEN),
        ("next", None, TaskKind.ROUTINE, SECOND, TaskStatus.OPEN),
        ("never", None, TaskKind.ROUTINE, SECOND, TaskStatus.OPEN),
        ("due", "17", TaskKind.ROUTINE, SECOND, TaskStatus.OPEN),
        ("due", None, TaskKind.AD_HOC, SECOND, TaskStatus.OPEN),
    ],
    ids=["late", "in time", "expires with the next", "never expires", "keyed", "ad hoc"],
)
def test_only_what_expires_with_its_due_time_is_missed_by_it(
    desk: Desk,
    now: datetime,
    expires: str,
    key: str | None,
    kind: TaskKind,
    late_by: timedelta,
    status: TaskStatus,
) -> None:
    new = NewTask(
        kind=kind,
        run=None,
        routine="nightly",
        step="ask",
        item="ask",
        key=key,
        title="Read",
        role="sysadmin",
        due_at=now - late_by,
        expires=expires,
        opened_at=now - timedelta(hours=1),
    )
    task, _ = desk.books.tasks.open(new)
    assert Settling(desk).expire_due(now) == (status is TaskStatus.MISSED)
    after = desk.books.tasks.get(task.id)
    assert after.status is status
    if status is TaskStatus.MISSED:
        assert (after.closed_by, after.evidence.outcome) == ("opsrunner", "not ticked by its due time")
    assert Settling(desk).expire_due(now) == 0


def test_a_task_without_a_due_time_does_not_expire_with_it(desk: Desk, now: datetime) -> None:
    new = NewTask(
        kind=TaskKind.ROUTINE,
        run=None,
        routine="n",
        step="a",
        item="a",
        title="A",
        role="boss",
        expires="due",
        opened_at=now,
    )
    desk.books.tasks.open(new)
    assert Settling(desk).expire_due(now + timedelta(days=1000)) == 0
