"""What has not ended: who runs, who is next, and which run people have answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import product

import pytest

from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.ledger.standing import Standing
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import QUEUED, RunStatus, Trigger
from opsrunner.model.task import Evidence, NewTask, TaskKind, TaskStatus

UNDO = timedelta(seconds=30)


@pytest.fixture
def claim(books: Books, now: datetime) -> Callable[..., int]:
    """Claim a run by hand, and return its number."""

    def make(status: RunStatus = RunStatus.RUNNING, *, routine: str = "nightly", reason: str = "") -> int:
        new = NewRun(routine=routine, trigger=Trigger.MANUAL, status=status, reason=reason)
        run = books.runs.claim(new, at=now)
        assert run is not None
        return run.id

    return make


def test_it_counts_what_runs_and_what_is_queued_of_each_routine(books: Books, claim: Callable[..., int]) -> None:
    claim(), claim(RunStatus.WAITING), claim(RunStatus.WAITING, reason=QUEUED), claim(RunStatus.MISSED)
    claim(RunStatus.WAITING, routine="other")
    assert books.active_runs.by_routine() == {"nightly": Standing(running=1, queued=1), "other": Standing()}


def test_the_first_in_the_queue_is_next_when_nothing_of_its_routine_runs(
    books: Books, claim: Callable[..., int], now: datetime
) -> None:
    running = claim()
    first, second = (claim(RunStatus.WAITING, reason=QUEUED) for _ in range(2))
    other = claim(RunStatus.WAITING, routine="other", reason=QUEUED)
    assert books.active_runs.next_queued() == [other]
    books.runs.finish(running, status=RunStatus.SUCCEEDED, reason="", at=now)
    assert books.active_runs.next_queued() == [first, other]
    books.runs.start_queued(first, at=now)
    assert books.active_runs.next_queued() == [other]
    assert second > first


@pytest.mark.parametrize("stands_at_a_step", [False, True], ids=["between-steps", "at-a-step"])
def test_a_run_is_ready_just_when_none_of_its_tasks_holds_it(
    books: Books,
    claim: Callable[..., int],
    new_task: Callable[..., NewTask],
    now: datetime,
    stands_at_a_step: bool,
) -> None:
    """Every kind of task, with and without `wait` and a key, open, just ticked and ticked for good."""
    expected: dict[int, bool] = {}
    kinds, states = (TaskKind.ROUTINE, TaskKind.FOLLOW_UP, TaskKind.AD_HOC), ("open", "ticked", "settled")
    for number, (kind, wait, keyed, state) in enumerate(product(kinds, (False, True), (False, True), states)):
        run = claim(RunStatus.WAITING)
        plan = StepPlan(id="ask", kind="task")
        books.steps.start(run, 0, plan, at=now)
        if not stands_at_a_step:
            books.steps.finish(run, 0, plan, outcome=Outcome(status=StepStatus.SUCCEEDED), at=now)
        key = f"{number}" if keyed else None
        task, _ = books.tasks.open(new_task(kind=kind, run=run, wait=wait, key=key, item=f"item-{number}"))
        if state != "open":
            settles = now + UNDO if state == "ticked" else now
            books.tasks.close(
                task.id, status=TaskStatus.DONE, by="ops1", evidence=Evidence(), at=now, settles_at=settles
            )
        unsettled = task.holds_run and state != "settled"
        expected[run] = not (unsettled and (wait or not stands_at_a_step))
    assert len(set(expected.values())) == 2
    assert books.active_runs.ready(now) == [run for run, is_ready in expected.items() if is_ready]


def test_neither_a_queued_nor_a_running_run_is_ready(books: Books, claim: Callable[..., int], now: datetime) -> None:
    claim(), claim(RunStatus.WAITING, reason=QUEUED)
    waiting = claim(RunStatus.WAITING)
    assert books.active_runs.ready(now) == [waiting]


def test_it_finds_the_tasks_that_have_a_rung_left(
    books: Books, new_task: Callable[..., NewTask], now: datetime
) -> None:
    due = now + timedelta(hours=4)
    reminded, _ = books.tasks.open(new_task(key="1", due_at=due, remind=(-3600, -60)))
    books.tasks.open(new_task(key="2", due_at=due))
    books.tasks.open(new_task(key="3", remind=(-3600,)))
    assert [task.id for task in books.tasks.climbing()] == [reminded.id]
    for rung in ("remind -3600", "remind -60"):
        assert [task.id for task in books.tasks.climbing()] == [reminded.id]
        books.tasks.climb(reminded.id, rung, at=now)
    assert books.tasks.climbing() == []


def test_it_finds_what_expires_with_its_due_time(books: Books, new_task: Callable[..., NewTask], now: datetime) -> None:
    late, _ = books.tasks.open(new_task(key="1", due_at=now - UNDO, expires="due"))
    books.tasks.open(new_task(key="2", due_at=now, expires="due"))
    books.tasks.open(new_task(key="3", due_at=now - UNDO, expires="next"))
    assert [task.id for task in books.tasks.overdue(now)] == [late.id]
