"""How steps ended on hosts, from the newest runs alone."""

from __future__ import annotations

from datetime import datetime, timedelta

from opsrunner.ledger.books import Books
from opsrunner.ledger.runs import NewRun
from opsrunner.model.outcome import Outcome, Part, StepStatus
from opsrunner.model.routine import StepPlan
from opsrunner.model.run import RunStatus, Trigger

MINUTE = timedelta(minutes=1)


def write(books: Books, routine: str, at: datetime, *hosts: str, kind: str = "ssh") -> int:
    run = books.runs.claim(NewRun(routine=routine, trigger=Trigger.MANUAL, status=RunStatus.RUNNING), at=at)
    assert run is not None
    parts = tuple(Part(key=host, status=StepStatus.SUCCEEDED, message="x" * 900) for host in hosts)
    outcome = Outcome(status=StepStatus.SUCCEEDED, parts=parts)
    books.steps.finish(run.id, 0, StepPlan(id="ask", kind=kind), outcome=outcome, at=at)
    books.runs.finish(run.id, status=RunStatus.SUCCEEDED, reason="", at=at)
    return run.id


def test_the_newest_end_of_each_step_counts(books: Books, now: datetime) -> None:
    write(books, "disk", now, "web1", "web2")
    new = write(books, "disk", now + MINUTE, "web1")
    write(books, "other", now, "web1")
    write(books, "rows", now, "web1", kind="run")
    found = books.host_parts.last(["disk", "rows"], runs=2)
    assert {(part.host, part.run) for part in found} == {("web1", new), ("web2", new - 1)}
    assert [part.host for part in books.host_parts.last(["disk"], runs=1)] == ["web1"]
    assert books.host_parts.last([], runs=2) == []


def test_one_host_comes_newest_first_of_so_many_runs(books: Books, now: datetime) -> None:
    runs = [write(books, "disk", now + n * MINUTE, "web1", "web2") for n in range(4)]
    found = books.host_parts.of_host("web2", ["disk"], runs=3)
    assert [part.run for part in found] == runs[:0:-1]
    assert {part.host for part in found} == {"web2"}
    assert len(found[0].message) == 500


def test_runs_that_did_not_begin_crowd_out_nobody(books: Books, now: datetime) -> None:
    run = write(books, "disk", now, "web1")
    for n in range(5):
        skipped = NewRun(
            routine="disk", trigger=Trigger.SCHEDULE, status=RunStatus.SKIPPED, nominal_at=now + n * MINUTE
        )
        books.runs.claim(skipped, at=now + n * MINUTE)
    assert [part.run for part in books.host_parts.last(["disk"], runs=1)] == [run]
