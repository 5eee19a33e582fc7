"""Moments, spans and marks in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from opsrunner.engine.task_words import due_words, evidence_words
from opsrunner.model.routine import EvidenceSpec
from opsrunner.model.spans import span_words
from opsrunner.model.task import Evidence, Task, TaskKind, TaskStatus

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
TASK = Task(
    id=12,
    kind=TaskKind.ROUTINE,
    status=TaskStatus.OPEN,
    run=1,
    routine="nightly",
    step="ask",
    item="ask",
    key=None,
    title="Read the report",
    role="sysadmin",
    opened_at=NOW,
)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "0 min"),
        (timedelta(minutes=59, seconds=59), "59 min"),
        (timedelta(hours=1), "1 h"),
        (timedelta(hours=47, minutes=59), "47 h"),
        (timedelta(hours=48), "2 days"),
        (-timedelta(hours=3), "3 h"),
    ],
)
def test_a_span_is_told_in_its_largest_unit(span: timedelta, words: str) -> None:
    assert span_words(span) == words


@pytest.mark.parametrize(
    ("due_in", "words"),
    [
        (timedelta(hours=1), "Due in 1 h"),
        (timedelta(seconds=59), "Due now"),
        (timedelta(seconds=-59), "Due now"),
        (timedelta(hours=-2), "2 h overdue"),
        (None, ""),
    ],
)
def test_it_tells_how_a_task_stands_to_its_due_time(due_in: timedelta | None, words: str) -> None:
    due_at = None if due_in is None else NOW + due_in
    assert due_words(replace(TASK, due_at=due_at), at=NOW) == words


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (Evidence(), ""),
        (Evidence(number=42.5), "free GB 42.5"),
        (Evidence(number=0), "free GB 0"),
        (Evidence(note="disk replaced", choice="yes"), "yes; disk replaced"),
        (Evidence(file="evidence/12/a.png", outcome="seen"), "file evidence/12/a.png; seen"),
    ],
)
def test_it_tells_what_a_tick_carries(evidence: Evidence, words: str) -> None:
    task = replace(TASK, evidence=evidence, evidence_spec=EvidenceSpec(number="optional", number_name="free GB"))
    assert evidence_words(task) == words


def test_it_tells_how_many_rows_were_struck() -> None:
    task = replace(TASK, rows=({"a": 1}, {"a": 2}, {"a": 3}), struck=(1,))
    assert evidence_words(task) == "1 of 3 rows struck"
