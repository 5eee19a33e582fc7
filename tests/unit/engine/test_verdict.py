"""The worst part of a run decides on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from opsrunner.engine.verdict import final_status
from opsrunner.model.outcome import Outcome, StepStatus
from opsrunner.model.run import StepRecord
from opsrunner.model.task import Task, TaskKind, TaskStatus

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def step(status: str, reason: str = "", name: str = "dump") -> StepRecord:
    found = StepStatus(status)
    outcome = Outcome(status=found, reason=reason)
    return StepRecord(run=1, position=0, id=name, kind="run", status=found, outcome=outcome)


def task(status: str, **fields: Any) -> Task:
    return Task(
        **{
            "id": 1,
            "kind": TaskKind.ROUTINE,
            "status": TaskStatus(status),
            "run": 1,
            "routine": "backups",
            "step": "sign",
            "item": "sign",
            "key": None,
            "title": "Sign",
            "role": "boss",
            "opened_at": NOW,
            **fields,
        }
    )


VERDICTS = [
    # steps, tasks, status, reason
    ([], [], "succeeded", ""),
    ([step("succeeded")], [], "succeeded", ""),
    ([step("succeeded"), step("warning", name="look")], [], "warning", "step look"),
    ([step("failed"), step("warning")], [], "failed", "step dump"),
    ([step("timed_out")], [], "failed", "step dump"),
    ([step("unknown")], [], "failed", "step dump"),
    ([step("skipped", "when")], [], "succeeded", ""),
    ([step("skipped", "no_rows")], [], "succeeded", ""),
    ([step("skipped", "once")], [], "succeeded", ""),
    ([step("skipped", "not_reached")], [], "failed", "step dump"),
    ([step("interrupted", "crash"), step("skipped", "not_reached")], [], "interrupted", "crash"),
    ([step("succeeded")], [task("done"), task("not_applicable")], "succeeded", ""),
    ([step("succeeded")], [task("missed")], "warning", "task sign"),
    ([step("succeeded")], [task("could_not")], "warning", "task sign"),
    ([step("succeeded")], [task("could_not", wait=True)], "failed", "task sign"),
    ([step("succeeded")], [task("missed", kind=TaskKind.FOLLOW_UP)], "succeeded", ""),
    ([step("succeeded")], [task("could_not", key="10482")], "succeeded", ""),
    ([step("failed")], [task("missed")], "failed", "step dump"),
]


@pytest.mark.parametrize(("steps", "tasks", "status", "reason"), VERDICTS)
def test_the_worst_part_wins(steps: list[StepRecord], tasks: list[Task], status: str, reason: str) -> None:
    found, why = final_status(steps, tasks)
    assert (found.value, why) == (status, reason)
